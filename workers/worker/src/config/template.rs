//! The file that `tessera-worker setup` and `init` write.

use std::path::Path;

use solana_pubkey::Pubkey;

use super::{Data, ExecutorSettings, WorkSettings};

/// A commented configuration file with the given settings.
#[must_use]
pub fn template(rpc: &[String], market: &Pubkey, authority: &Pubkey, operator: &Path, data: &Path) -> String {
    let WorkSettings {
        min_price_per_unit,
        max_leases,
        prefetch,
        max_lock_multiple,
        max_lead,
        max_challenge_seconds,
        max_output_mib,
        max_input_mib,
        unit_seconds,
        self_test_minutes,
        shutdown_seconds,
        ..
    } = WorkSettings::default();
    let Data { cache_mib, cubins_mib, .. } = Data::default();
    let ExecutorSettings { proof_mib, .. } = ExecutorSettings::default();
    let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().as_ref()).to_string();
    let rpc = toml::Value::from(rpc.to_vec());
    let (operator, data) = (quoted(operator), quoted(data));
    format!(
        r#"# Configuration of tessera-worker. Lines that begin with # show the defaults. A running worker that gets SIGHUP reads work, gpu
# and private again; everything else, unit_seconds, private.folder and private.training need a restart.

[cluster]
# JSON-RPC endpoints, best first: the first one that is well is asked, the next one when it fails, hangs, lags or wants fewer
# requests; transactions go to all. Two of different providers are better than one.
rpc = {rpc}
# WebSocket endpoints, best first; one is derived from each RPC endpoint as the solana tools do.
# websocket = ["ws://127.0.0.1:8900"]
# An endpoint that is behind the furthest by more slots than this is not asked until it has caught up.
# max_lag_slots = 25
market = "{market}"
# Paid on top of the base fee, in micro-lamports per compute unit: a number, or "auto" for what others paid lately, but never
# more than the cap.
# priority_fee = "auto"
# priority_fee_cap = 100000
# How often leases in hand are looked at when nothing else happens.
# poll_seconds = 2.0

[provider]
# The wallet that owns stake and earnings. Its key is needed for `register`, `stake` and `withdraw` only.
authority = "{authority}"
# The worker's own key: signs claims and results, pays fees and rents. Keep a little SOL on it.
operator_keypair = {operator}

[work]
# Jobs that pay less for a unit are left to others (base units of the market's token).
# min_price_per_unit = {min_price_per_unit}
# Most leases in hand at once, those included that only wait for other providers.
# max_leases = {max_leases}
# Leases claimed ahead while one is computed.
# prefetch = {prefetch}
# What a seat may lock of the stake, in pays; the lead that disputes may need; and the seconds for which a job may make one wait
# for pay after outputs are opened, while its client can demand chunks of them. The market's authority sets the first two for
# jobs to come, clients choose the third: jobs that ask for more are left to others.
# max_lock_multiple = {max_lock_multiple}
# max_lead = {max_lead}
# max_challenge_seconds = {max_challenge_seconds}
# Most outputs of one lease, and most inputs of one job.
# max_output_mib = {max_output_mib}
# max_input_mib = {max_input_mib}
# Longest time that one unit may take.
# unit_seconds = {unit_seconds}
# Hosts of stores that may be used, for example ["store.example.org"]; empty allows all.
# stores = []
# Front ends whose jobs are taken, for example ["render"]; empty takes all.
# kinds = []
# Regions of which a job must name one to be taken, for example [3, 4]; empty takes all jobs.
# regions = []
# Hours in which leases are claimed, for example ["mon-fri 18:00-08:00", "sat,sun"]; empty: always. What is leased is finished.
# hours = []
# "local", "UTC", or a time zone such as "Europe/Rome".
# time_zone = "local"
# How often an idle worker computes units whose bits are known; 0: only when it starts, and when its execution process does.
# self_test_minutes = {self_test_minutes}
# How long a worker that is asked to stop goes on with what it has begun.
# shutdown_seconds = {shutdown_seconds}

[executor]
# "cuda", "cpu", or "auto": the GPUs if there are any, else the processor.
# backend = "auto"
# Resident memory that the execution process may use; 0: three quarters of the machine's.
# memory_mib = 0
# Region number announced to the market, 0 to 63.
# region = 0
# GPUs that are used, by their UUIDs as `nvidia-smi -L` shows them; empty uses all.
# devices = []
# The execution process, which runs other people's kernels, is locked in: no network, no files but its job's, no other programs.
# "auto": as far as the kernel can; "require": fully, or nothing runs; "off".
# sandbox = "auto"
# Memory that the processor shows in a market that asks for proofs of capability: jobs that ask for more are left to others. Two
# cores fill 64 MiB in about six seconds; what takes them longer than three minutes cannot be shown. GPUs show all that is free.
# proof_mib = {proof_mib}

[gpu]
# Nothing is claimed while a GPU is hotter (until it is five degrees cooler), or draws more power; 0: no limit.
# max_celsius = 0
# max_watts = 0
# Nothing is claimed while other processes use a GPU: "nobody", "compute" (those which compute), "anybody" (a desktop, too).
# pause_for = "nobody"

[private]
# Private jobs read files that only this machine has, whose results nobody checks. All are left to others but those that are
# allowed here: docs/operations.md says how. The folder must not lie in data.directory.
# folder = "private"
# allow = []
# Trainings in which one of the files takes part: docs/private-training.md.
# training = []

[data]
# Journal, cache, outputs that are not paid yet, and status. The journal holds the keys of results under way: losing it loses
# their pay. Outputs may be demanded until they are paid: losing them may lose the stake that their lease locks.
directory = {data}
# Most space for modules and inputs.
# cache_mib = {cache_mib}
# Most space for modules that the GPU driver has compiled; 0: none are kept, and each is compiled for each job.
# cubins_mib = {cubins_mib}

[monitor]
# Where /metrics (for Prometheus) and /health are served, without any protection; nowhere unless set.
# listen = "127.0.0.1:9464"
"#
    )
}
