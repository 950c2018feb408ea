//! Where all tokens of a network are.

use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_sdk::{Ledger, Tessera, pda, token};

use super::{
    incident::WORKERS,
    run::{ensure, said},
    world::World,
};

/// All tokens, while no job is open.
pub struct Books {
    /// In base units, as the rest.
    supply: u64,
    client: u64,
    treasury: u64,
    /// In the providers' vaults: their stakes, and what they have earned.
    vaults: u64,
}

impl Books {
    /// Reads all balances.
    pub async fn of(world: &World, tessera: &Tessera) -> Result<Self, String> {
        let network = &world.network;
        let market = said(tessera.market(&network.market()).await)?.ok_or("the market is gone")?;
        let mint = market.mint;
        let balance =
            async |account: Pubkey| said(tessera.token_balance(&account).await).map(Option::unwrap_or_default);
        let providers = 1..=WORKERS as u16;
        let mut vaults = 0;
        for n in providers.clone() {
            vaults += balance(pda::stake_vault(&network.provider(n))).await?;
        }
        // What is left with those who own the providers, and those who set the network up.
        let mut elsewhere = 0;
        for key in providers.map(|n| network.authority(n)).chain([network.admin()]) {
            elsewhere += balance(token::ata(&key.pubkey(), &mint)).await?;
        }
        let client = balance(token::ata(&network.client().pubkey(), &mint)).await?;
        let treasury = balance(pda::treasury(&network.market())).await?;
        let supply = said(tessera.supply(&mint).await)?;
        let sum = client + treasury + elsewhere + vaults;
        ensure(sum == supply, || format!("{supply} tokens were made, and {sum} are there"))?;
        Ok(Self { supply, client, treasury, vaults })
    }

    /// Whether these are what a job makes of `before`, to the last base unit.
    pub fn follow_from(&self, before: &Self, ledger: &Ledger) -> Result<(), String> {
        // Awards that nobody fetched leave the escrow with the refund.
        let spent = i128::from(ledger.paid_by_client() + ledger.fee()) - i128::from(ledger.surplus);
        let client = i128::from(before.client) - i128::from(self.client);
        ensure(client == spent, || format!("the client has spent {client}, by the ledger {spent}: {ledger:?}"))?;
        let treasury = self.treasury - before.treasury;
        ensure(treasury == ledger.treasury, || format!("the treasury has {treasury} more: {ledger:?}"))?;
        // Lost bonds and locks stay in their vaults until somebody burns them.
        let burned = before.supply - self.supply - ledger.burned;
        let (now, then) = (self.vaults + burned, before.vaults + ledger.paid_sum() - ledger.awarded_sum());
        ensure(now == then, || format!("providers have {now} and not {then}: {ledger:?}"))
    }
}
