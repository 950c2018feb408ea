//! A market of one's own, with a token of one's own: only who is given tokens can stake and post in it.
//!
//! ```sh
//! source .tessera-localnet/env
//! cargo run -p tessera-sdk --example private_market
//! ```

use std::error::Error;

use solana_keypair::{Keypair, read_keypair_file};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::{audit::AuditParams, routing::Capabilities};
use tessera_sdk::{Config, Tessera, ix, pda, token, types::MarketParams};

/// Digits after the point of the token.
const DECIMALS: u8 = 6;
/// One token in base units.
const TOKEN: u64 = 1_000_000;
/// What every member is given.
pub const GIFT: u64 = 1_000 * TOKEN;

/// Among friends there is no fee, and windows are short.
fn params() -> MarketParams {
    MarketParams {
        fee_bps: 0,
        treasury_bps: 0,
        min_stake: 100 * TOKEN,
        max_open_leases: 64,
        unstake_seconds: 60,
        reveal_seconds: 60,
        grace_seconds: 120,
        free_returns: 100,
        returns_seconds: 3_600,
        step_seconds: 1,
        stake_cap: 100 * TOKEN,
        credit_fee: TOKEN,
        demand_bond: TOKEN / 1_000,
        max_memory_mib: 65_536,
        proof_seconds: 0,
        audit: AuditParams { lead: 1, seat_limit: 9, ..AuditParams::default() }.into(),
    }
}

/// Makes the token and market `id` of `owner`, gives tokens to `member`, and registers and stakes it as a provider whose workers
/// sign with `operator`. Returns the market.
pub async fn run(
    tessera: &Tessera,
    owner: &Keypair,
    id: u16,
    member: &Keypair,
    operator: &Pubkey,
) -> Result<Pubkey, Box<dyn Error + Send + Sync>> {
    let mint = Keypair::new();
    token::create_mint(tessera, owner, &mint, DECIMALS).await?;
    let mint = mint.pubkey();
    tessera.send(&[ix::create_market(&owner.pubkey(), id, &mint, params())], owner, &[]).await?;
    let market = pda::market(&owner.pubkey(), id);
    for key in [owner.pubkey(), member.pubkey()] {
        token::mint_to(tessera, owner, &mint, &key, GIFT).await?;
    }

    // The owner pays the member's fees and rent: it needs tokens, and no SOL.
    let has = Capabilities { memory_mib: 8_192, class: 0, region: 0 };
    let fund = solana_system_interface::instruction::transfer(&owner.pubkey(), &member.pubkey(), 100_000_000);
    let register = ix::register_provider(&member.pubkey(), &market, &mint, operator, has);
    let stake = ix::add_stake(&member.pubkey(), &market, &mint, 100 * TOKEN);
    tessera.send(&[fund, register, stake], owner, &[member]).await?;
    Ok(market)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}, as `tessera localnet` says"));
    let tessera = Tessera::connect(Config::new(variable("TESSERA_URL")?)).await?;
    let owner = read_keypair_file(variable("TESSERA_KEYPAIR")?).map_err(|e| e.to_string())?;
    let (member, operator) = (Keypair::new(), Keypair::new());
    let market = run(&tessera, &owner, 7, &member, &operator.pubkey()).await?;
    for provider in tessera.providers(&market).await? {
        println!("market {market}: provider {} has staked {}", provider.address, provider.stake);
    }
    Ok(())
}
