//! Looking, planning and doing, on a cluster.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use solana_commitment_config::CommitmentConfig;
use solana_instruction::Instruction;
use solana_loader_v3_interface::{instruction as loader, state::UpgradeableLoaderState};
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signer::Signer;
use spl_token_interface::state::Account as TokenAccount;
use tessera_sdk::{AnySigner, Config, PriorityFee, Tessera, ix, pda, token};
use tokio::time::{Instant, sleep};

use crate::{
    Error, MintSettings, Settings, amount,
    buffer::{self, Upload},
    cost::{self, Rent},
    keys::Keys,
    observe::{self, Addresses},
    params::Params,
    plan::{Desired, Plan, Step},
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an airdrop, or the next slot, is waited for.
const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// What the settings ask for, compared with a cluster.
pub struct Migration {
    keys: Keys,
    elf: Vec<u8>,
    rpc: Arc<RpcClient>,
    tessera: Tessera,
    plan: Plan,
    state_dir: PathBuf,
}

/// What a migration is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins.
    Step {
        /// Its place in the plan, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What it does.
        what: String,
    },
    /// So many chunks of the program are written, and of how many.
    Upload(usize, usize),
}

/// Where things are on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The program.
    pub program: Pubkey,
    /// The token that is paid with.
    pub mint: Pubkey,
    /// The market.
    pub market: Pubkey,
}

impl Migration {
    /// Reads settings' keys and program, looks at the cluster, and plans. Changes nothing there.
    ///
    /// # Errors
    /// If a file is missing or broken, the cluster does not answer or is another one, or what is there does not fit.
    pub async fn prepare(settings: &Settings) -> Result<Self, Error> {
        settings.validate()?;
        let elf = read_program(&settings.program.binary)?;
        let commitment = CommitmentConfig::confirmed();
        let rpc = RpcClient::new_with_timeout_and_commitment(settings.url.clone(), REQUEST_TIMEOUT, commitment);
        let rpc = Arc::new(rpc);
        let genesis = rpc.get_genesis_hash().await.map_err(Error::rpc(format!("no answer from {}", settings.url)))?;
        let genesis = genesis.to_string();
        settings.cluster.check_genesis(&genesis)?;
        let state_dir = state_dir(settings, &genesis)?;
        let keys = Keys::load(settings, &state_dir)?;
        let mut config = Config::new(settings.url.clone());
        config.priority_fee = match settings.priority_fee {
            0 => PriorityFee::None,
            price => PriorityFee::Fixed(price),
        };
        let tessera = Tessera::new(config)?;
        let plan = look(settings, &keys, &elf, &rpc, &tessera).await?;
        Ok(Self { keys, elf, rpc, tessera, plan, state_dir })
    }

    /// What has to be done.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where things are once the plan is done.
    #[must_use]
    pub const fn deployment(&self) -> Deployment {
        let Desired { program, mint, market, .. } = self.plan.desired;
        Deployment { program, mint, market }
    }

    /// Where what must be remembered is kept, for instance the key of an unfinished upload.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Does what has to be done. Interrupted at any moment, the next run goes on where this one stopped.
    ///
    /// # Errors
    /// If the payer cannot pay, a transaction is refused, or the cluster stops answering.
    pub async fn apply(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Deployment, Error> {
        self.plan.check_funds()?;
        let of = self.plan.steps.len();
        for (i, step) in self.plan.steps.iter().enumerate() {
            progress(Progress::Step { number: i + 1, of, what: self.plan.describe(step) });
            self.step(step, progress).await?;
        }
        Ok(self.deployment())
    }

    async fn step(&self, step: &Step, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), Error> {
        let keys = &self.keys;
        let (payer, authority) = (&keys.payer, &keys.upgrade_authority);
        let Desired { program, buffer, .. } = self.plan.desired;
        match step {
            Step::Airdrop(lamports) => self.airdrop(*lamports).await,
            Step::CreateMint { decimals, supply } => self.create_mint(*decimals, *supply).await,
            Step::CloseBuffer { .. } => {
                self.send(&[loader::close(&buffer, &payer.pubkey(), &authority.pubkey())], &[authority]).await
            }
            Step::CreateBuffer => {
                let rent = self.rent(UpgradeableLoaderState::size_of_buffer(self.elf.len())).await?;
                let (payer, authority) = (payer.pubkey(), authority.pubkey());
                let create = loader::create_buffer(&payer, &buffer, &authority, rent, self.elf.len());
                self.send(&built(create)?, &[&keys.buffer]).await
            }
            Step::Upload { .. } => {
                let Desired { chunk_len, priority_fee, .. } = self.plan.desired;
                let upload =
                    Upload { rpc: &self.rpc, payer, authority, buffer, priority_fee, elf: &self.elf, chunk_len };
                upload.run(&mut |written, of| progress(Progress::Upload(written, of))).await
            }
            Step::Deploy => self.deploy().await,
            Step::Extend { by } => self.extend(*by).await,
            Step::Upgrade => {
                let upgrade = loader::upgrade(&program, &buffer, &authority.pubkey(), &payer.pubkey());
                self.send(&[upgrade], &[authority]).await?;
                self.forget_buffer().await
            }
            Step::CreateMarket => self.create_market().await,
            Step::UpdateMarket(_) => {
                let Desired { market, params, .. } = &self.plan.desired;
                let update = ix::update_market(&keys.market_authority.pubkey(), market, params.0);
                self.send(&[update], &[&keys.market_authority]).await
            }
        }
    }

    async fn airdrop(&self, lamports: u64) -> Result<(), Error> {
        let payer = self.keys.payer.pubkey();
        let signature = self.rpc.request_airdrop(&payer, lamports).await.map_err(Error::rpc("no airdrop"))?;
        self.wait("the airdrop", async || {
            self.rpc.confirm_transaction(&signature).await.map_err(Error::rpc("cannot look for the airdrop"))
        })
        .await
    }

    async fn create_mint(&self, decimals: u8, supply: u64) -> Result<(), Error> {
        let Some(mint) = &self.keys.mint else {
            return Err(Error::Value("the key of the mint to create is missing".into()));
        };
        let payer = &self.keys.payer;
        token::create_mint(&self.tessera, payer, mint, decimals).await?;
        if supply > 0 {
            token::mint_to(&self.tessera, payer, &mint.pubkey(), &payer.pubkey(), supply).await?;
        }
        Ok(())
    }

    async fn deploy(&self) -> Result<(), Error> {
        let keys = &self.keys;
        let program = keys.program.as_ref();
        let program = program.ok_or_else(|| Error::Value("the key of the program's address is missing".into()))?;
        let (payer, authority) = (keys.payer.pubkey(), keys.upgrade_authority.pubkey());
        let rent = self.rent(UpgradeableLoaderState::size_of_program()).await?;
        // The successor for the other loader is not accepted by clusters yet.
        #[allow(deprecated, reason = "see above")]
        let deploy = loader::deploy_with_max_program_len(
            &payer,
            &program.pubkey(),
            &self.plan.desired.buffer,
            &authority,
            rent,
            self.elf.len(),
        );
        self.send(&built(deploy)?, &[program, &keys.upgrade_authority]).await?;
        self.forget_buffer().await
    }

    async fn extend(&self, by: u32) -> Result<(), Error> {
        let (payer, authority) = (self.keys.payer.pubkey(), &self.keys.upgrade_authority);
        let program = &self.plan.desired.program;
        let checked = loader::extend_program_checked(program, &authority.pubkey(), Some(&payer), by);
        match self.send(&[checked], &[authority]).await {
            // A cluster that does not have the checked form yet.
            Err(Error::Sdk(tessera_sdk::Error::Transaction { .. })) => {
                self.send(&[loader::extend_program(program, Some(&payer), by)], &[]).await?;
            }
            other => other?,
        }
        // The loader changes a program once in a slot.
        self.next_slot().await
    }

    /// The buffer has become the program: the next upload takes another one.
    async fn forget_buffer(&self) -> Result<(), Error> {
        let path = &self.keys.buffer_file;
        fs::remove_file(path).map_err(Error::file("remove", path))?;
        // A program can be called from the slot after the one in which it was deployed.
        self.next_slot().await
    }

    async fn create_market(&self) -> Result<(), Error> {
        let Desired { mint, market_id, params, .. } = self.plan.desired;
        let creator = &self.keys.market_authority;
        let mut instructions = vec![];
        if creator.pubkey() != self.keys.payer.pubkey() {
            // The program takes the rent from the creator, who need not hold any SOL.
            let mut lamports = 0u64;
            for len in [0, cost::MARKET_LEN, TokenAccount::LEN] {
                lamports = lamports.saturating_add(self.rent(len).await?);
            }
            let (payer, creator) = (self.keys.payer.pubkey(), creator.pubkey());
            instructions.push(solana_system_interface::instruction::transfer(&payer, &creator, lamports));
        }
        instructions.push(ix::create_market(&creator.pubkey(), market_id, &mint, params.0));
        self.send(&instructions, &[creator]).await
    }

    async fn send(&self, instructions: &[Instruction], signers: &[&AnySigner]) -> Result<(), Error> {
        self.tessera.send(instructions, &self.keys.payer, signers).await?;
        Ok(())
    }

    async fn rent(&self, len: usize) -> Result<u64, Error> {
        rent(&self.rpc, len).await
    }

    async fn next_slot(&self) -> Result<(), Error> {
        let slot = async || self.rpc.get_slot().await.map_err(Error::rpc("cannot read the slot"));
        let now = slot().await?;
        self.wait("the next slot", async || Ok(slot().await? > now)).await
    }

    async fn wait(&self, what: &str, done: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
        let give_up = Instant::now() + WAIT;
        while !done().await? {
            if Instant::now() > give_up {
                return Err(Error::Stuck { what: format!("waiting for {what}") });
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn built<E: std::fmt::Display>(instructions: Result<Vec<Instruction>, E>) -> Result<Vec<Instruction>, Error> {
    instructions.map_err(|e| Error::Value(format!("cannot make the loader's instruction: {e}")))
}

async fn rent(rpc: &RpcClient, len: usize) -> Result<u64, Error> {
    rpc.get_minimum_balance_for_rent_exemption(len).await.map_err(Error::rpc("cannot read the rent"))
}

fn read_program(path: &Path) -> Result<Vec<u8>, Error> {
    if !path.exists() {
        let path = path.display();
        return Err(Error::Value(format!("there is no program at {path}: run scripts/build-program")));
    }
    let elf = fs::read(path).map_err(Error::file("read", path))?;
    let is_program = elf.starts_with(b"\x7fELF");
    is_program.then_some(()).ok_or_else(|| Error::Value(format!("{} is not a built program", path.display())))?;
    // The program refuses every call under another address than that it was built for, which is in its read-only data.
    let id = tessera_sdk::ID.to_bytes();
    if elf.windows(id.len()).any(|window| window == id) {
        return Ok(elf);
    }
    Err(Error::Conflict(format!(
        "{} was not built for the address {}: run scripts/build-program",
        path.display(),
        tessera_sdk::ID
    )))
}

fn state_dir(settings: &Settings, genesis: &str) -> Result<PathBuf, Error> {
    if let Some(folder) = &settings.state_dir {
        return Ok(folder.clone());
    }
    let home = std::env::home_dir();
    let home = home.ok_or_else(|| Error::Value("there is no home directory: set state_dir".into()))?;
    let name = format!("{}-{}", settings.cluster, genesis.get(..8).unwrap_or(genesis));
    Ok(home.join(".local/state/tessera/migrations").join(name))
}

async fn look(
    settings: &Settings,
    keys: &Keys,
    elf: &[u8],
    rpc: &Arc<RpcClient>,
    tessera: &Tessera,
) -> Result<Plan, Error> {
    let (payer, upgrade_authority) = (keys.payer.pubkey(), keys.upgrade_authority.pubkey());
    let market_authority = keys.market_authority.pubkey();
    let mint = match (&settings.mint, &keys.mint) {
        (MintSettings::Address(address), _) => *address,
        (MintSettings::Create(_), Some(key)) => key.pubkey(),
        (MintSettings::Create(_), None) => return Err(Error::Value("the key of the mint to create is missing".into())),
    };
    let at = Addresses {
        payer,
        upgrade_authority,
        program: tessera_sdk::ID,
        buffer: keys.buffer.pubkey(),
        mint,
        market: pda::market(&market_authority, settings.market.id),
    };
    let chunk_len = buffer::chunk_len(&payer, &upgrade_authority, settings.priority_fee);
    let observed = observe::observe(rpc, tessera, &at, elf, chunk_len).await?;
    let new_mint = match &settings.mint {
        MintSettings::Create(mint) => Some((mint.decimals, amount::base_units(&mint.supply, mint.decimals)?)),
        MintSettings::Address(_) => None,
    };
    let decimals = observed.mint.or(new_mint.map(|(decimals, _)| decimals));
    let missing = || Error::Conflict(format!("there is no mint {mint} on {}: check mint.address", settings.cluster));
    let decimals = decimals.ok_or_else(missing)?;
    let market = &settings.market;
    let desired = Desired {
        cluster: settings.cluster,
        url: settings.url.clone(),
        payer,
        upgrade_authority,
        program: at.program,
        has_program_key: keys.program.is_some(),
        elf_len: elf.len(),
        chunk_len,
        buffer: at.buffer,
        mint,
        new_mint,
        market: at.market,
        market_id: market.id,
        market_authority,
        params: Params(market.params(decimals)?),
        priority_fee: settings.priority_fee,
    };
    let base = rent(rpc, 0).await?;
    let per_byte = rent(rpc, 1_000).await?.saturating_sub(base) / 1_000;
    Plan::new(desired, &observed, Rent { base, per_byte })
}
