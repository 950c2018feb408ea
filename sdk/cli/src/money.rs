//! What a wallet has in a market: which mint, how many digits, how much.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use solana_pubkey::Pubkey;
use tessera_migrate::amount::tokens;
use tessera_sdk::{Account, Holdings, Tessera, accounts, token};

/// The token of a market, and how much of it a wallet holds.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    pub market: String,
    pub mint: String,
    pub decimals: u8,
    /// The wallet's associated token account.
    pub account: String,
    /// Base units in it; nothing if there is no such account.
    pub amount: Option<u64>,
}

/// What a wallet holds of the tokens of the markets that it has to do with.
#[derive(Clone, Debug)]
pub struct Purse(BTreeMap<Pubkey, Held>);

impl Purse {
    /// Looks into the wallet, for the markets of what it holds and for `more`.
    pub async fn read(
        tessera: &Tessera,
        wallet: &Pubkey,
        holdings: &Holdings,
        more: Option<&Account<accounts::Market>>,
    ) -> Result<Self> {
        let mut held = BTreeMap::new();
        let more = more.filter(|market| !holdings.markets.contains_key(&market.address));
        for market in holdings.markets.values().chain(more) {
            held.insert(market.address, held_in(tessera, wallet, market).await?);
        }
        Ok(Self(held))
    }

    /// All of it.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.0.values()
    }

    /// Base units as tokens of a market.
    pub fn show(&self, market: &Pubkey, base_units: u64) -> String {
        match self.0.get(market) {
            Some(held) => tokens(base_units, held.decimals),
            None => format!("{base_units} base units"),
        }
    }
}

/// What a wallet holds of the token of a market.
pub async fn held_in(tessera: &Tessera, wallet: &Pubkey, market: &Account<accounts::Market>) -> Result<Held> {
    let account = token::ata(wallet, &market.mint);
    Ok(Held {
        market: market.address.to_string(),
        mint: market.mint.to_string(),
        decimals: tessera.mint(&market.mint).await?.decimals,
        account: account.to_string(),
        amount: tessera.token_balance(&account).await?,
    })
}
