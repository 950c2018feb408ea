//! Starting and stopping a network.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_localnet::Genesis;
use tessera_migrate::MarketSettings;
use tessera_sdk::{Config, Tessera, ix, pda, token, types::MarketParams};
use tessera_store::server::{self, ServeConfig};

use crate::Error;

/// Digits after the point of the token.
pub const DECIMALS: u8 = 8;
/// One token in base units.
pub const TOKEN: u64 = 10u64.pow(DECIMALS as u32);
/// One SOL in lamports.
pub const SOL: u64 = 1_000_000_000;

/// Where `scripts/build-program` puts the program.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/deploy/tessera.so");
/// Number of the market among those of its creator.
const MARKET: u16 = 0;
/// What the wallet has in the beginning.
const LAMPORTS: u64 = 100 * SOL;
const TOKENS: u64 = 10_000 * TOKEN;
/// How often followers look without having been told: what a test waits for should not take longer than it must.
const POLL: Duration = Duration::from_secs(1);
/// How long the store may take to answer what it was asked before it was stopped.
const GRACE: Duration = Duration::from_secs(5);

/// What a network is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program as built for the chain; by default the one that `scripts/build-program` builds in this repository.
    pub program: PathBuf,
    /// Time from slot to slot; by default 50 ms. Windows of the protocol are in seconds, and no shorter for that.
    pub slot_time: Duration,
    /// Parameters of the market; by default those of `migrations/localnet.toml`.
    pub market: Option<MarketParams>,
}

impl Default for Options {
    fn default() -> Self {
        Self { program: PROGRAM.into(), slot_time: Duration::from_millis(50), market: None }
    }
}

/// A node in memory with the program, a token, a market, a store, and a wallet that can pay. Dropping it stops the store at once and
/// tells the node to stop; [`Network::stop`] waits for both.
pub struct Network {
    tessera: Tessera,
    admin: Keypair,
    wallet: Keypair,
    mint: Pubkey,
    market: Pubkey,
    store_url: String,
    // In this order: the store asks the node.
    store: server::Running,
    node: tessera_localnet::Running,
}

impl Network {
    /// Starts a network with [`Options::default`].
    ///
    /// # Errors
    /// If the program has not been built, or the node or the store does not start.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(Options::default()).await
    }

    /// Starts a network.
    ///
    /// # Errors
    /// As [`Self::start`], and if the program refuses the parameters of the market.
    pub async fn start_with(options: Options) -> Result<Self, Error> {
        let Options { program, slot_time, market: params } = options;
        let params = match params {
            Some(params) => params,
            None => MarketSettings::localnet()?.params(DECIMALS)?,
        };
        let (admin, wallet, mint) = (Keypair::new(), Keypair::new(), Keypair::new());
        let elf = tokio::fs::read(&program).await.map_err(|source| Error::Program { path: program, source })?;
        let genesis = Genesis { address: tessera_sdk::ID, elf, authority: admin.pubkey() };
        let node = tessera_localnet::Config {
            rpc_port: 0,
            ws_port: 0,
            slot_time,
            programs: vec![genesis],
            ..tessera_localnet::Config::default()
        };
        // Starting waits for the node, which has threads of its own.
        let node = tokio::task::spawn_blocking(move || tessera_localnet::start(&node)).await??;
        let mut config = Config::new(&node.endpoints().rpc_url);
        config.ws_urls = vec![node.endpoints().ws_url.clone()];
        config.poll = POLL;
        let tessera = Tessera::connect(config).await?;

        let (authority, owner) = (admin.pubkey(), wallet.pubkey());
        tokio::try_join!(tessera.airdrop(&authority, LAMPORTS), tessera.airdrop(&owner, LAMPORTS))?;
        token::create_mint(&tessera, &admin, &mint, DECIMALS).await?;
        let mint = mint.pubkey();
        let create = [ix::create_market(&authority, MARKET, &mint, params)];
        let tokens = token::mint_to(&tessera, &admin, &mint, &owner, TOKENS);
        tokio::try_join!(tessera.send(&create, &admin, &[]), tokens)?;
        let market = pda::market(&authority, MARKET);

        let mut serving = ServeConfig::new("memory:///", market);
        serving.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let store = server::serve(serving, tessera.clone()).await?;
        let store_url = format!("http://{}", store.address());
        Ok(Self { tessera, admin, wallet, mint, market, store_url, store, node })
    }

    /// A connection to the node.
    #[must_use]
    pub const fn tessera(&self) -> &Tessera {
        &self.tessera
    }

    /// The market.
    #[must_use]
    pub const fn market(&self) -> &Pubkey {
        &self.market
    }

    /// The token that the market pays with; see [`DECIMALS`].
    #[must_use]
    pub const fn mint(&self) -> &Pubkey {
        &self.mint
    }

    /// A wallet with 100 SOL and 10,000 tokens, which is neither a client nor a provider yet.
    #[must_use]
    pub const fn wallet(&self) -> &Keypair {
        &self.wallet
    }

    /// Who mints the token, sets the parameters of the market and may upgrade the program.
    #[must_use]
    pub const fn admin(&self) -> &Keypair {
        &self.admin
    }

    /// The node's JSON-RPC endpoint.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.node.endpoints().rpc_url
    }

    /// The node's WebSocket endpoint.
    #[must_use]
    pub fn ws_url(&self) -> &str {
        &self.node.endpoints().ws_url
    }

    /// The store, which takes blobs from the clients of the market and the operators of its providers.
    #[must_use]
    pub fn store_url(&self) -> &str {
        &self.store_url
    }

    /// Gives a wallet so many lamports and base units of the token more; 0: none.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn fund(&self, wallet: &Pubkey, lamports: u64, tokens: u64) -> Result<(), tessera_sdk::Error> {
        if lamports > 0 {
            self.tessera.airdrop(wallet, lamports).await?;
        }
        if tokens > 0 {
            token::mint_to(&self.tessera, &self.admin, &self.mint, wallet, tokens).await?;
        }
        Ok(())
    }

    /// Stops the store, then the node, and waits for both.
    ///
    /// # Errors
    /// If one of them had failed, or the node does not stop in time.
    pub async fn stop(self) -> Result<(), Error> {
        self.store.shutdown(GRACE).await?;
        let node = self.node;
        Ok(tokio::task::spawn_blocking(move || node.stop()).await??)
    }
}
