//! One run: a job, its client, and what goes wrong meanwhile; and what must hold when all is over.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tessera_sdk::{Ledger, Tessera, pda};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    actor::Actor,
    books,
    incident::{Course, Plan, WORKERS},
    world::{World, locked},
};
use crate::measure::spin;

/// The job: some units of some hundredths of a second each.
const UNITS: u64 = 16;
const UNITS_PER_LEASE: &str = "2";
const ROUNDS: u32 = 5_000_000;
/// What is declared: a round is four instructions.
const UNIT_GAS: u64 = ROUNDS as u64 * 16;
/// How long a run may take, and how long it may take besides until nothing is locked any more.
const LONGEST: Duration = Duration::from_secs(900);
const SETTLED: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(300);

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    pub seconds: f64,
    /// How often the client was started, and how often all others together were started again.
    pub client_starts: u32,
    pub restarts: u32,
    pub ledger: Ledger,
}

/// The client of a run: a command, which is another one later.
struct Client<'a> {
    world: &'a World,
    plan: &'a Plan,
    actor: &'a Mutex<Actor>,
    arguments: Arc<Mutex<Vec<String>>>,
    /// Looks at the chain.
    eye: Tessera,
    job: Pubkey,
    out: PathBuf,
}

/// Runs it. On an error, what is wrong.
pub async fn run(world: &World, plan: &Plan) -> Result<Outcome, String> {
    let (began, starts) = (Instant::now(), starts(world));
    let tessera = world.connect();
    let before = books::Books::of(world, &tessera).await?;
    let arguments = Arc::new(Mutex::new(vec![]));
    let actor = Mutex::new(world.client(plan.seed, Arc::clone(&arguments)));
    let wallet = world.network.client().pubkey();
    let account = pda::client(&world.network.market(), &wallet);
    let number = said(tessera.client(&account).await)?.map_or(0, |client| client.next_job);
    let client = Client {
        world,
        plan,
        actor: &actor,
        arguments,
        eye: world.eye(),
        job: pda::job(&account, number),
        out: world.network.path(&format!("out-{}", plan.seed)),
    };
    let incidents = join_all(plan.incidents.iter().map(|incident| {
        let actor = &actor;
        async move {
            sleep_until(began + incident.at).await;
            world.suffer(incident, actor).await;
        }
    }));
    let tending = async {
        loop {
            world.tend();
            locked(&actor).tend();
            sleep(Duration::from_millis(100)).await;
        }
    };
    let story = async { futures_util::future::join(client.live(), incidents).await.0 };
    let story = async {
        timeout(LONGEST, story).await.map_err(|_| format!("not over within {} s", LONGEST.as_secs()))??;
        settled(world, &tessera).await
    };
    tokio::select! {
        ended = story => ended?,
        () = tending => {}
    }

    // The node is the work of others, and panics when it is killed at the wrong moment; everybody has to live with that.
    let ours = [&world.store, &actor].into_iter().chain(&world.workers);
    let panics: Vec<String> = ours.flat_map(|actor| locked(actor).panics()).collect();
    ensure(panics.is_empty(), || panics.join("\n"))?;
    let ledger = said(tessera.ledger(&client.job).await)?;
    ensure(ledger.closed && ledger.balances(), || format!("the ledger does not balance: {ledger:?}"))?;
    let after = books::Books::of(world, &tessera).await?;
    after.follow_from(&before, &ledger)?;
    if plan.course == Course::Finish {
        client.check_outputs()?;
    }
    let restarts = self::starts(world) - starts;
    let client_starts = locked(&actor).starts;
    Ok(Outcome { seconds: began.elapsed().as_secs_f64(), client_starts, restarts, ledger })
}

impl Client<'_> {
    /// Posts the job and sees it to its end, as the plan says.
    async fn live(&self) -> Result<(), String> {
        let deadline = if matches!(self.plan.course, Course::Vanish(_)) { "240" } else { "3600" };
        let (file, out) = (self.job_file(), self.out.display().to_string());
        let replicas = self.plan.replicas.to_string();
        self.command(&[
            "run",
            "--price",
            "0.01",
            "--yes",
            "--replicas",
            &replicas,
            "--units-per-lease",
            UNITS_PER_LEASE,
            "--lease-seconds",
            "30",
            "--deadline-seconds",
            deadline,
            "--out",
            &out,
            &file,
        ]);
        match self.plan.course {
            Course::Finish => while !self.ended().await.success() {},
            Course::Cancel(after) => {
                self.stay(after).await;
                locked(self.actor).end();
                self.command(&["job", "cancel", &self.job.to_string()]);
                while !self.ended().await.success() && !self.is_gone().await {}
            }
            Course::Vanish(after) => {
                self.stay(after).await;
                locked(self.actor).end();
                sleep(self.plan.end()).await;
            }
        }
        locked(self.actor).end();
        // What is due takes its time, and may have been taken care of by then.
        while !self.is_gone().await {
            self.command(&["reclaim", "--yes"]);
            self.ended().await;
            locked(self.actor).end();
            sleep(Duration::from_secs(3)).await;
        }
        locked(self.actor).end();
        Ok(())
    }

    /// From now on this is what the client does, until it has ended.
    fn command(&self, arguments: &[&str]) {
        *locked(&self.arguments) = arguments.iter().map(ToString::to_string).collect();
        locked(self.actor).start();
    }

    /// Waits until the command ends by itself.
    async fn ended(&self) -> ExitStatus {
        loop {
            if let Some(status) = locked(self.actor).take_end() {
                return status;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the job was posted, and for a while.
    async fn stay(&self, after: Duration) {
        while !matches!(self.eye.job(&self.job).await, Ok(Some(_))) {
            // Only one that was seen can be left; it may end before it is.
            if locked(self.actor).take_end().is_some_and(|status| status.success()) {
                return;
            }
            sleep(LOOK).await;
        }
        sleep(after).await;
    }

    /// Whether the job was closed; not if that is not known.
    async fn is_gone(&self) -> bool {
        matches!(self.eye.job(&self.job).await, Ok(None))
    }

    fn rounds(&self) -> u32 {
        ROUNDS + (self.plan.seed % 100_000) as u32
    }

    fn job_file(&self) -> String {
        let path = self.world.network.path(&format!("spin-{}.toml", self.plan.seed));
        fs::write(path.with_file_name("spin.ptx"), spin::MODULE).unwrap();
        fs::write(&path, format!("unit_gas = {UNIT_GAS}\n{}", spin::plan(UNITS, self.rounds()))).unwrap();
        path.display().to_string()
    }

    fn check_outputs(&self) -> Result<(), String> {
        for unit in 0..UNITS {
            let path = self.out.join(format!("unit-{unit:05}.bin"));
            let output = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            ensure(output == spin::output(unit, self.rounds()), || format!("unit {unit} has the wrong bits"))?;
        }
        Ok(())
    }
}

/// Waits until no provider has anything open or locked: everybody has come back to what it had begun.
async fn settled(world: &World, tessera: &Tessera) -> Result<(), String> {
    let end = Instant::now() + SETTLED;
    loop {
        let mut open = BTreeMap::new();
        for n in 1..=WORKERS as u16 {
            let provider = said(tessera.provider(&world.network.provider(n)).await)?.ok_or("a provider is gone")?;
            if (provider.locked, provider.open_leases) != (0, 0) {
                open.insert(n, (provider.locked, provider.open_leases));
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        ensure(Instant::now() < end, || format!("locked base units and open leases by provider: {open:?}"))?;
        sleep(LOOK).await;
    }
}

fn starts(world: &World) -> u32 {
    world.actors().map(|actor| locked(actor).starts).sum()
}

/// An error as what it says.
pub fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// An error unless something holds.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
