//! What every part of a running worker shares.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::{
    reputation::Reputation,
    routing::{self, Capabilities},
};
use tessera_sdk::Tessera;

use super::{engine::unix_now, pace::Pace, sender::Sender, trainings::Trainings};
use crate::{
    cache::Cache,
    claims::{Claimant, Terms},
    config::{Backend, Config, Live},
    device,
    execution::{By, ChildCommand, Limits, Runner},
    health::Health,
    hint,
    journal::Journal,
    lifecycle::{Me, Record},
    private::{Inputs, Private},
    proof::Proof,
};

/// For starting the execution process and for preparing a job in it.
const START: Duration = Duration::from_secs(120);
/// Folders of the data directory.
const CACHE: &str = "cache";
const CUBINS: &str = "cubins";

/// What every part of a running worker shares.
pub struct Context {
    /// The settings that the worker was started with: of those that may change meanwhile, [`Self::live`] is right.
    pub config: Config,
    /// The settings as they are now.
    pub live: Live,
    /// The chain.
    pub tessera: Tessera,
    /// The market.
    pub market: Pubkey,
    /// Who we are.
    pub me: Me,
    /// The key that signs.
    pub operator: Arc<Keypair>,
    /// Sends with it.
    pub sender: Sender,
    /// The chain for what must not be late: what it sends is paid better.
    pub urgent: Tessera,
    /// What must not be forgotten.
    pub journal: Journal,
    /// Modules and inputs.
    pub cache: Cache,
    /// Files that only this machine has.
    pub private: Arc<Private>,
    /// Trainings in which they take part.
    pub trainings: Trainings,
    /// Sealed outputs, until their seat is paid or gone: the client may demand them.
    pub outbox: PathBuf,
    /// What the execution process may use.
    pub limits: Limits,
    /// Which devices may compute.
    pub health: Health,
    /// How fast slots go by.
    pub pace: Pace,
    /// Decimals of the market's token.
    pub decimals: u8,
    /// SOL of the operator, in lamports, as it was seen last.
    pub lamports: AtomicU64,
    /// See [`Claimant::salt`].
    salt: u64,
    standing: Mutex<Standing>,
}

/// What the chain says about provider and market; looked up again now and then.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What the provider announced.
    pub told: Capabilities,
    /// What it has shown of it.
    pub proof: Proof,
    /// Seats of the provider, on all its machines.
    pub open_leases: u32,
    /// Most of them that the market allows.
    pub max_open_leases: u32,
    /// Stake of the provider, and the part of it that seats lock.
    pub stake: (u64, u64),
    /// Slot in which stake was added last.
    pub staked_slot: u64,
    /// What is remembered of the provider.
    pub reputation: Reputation,
    /// Stake of all providers of the market.
    pub total_stake: u64,
    /// Why nothing can be claimed that a client asks for; auditors and jurors are wanted all the same.
    pub obstacle: Option<Obstacle>,
    /// Earned and not withdrawn; ever.
    pub earned: (u64, u64),
}

impl Standing {
    /// What counts of what was announced at `now` (Unix seconds): of memory what was shown, where the market asks for proofs.
    #[must_use]
    pub fn has(&self, now: i64) -> Capabilities {
        Capabilities { memory_mib: self.proof.memory_mib(now), ..self.told }
    }

    /// What decides about draws.
    #[must_use]
    pub const fn record(&self) -> Record {
        Record { consecutive: self.reputation.consecutive, fault_slot: self.reputation.fault_slot }
    }

    /// Whether seats can be claimed: those that clients ask for, and those of audits and disputes.
    #[must_use]
    pub const fn can_claim(&self) -> (bool, bool) {
        // The least stake of the market is for those whom clients choose; who audits only needs a lock.
        (self.obstacle.is_none(), self.stake.0 > self.stake.1)
    }
}

/// Why a provider cannot claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The market is paused.
    Paused,
    /// The stake is too low: it is, it should be.
    Stake(u64, u64),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Paused => f.write_str("the market is paused: only audits and disputes go on"),
            Self::Stake(has, wanted) => write!(
                f,
                "the stake is {has}, the market asks for {wanted} for anything but audits and disputes: run {}",
                hint::command("stake AMOUNT")
            ),
        }
    }
}

impl Context {
    /// Opens everything and checks that this worker can work.
    ///
    /// # Errors
    /// If something is missing; the text says what to do.
    pub async fn open(live: Live) -> Result<Self> {
        let config = Config::clone(&live.get());
        device::only(&config.executor)?;
        let operator = Arc::new(config.operator()?);
        // First, so that a second worker does nothing at all.
        let journal = Journal::open(&config.data.directory)?;
        let cache = Cache::open(&config.data.directory.join(CACHE), config.cache_len())?;
        let (settings, data) = (config.private.clone(), config.data.directory.clone());
        // Files may be large, and are read once.
        let private = tokio::task::spawn_blocking(move || Private::open(&settings, &data)).await??;
        for allowed in config.private.describe() {
            tracing::info!(files = private.count(), allowed, "private jobs are taken");
        }
        let trainings = Trainings::open(&config.private, &config.data.directory)?;
        let outbox = config.data.directory.join("outbox");
        std::fs::create_dir_all(&outbox).with_context(|| format!("cannot make {}", outbox.display()))?;
        if config.data.cubins_mib > 0 {
            // Before a child is locked in, which cannot make it.
            let cubins = config.data.directory.join(CUBINS);
            std::fs::create_dir_all(&cubins).with_context(|| format!("cannot make {}", cubins.display()))?;
        }
        let health = Health::open(&config.data.directory);
        // Those in quarantine may have been mended since; the first test tells.
        crate::health::try_again(&config.data.directory, None)
            .context("cannot use the list of devices in quarantine")?;
        let tessera = Tessera::connect(config.cluster()).await?;
        let urgent = Tessera::new(config.urgent_cluster())?;
        let me = Me { provider: config.provider_address(), operator: operator.pubkey() };
        let standing = look_up(&tessera, &config, &me).await?;
        let limits =
            Limits { start: START, unit: Duration::from_secs(config.work.unit_seconds), memory: config.child_memory() };
        let address = config.cluster.market;
        let market = tessera.market(&address).await?.with_context(|| no_market(&address))?;
        let decimals = tessera.mint(&market.mint).await?.decimals;
        let lamports = AtomicU64::new(tessera.balance(&me.operator).await?);
        let (market, standing) = (address, Mutex::new(standing));
        let sender = Sender::start(tessera.clone(), Arc::clone(&operator));
        Ok(Self {
            config,
            live,
            tessera,
            market,
            me,
            operator,
            sender,
            urgent,
            journal,
            cache,
            private: Arc::new(private),
            trainings,
            outbox,
            limits,
            health,
            pace: Pace::default(),
            decimals,
            lamports,
            salt: getrandom::u64().context("the system gives no random numbers")? | 1,
            standing,
        })
    }

    /// Looks provider and market up again.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        let standing = look_up(&self.tessera, &self.config, &self.me).await?;
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        Ok(())
    }

    /// The same, and how much SOL the operator has.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn refresh_all(&self) -> Result<()> {
        self.refresh().await?;
        self.lamports.store(self.tessera.balance(&self.me.operator).await?, Ordering::Relaxed);
        Ok(())
    }

    /// What the chain said last about provider and market.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this worker takes.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let config = self.live.get();
        let (work, standing) = (&config.work, self.standing());
        let mut has = standing.has(unix_now());
        // What was announced may have been more than there is now.
        let least = self.health.least_memory().map(|least| u32::try_from(least >> 20).unwrap_or(u32::MAX));
        let memory_mib = standing.told.memory_mib.min(least.unwrap_or(u32::MAX));
        has.memory_mib = has.memory_mib.min(memory_mib);
        Terms {
            min_price_per_unit: work.min_price_per_unit,
            max_lock_multiple: work.max_lock_multiple,
            max_lead: work.max_lead,
            max_challenge_seconds: work.max_challenge_seconds,
            max_output: config.max_output(),
            max_input: config.max_input(),
            regions: work.regions.iter().fold(0, |set, region| set | 1 << region),
            has,
            memory_mib,
        }
    }

    /// This provider as it claims at `now` (Unix seconds).
    #[must_use]
    pub fn claimant(&self, now: i64) -> Claimant {
        let standing = self.standing();
        let Standing { stake, staked_slot, reputation, total_stake, .. } = standing;
        Claimant {
            provider: self.me.provider,
            has: standing.has(now),
            standing: routing::Standing { score: reputation.score(now), stake: stake.0, locked: stake.1, staked_slot },
            salt: self.salt,
            takes_base: standing.can_claim().0 && standing.open_leases < standing.max_open_leases,
            total_stake,
        }
    }

    /// A runner of execution processes, which may read these private files beside what all may read.
    #[must_use]
    pub fn new_runner(&self, by: By, own: &Inputs) -> Runner {
        let mut command = self.child_command(by);
        let files = own.all().map(|file| file.to_string_lossy().into_owned());
        command.arguments.extend(files.flat_map(|file| ["--readable".into(), file]));
        Runner::new(command, self.limits)
    }

    /// How an execution process is started.
    #[must_use]
    pub fn child_command(&self, by: By) -> ChildCommand {
        // The program that runs, even if it was replaced on disk meanwhile: both ends must speak the same version.
        let own = if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() };
        let program = own.unwrap_or_else(|| "tessera-worker".into());
        let unit_seconds = self.limits.unit.as_secs().to_string();
        let backend = match by {
            By::Backend => self.config.executor.backend,
            By::Processor | By::Checks => Backend::Cpu,
        };
        let mut arguments: Vec<String> =
            ["execute", "--backend", backend.name(), "--unit-seconds", &unit_seconds].map(str::to_owned).to_vec();
        if by == By::Checks {
            arguments.push("--checks".into());
        }
        let data = &self.config.data;
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        if data.cubins_mib > 0 {
            let directory = text(&data.directory.join(CUBINS));
            arguments.extend(["--cubins".into(), directory, "--cubins-mib".into(), data.cubins_mib.to_string()]);
        }
        let executor = &self.config.executor;
        arguments.extend(["--sandbox".into(), executor.sandbox.name().into()]);
        arguments.extend(["--readable".into(), text(&data.directory.join(CACHE))]);
        if by == By::Backend {
            arguments.extend(executor.devices.iter().flat_map(|id| ["--only".into(), id.clone()]));
            arguments.extend(self.health.left_out().into_iter().flat_map(|id| ["--without".into(), id]));
        }
        ChildCommand { program, arguments }
    }
}

fn no_market(address: &Pubkey) -> String {
    format!("there is no market {address}: check cluster.market")
}

async fn look_up(tessera: &Tessera, config: &Config, me: &Me) -> Result<Standing> {
    let address = config.cluster.market;
    let market = tessera.market(&address).await?.with_context(|| no_market(&address))?;
    let provider = tessera.provider(&me.provider).await?.with_context(|| {
        let register = hint::command("register");
        format!("{} is not registered in market {address}: run {register}", config.provider.authority)
    })?;
    ensure!(
        provider.operator == me.operator,
        "the provider's operator is {}, the key of this worker is {}: run {} to change it",
        provider.operator,
        me.operator,
        hint::command("register")
    );
    let (stake, min) = (provider.stake, market.params.min_stake);
    let low = (stake < min).then_some(Obstacle::Stake(stake, min));
    Ok(Standing {
        told: provider.capabilities(),
        proof: Proof::of(&provider, &market),
        open_leases: provider.open_leases,
        max_open_leases: market.params.max_open_leases,
        stake: (stake, provider.locked),
        staked_slot: provider.staked_slot,
        reputation: provider.reputation(),
        total_stake: market.total_stake,
        obstacle: low.or_else(|| market.paused.then_some(Obstacle::Paused)),
        earned: (provider.earned, provider.total_earned),
    })
}
