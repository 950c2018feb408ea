//! Starting and stopping a node.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use serde::Serialize;
use solana_pubkey::Pubkey;
use surfpool_core::{
    runloops::start_local_surfnet_runloop,
    surfnet::{
        locker::SurfnetSvmLocker,
        svm::{SurfnetSvm, SurfnetSvmConfig},
    },
};
use surfpool_types::{BlockProductionMode, RpcConfig, SimnetCommand, SimnetConfig, SimnetEvent, SurfpoolConfig};

use crate::{Error, events::EventLog, ledger::Ledger};

/// The only address the node listens on: airdrops and time travel are open to whoever reaches it.
const HOST: &str = "127.0.0.1";
/// A ledger of a million transactions is replayed in less.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where state is kept, to survive a restart. `None`: in memory.
    pub ledger: Option<PathBuf>,
    /// Forget what the ledger holds.
    pub reset: bool,
    /// Port for JSON-RPC; 0 takes a free one.
    pub rpc_port: u16,
    /// Port for WebSocket subscriptions; 0 takes a free one.
    pub ws_port: u16,
    /// Time from slot to slot.
    pub slot_time: Duration,
    /// Programs that are there from the beginning.
    pub programs: Vec<Genesis>,
}

/// An upgradeable program that a new ledger begins with; one that the ledger has stays as it is.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Its address.
    pub address: Pubkey,
    /// What it is built to.
    pub elf: Vec<u8>,
    /// Who may upgrade it.
    pub authority: Pubkey,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ledger: None,
            reset: false,
            rpc_port: 8899,
            ws_port: 8900,
            slot_time: Duration::from_millis(400),
            programs: vec![],
        }
    }
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// JSON-RPC over HTTP.
    pub rpc_url: String,
    /// Subscriptions over WebSocket.
    pub ws_url: String,
}

/// A running node. Dropping it asks the node to stop but does not wait; [`Running::stop`] does.
pub struct Running {
    endpoints: Endpoints,
    commands: Sender<SimnetCommand>,
    node: Option<JoinHandle<Result<(), String>>>,
    last_error: Arc<Mutex<Option<String>>>,
}

/// Starts a node and waits until it answers.
///
/// # Errors
/// If a port is taken, the ledger cannot be used, or the node does not come up in time.
pub fn start(config: &Config) -> Result<Running, Error> {
    let (reserved, [rpc_port, ws_port]) = free_ports(config)?;
    let ledger = config.ledger.as_deref().map(Ledger::open).transpose()?;
    if let Some(ledger) = ledger.as_ref().filter(|_| config.reset) {
        ledger.reset()?;
    }
    let database = ledger.as_ref().map(Ledger::database_url).transpose()?;
    let slot_ms = u64::try_from(config.slot_time.as_millis()).unwrap_or(u64::MAX).max(1);
    // Both settings default to profiling every instruction, which costs nearly all of the throughput, and the first to
    // fetching unknown accounts from mainnet.
    let simnet = SimnetConfig {
        offline_mode: true,
        remote_rpc_url: None,
        slot_time: slot_ms,
        block_production_mode: BlockProductionMode::Clock,
        instruction_profiling_enabled: false,
        ..SimnetConfig::default()
    };
    let svm_config = SurfnetSvmConfig {
        surfnet_id: simnet.surfnet_id.clone(),
        slot_time: slot_ms,
        instruction_profiling_enabled: false,
        max_profiles: simnet.max_profiles,
        log_bytes_limit: simnet.log_bytes_limit,
        ..SurfnetSvmConfig::default()
    };
    let surfpool = SurfpoolConfig {
        simnets: vec![simnet],
        rpc: RpcConfig { bind_host: HOST.into(), bind_port: rpc_port, ws_port, ..RpcConfig::default() },
        ..SurfpoolConfig::default()
    };
    let (svm, events, geyser) =
        SurfnetSvm::new_with_db(database.as_deref(), svm_config).map_err(|e| Error::Start(e.to_string()))?;
    let recovered = svm.get_latest_absolute_slot();
    let svm = SurfnetSvmLocker::new(svm);
    let watched = svm.clone();
    let (commands, inbox) = crossbeam_channel::unbounded();
    let node = {
        let (commands, programs) = (commands.clone(), config.programs.clone());
        spawn("node", move || {
            let _ledger = ledger; // locked for as long as the node writes
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
            let result = runtime.block_on(async {
                for program in &programs {
                    begin_with(&svm, program).await?;
                }
                // Until now, so that nobody else gets them.
                drop(reserved);
                start_local_surfnet_runloop(svm, surfpool, commands, inbox, geyser).await.map_err(|e| e.to_string())
            });
            runtime.shutdown_timeout(Duration::from_secs(2));
            result
        })?
    };
    let (ready_tx, ready_rx) = crossbeam_channel::bounded(1);
    let last_error = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&last_error);
    spawn("node-events", move || drain(&events, &ready_tx, &sink))?;
    let endpoints =
        Endpoints { rpc_url: format!("http://{HOST}:{rpc_port}"), ws_url: format!("ws://{HOST}:{ws_port}") };
    let running = Running { endpoints, commands, node: Some(node), last_error };
    // What happened in the last slot of the ledger counts as confirmed only when the next one begins: until then a client
    // that reconnects would be told that its latest transactions never were.
    let advanced = || watched.0.try_read().is_ok_and(|svm| svm.get_latest_absolute_slot() > recovered);
    running.wait_ready(&ready_rx, advanced)
}

/// Puts a program where there is none.
async fn begin_with(svm: &SurfnetSvmLocker, program: &Genesis) -> Result<(), String> {
    let Genesis { address, elf, authority } = program;
    let there = svm.get_account(&None, address, None).await.map_err(|e| e.to_string())?;
    if there.inner.map_account().is_ok() {
        return Ok(());
    }
    let written = svm.write_program(*address, Some(*authority), 0, elf, &None).await;
    written.map_err(|e| format!("program {address}: {e}"))
}

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    let thread = thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|e| Error::Start(format!("cannot start a thread: {e}")))
}

/// Reads what the node says until it ends, so that its queue never fills.
fn drain(events: &Receiver<SimnetEvent>, ready: &Sender<()>, last_error: &Mutex<Option<String>>) {
    let mut log = EventLog::default();
    for event in events {
        match &event {
            SimnetEvent::CoreStarted(_) => {
                let _ = ready.try_send(());
            }
            SimnetEvent::Aborted(text) => {
                *last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
            }
            _ => {}
        }
        log.record(&event);
    }
}

/// The two ports to listen on, and what keeps them from others. The node itself reports a taken port only to its own log, and late.
fn free_ports(config: &Config) -> Result<([TcpListener; 2], [u16; 2]), Error> {
    if config.rpc_port == config.ws_port && config.rpc_port != 0 {
        return Err(Error::SamePort(config.rpc_port));
    }
    let listen = |what, port| {
        let listener = TcpListener::bind((HOST, port)).map_err(|source| Error::Port { what, port, source })?;
        let port = listener.local_addr().map_err(|source| Error::Port { what, port, source })?.port();
        Ok((listener, port))
    };
    // Both are held until both are known, so that two free ports are never the same one.
    let (rpc, rpc_port) = listen("RPC", config.rpc_port)?;
    let (ws, ws_port) = listen("WebSocket", config.ws_port)?;
    Ok(([rpc, ws], [rpc_port, ws_port]))
}

impl Running {
    /// Where the node is reached.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Whether the node still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.node.as_ref().is_some_and(|node| !node.is_finished())
    }

    /// Stops the node and waits until its ledger is written.
    ///
    /// # Errors
    /// If the node had ended by itself, or does not end in time.
    pub fn stop(mut self) -> Result<(), Error> {
        if !self.is_alive() {
            return Err(self.take_end());
        }
        let _ = self.commands.send(SimnetCommand::Terminate(None));
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.is_alive() {
            if Instant::now() > deadline {
                return Err(Error::StopTimeout(STOP_TIMEOUT));
            }
            thread::sleep(POLL);
        }
        match self.node.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) | None => Ok(()),
            Some(Ok(Err(text))) => Err(Error::Ended(text)),
            Some(Err(_)) => Err(Error::Ended("it panicked".into())),
        }
    }

    fn wait_ready(mut self, answers: &Receiver<()>, advanced: impl Fn() -> bool) -> Result<Self, Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        let mut answering = false;
        while Instant::now() < deadline {
            match answers.recv_timeout(POLL) {
                Ok(()) => answering = true,
                Err(RecvTimeoutError::Timeout) if self.is_alive() => {}
                Err(_) => return Err(self.take_end()),
            }
            if answering && advanced() {
                return Ok(self);
            }
        }
        Err(Error::StartTimeout(START_TIMEOUT))
    }

    /// Why the node ended by itself.
    fn take_end(&mut self) -> Error {
        let said = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = self.node.take().map(JoinHandle::join);
        Error::Ended(match (result, said) {
            (Some(Ok(Err(text))), _) | (_, Some(text)) => text,
            (Some(Err(_)), None) => "it panicked".into(),
            _ => "without a reason".into(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.commands.send(SimnetCommand::Terminate(None));
    }
}
