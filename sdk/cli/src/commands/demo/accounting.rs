//! The ledger of the demo's job, checked against the token accounts; and what its instructions took.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::tokens;
use tessera_sdk::{ID, Ledger, Tessera, accounts, logs::InstructionCost, pda, token};

use crate::{network::DECIMALS, output::table};

/// What the token accounts around a job hold, and the tokens in existence.
pub struct Holdings {
    wallet: u64,
    treasury: u64,
    supply: u64,
    vaults: BTreeMap<Pubkey, u64>,
}

impl Holdings {
    pub async fn read(
        tessera: &Tessera,
        market: &tessera_sdk::Account<accounts::Market>,
        wallet: &Pubkey,
        providers: &[Pubkey],
    ) -> Result<Self> {
        let balance = async |account: Pubkey| -> Result<u64> {
            tessera.token_balance(&account).await?.with_context(|| format!("there is no token account {account}"))
        };
        let mut vaults = BTreeMap::new();
        for provider in providers {
            vaults.insert(*provider, balance(pda::stake_vault(provider)).await?);
        }
        Ok(Self {
            wallet: balance(token::ata(wallet, &market.mint)).await?,
            treasury: balance(pda::treasury(&market.address)).await?,
            supply: tessera.supply(&market.mint).await?,
            vaults,
        })
    }
}

/// One amount as the events tell it and as the token accounts show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Entry {
    what: String,
    events: i128,
    /// Tokens can only have moved as far as an account can hold, either way.
    accounts: i128,
}

/// The ledger of a job beside what happened to the token accounts.
#[derive(Serialize)]
pub struct Audit {
    ledger: Ledger,
    entries: Vec<Entry>,
}

impl Audit {
    pub fn new(ledger: Ledger, before: &Holdings, after: &Holdings) -> Self {
        let moved = |from: u64, to: u64| i128::from(to) - i128::from(from);
        let mut entries = vec![];
        let mut add = |what: String, events: i128, accounts: i128| entries.push(Entry { what, events, accounts });
        // The wallet shows deposit and refund together.
        let spent = ledger.spent();
        add("client: deposited less refunded".into(), spent.into(), -moved(before.wallet, after.wallet));
        for (provider, vault) in &after.vaults {
            let paid = ledger.paid.get(provider).copied().unwrap_or(0);
            // The rest of a lost lock stays in the vault until it is burned.
            let awarded = ledger.awarded.get(provider).copied().unwrap_or(0);
            let had = before.vaults.get(provider).copied().unwrap_or(0);
            let name = format!("provider {provider}: paid less awarded to others");
            add(name, i128::from(paid) - i128::from(awarded), moved(had, *vault));
        }
        add("treasury: fee".into(), ledger.treasury.into(), moved(before.treasury, after.treasury));
        add("supply: burned".into(), ledger.burned.into(), -moved(before.supply, after.supply));
        add("escrow: left".into(), 0, i128::from(ledger.in_escrow));
        Self { ledger, entries }
    }

    /// Whether the ledger balances and every token account agrees with it.
    pub fn holds(&self) -> bool {
        self.ledger.closed && self.ledger.balances() && self.entries.iter().all(|entry| entry.events == entry.accounts)
    }

    pub fn text(&self) -> String {
        let Ledger { deposited, reserve, paid_to_auditors, paid_by_losers, treasury, burned, refunded, .. } =
            self.ledger;
        let show = |amount| tokens(amount, DECIMALS);
        let sums = format!(
            "deposited {} (of which {} in reserve for audits) = paid {} (of which {} to auditors) + fee {} (treasury {}, burned {}) + refunded {}\n",
            show(deposited),
            show(reserve),
            show(self.ledger.paid_by_client()),
            show(paid_to_auditors),
            show(self.ledger.fee()),
            show(treasury),
            show(burned),
            show(refunded)
        );
        let losers = format!("losers of disputes paid {} to those who decided\n", show(paid_by_losers));
        let sums = if paid_by_losers > 0 { sums + &losers } else { sums };
        let signed = |amount: i128| {
            let digits = tokens(u64::try_from(amount.unsigned_abs()).unwrap_or(u64::MAX), DECIMALS);
            if amount < 0 { format!("-{digits}") } else { digits }
        };
        let row = |entry: &Entry| {
            let agrees = if entry.events == entry.accounts { "yes" } else { "NO" };
            vec![entry.what.clone(), signed(entry.events), signed(entry.accounts), agrees.to_owned()]
        };
        let rows: Vec<Vec<String>> = self.entries.iter().map(row).collect();
        sums + &table(&["", "events", "token accounts", "equal"], &rows)
    }
}

/// What instructions of one kind took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Cost {
    count: u64,
    least: u64,
    mean: u64,
    most: u64,
}

/// What the program's instructions took, by name.
#[derive(Serialize)]
pub struct Costs(BTreeMap<String, Cost>);

impl Costs {
    /// Those that named the job, and those that named market or providers of kinds that never name a job.
    pub async fn read(tessera: &Tessera, job: &Pubkey, market: &Pubkey, providers: &[Pubkey]) -> Result<Self> {
        let mut all = tessera.costs(job).await?;
        let of_market = ["CreateMarket", "RegisterProvider", "RegisterClient"];
        let named =
            |cost: &InstructionCost, names: &[&str]| cost.name.as_deref().is_some_and(|name| names.contains(&name));
        all.extend(tessera.costs(market).await?.into_iter().filter(|cost| named(cost, &of_market)));
        for provider in providers {
            all.extend(tessera.costs(provider).await?.into_iter().filter(|cost| named(cost, &["AddStake"])));
        }
        Ok(Self::of(all))
    }

    fn of(all: impl IntoIterator<Item = InstructionCost>) -> Self {
        let mut by_name: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for cost in all {
            if let (Some(name), true) = (cost.name, cost.program == ID) {
                by_name.entry(name).or_default().push(cost.compute_units);
            }
        }
        let sum = |units: Vec<u64>| {
            let count = units.len() as u64;
            let (least, most) = (units.iter().copied().min().unwrap_or(0), units.iter().copied().max().unwrap_or(0));
            Cost { count, least, mean: units.iter().sum::<u64>() / count.max(1), most }
        };
        Self(by_name.into_iter().map(|(name, units)| (name, sum(units))).collect())
    }

    pub fn text(&self) -> String {
        let row = |(name, cost): (&String, &Cost)| {
            vec![
                name.clone(),
                cost.count.to_string(),
                cost.least.to_string(),
                cost.mean.to_string(),
                cost.most.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = self.0.iter().map(row).collect();
        table(&["instruction", "count", "least", "mean", "most"], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(wallet: u64, treasury: u64, supply: u64, vault: u64) -> Holdings {
        Holdings { wallet, treasury, supply, vaults: BTreeMap::from([(Pubkey::new_from_array([1; 32]), vault)]) }
    }

    fn ledger() -> Ledger {
        Ledger {
            deposited: 110,
            paid: BTreeMap::from([(Pubkey::new_from_array([1; 32]), 60)]),
            treasury: 3,
            burned: 3,
            refunded: 44,
            closed: true,
            ..Ledger::default()
        }
    }

    #[test]
    fn every_account_must_agree() {
        let before = holdings(1_000, 0, 5_000, 100);
        assert!(Audit::new(ledger(), &before, &holdings(934, 3, 4_997, 160)).holds());
        for wrong in [
            holdings(935, 3, 4_997, 160),
            holdings(934, 2, 4_997, 160),
            holdings(934, 3, 4_998, 160),
            holdings(934, 3, 4_997, 161),
        ] {
            let audit = Audit::new(ledger(), &before, &wrong);
            assert!(!audit.holds());
            assert!(audit.text().contains("NO"));
        }
        let open = Ledger { closed: false, ..ledger() };
        assert!(!Audit::new(open, &before, &holdings(934, 3, 4_997, 160)).holds());
    }

    #[test]
    fn costs_are_those_of_the_program() {
        let cost =
            |program, name: &str, compute_units| InstructionCost { program, name: Some(name.into()), compute_units };
        let costs =
            Costs::of([cost(ID, "PostJob", 10), cost(ID, "PostJob", 21), cost(Pubkey::default(), "PostJob", 99)]);
        assert_eq!(costs.0["PostJob"], Cost { count: 2, least: 10, mean: 15, most: 21 });
    }
}
