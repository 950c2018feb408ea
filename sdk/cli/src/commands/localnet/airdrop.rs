//! `tessera localnet airdrop`: SOL and tokens for a wallet of one's own, where the network is one's own too.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use solana_pubkey::Pubkey;
use tessera_migrate::amount::{base_units, tokens};
use tessera_sdk::{Config, Tessera, token};

use super::{DIR, ENVIRONMENT};
use crate::{network, output::line};

/// How long the first answer of the network is waited for: it is on this machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Digits after the point of SOL.
const SOL_DECIMALS: u8 = 9;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The wallet's address
    address: Pubkey,
    /// SOL to give it
    #[arg(long, value_name = "SOL", default_value = "10")]
    sol: String,
    /// Tokens of the network's market to give it
    #[arg(long, value_name = "TOKENS", default_value = "1000")]
    tokens: String,
    /// Directory of the network, as `tessera localnet` has it
    #[arg(long, default_value = DIR)]
    dir: PathBuf,
}

/// Where a network is.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    url: String,
    market: Pubkey,
}

pub async fn run(args: Args) -> Result<()> {
    let file = args.dir.join(ENVIRONMENT);
    let text = fs::read_to_string(&file).with_context(|| {
        format!("cannot read {}: start a network with `tessera localnet`, or give the --dir of one", file.display())
    })?;
    let place = place(&text).with_context(|| format!("{} is not as `tessera localnet` writes it", file.display()))?;
    let mut config = Config::new(place.url.clone());
    config.patience = PATIENCE;
    let found = Tessera::connect(config).await;
    found.with_context(|| format!("no network runs at {}: start it with `tessera localnet`", place.url))?;
    // It is there, and may be busy from now on.
    let tessera = Tessera::new(Config::new(place.url.clone()))?;
    let market = tessera.market(&place.market).await?;
    let market = market.with_context(|| format!("the network at {} has no market {}", place.url, place.market))?;
    let decimals = tessera.mint(&market.mint).await?.decimals;
    let (lamports, amount) = (base_units(&args.sol, SOL_DECIMALS)?, base_units(&args.tokens, decimals)?);
    let admin = network::key_at(&network::admin_of(&args.dir))?;
    if lamports > 0 {
        let given = tessera.airdrop(&args.address, lamports).await;
        given.with_context(|| format!("the node gives no SOL to {}", args.address))?;
    }
    if amount > 0 {
        let minted = token::mint_to(&tessera, &admin, &market.mint, &args.address, amount).await;
        minted.with_context(|| format!("cannot mint tokens to {}", args.address))?;
    }
    let held = tessera.token_balance(&token::ata(&args.address, &market.mint)).await?.unwrap_or(0);
    line(&format!(
        "{}: {} SOL and {} tokens now",
        args.address,
        tokens(tessera.balance(&args.address).await?, SOL_DECIMALS),
        tokens(held, decimals)
    ))
}

/// What the file says that points other tools at a network.
fn place(text: &str) -> Result<Place> {
    let value = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        found.with_context(|| format!("it has no {name}"))
    };
    let market = value("TESSERA_MARKET")?;
    let market = market.parse().ok().with_context(|| format!("{market:?} is no address"))?;
    Ok(Place { url: value("TESSERA_URL")?.to_owned(), market })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_found_by_the_file_that_it_writes() {
        let market = Pubkey::new_from_array([3; 32]);
        let text =
            format!("export TESSERA_URL=http://a:1\nexport TESSERA_WS=ws://a:2\nexport TESSERA_MARKET={market}\n");
        assert_eq!(place(&text).unwrap(), Place { url: "http://a:1".into(), market });
        assert!(place("export TESSERA_URL=a").unwrap_err().to_string().contains("TESSERA_MARKET"));
        assert!(place("export TESSERA_MARKET=a").unwrap_err().to_string().contains("no address"));
    }

    #[tokio::test]
    async fn where_none_runs_nothing_is_given() {
        let dir = tempfile::TempDir::new().unwrap();
        let args =
            || Args { address: Pubkey::default(), sol: "1".into(), tokens: "1".into(), dir: dir.path().to_owned() };
        let error = format!("{:#}", run(args()).await.unwrap_err());
        assert!(error.contains("start a network with `tessera localnet`"), "{error}");
        fs::write(dir.path().join(ENVIRONMENT), "export TESSERA_URL=a").unwrap();
        assert!(format!("{:#}", run(args()).await.unwrap_err()).contains("not as `tessera localnet` writes it"));
    }
}
