//! Locking in the process that runs strangers' kernels.
//!
//! A kernel cannot leave its GPU, and on the processor it runs in code that this program compiles, which looks at every access.
//! Should either have a hole, or the driver: what came through finds a process without network, without other programs, and
//! without any file but libraries, devices, and the inputs of jobs. Landlock keeps it from files, seccomp from the system
//! calls that would lead out, and neither can be taken back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::config::Sandbox;

/// What of Landlock is asked for; older kernels give less.
const LANDLOCK: ABI = ABI::V6;
/// Most open files.
const FILES: u64 = 4096;

/// Libraries, and what they and the driver look at. Of processes only this one: even memory of others may be read in `/proc`.
const READABLE: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/opt",
    "/nix/store",
    "/sys",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/driver",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/modules",
    "/proc/stat",
    "/proc/sys",
    "/proc/version",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/localtime",
    "/etc/nvidia",
    "/dev/urandom",
    "/dev/random",
];
/// Devices; of those whose names begin so all.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/shm", "/dev/dxg", "/dev/nvidia"];

/// System calls that lead out of the process, or up. They fail with "not permitted".
const DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_mknodat,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_quotactl,
    libc::SYS_setuid,
    libc::SYS_setgid,
];

/// Calls that fail as if the kernel did not know them: a C library then tries those that can be looked into.
const UNKNOWN: [i64; 2] = [libc::SYS_clone3, libc::SYS_io_uring_setup];

/// What a process keeps.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Folders from which it may read.
    pub readable: Vec<PathBuf>,
    /// Folders in which it may do everything.
    pub writable: Vec<PathBuf>,
}

/// Locks this process in, for good. It must have only one thread. Returns what the kernel could not do.
///
/// # Errors
/// If all of it is required and something cannot be done.
pub fn enter(mode: Sandbox, room: &Room) -> Result<Vec<String>> {
    if mode == Sandbox::Off {
        return Ok(vec!["it is switched off".to_owned()]);
    }
    let mut missing = Vec::new();
    let mut note = |what: &str, done: Result<Option<&str>>| match done {
        Ok(None) => {}
        Ok(Some(less)) => missing.push(format!("{what}: {less}")),
        Err(e) => missing.push(format!("{what}: {e:#}")),
    };
    note("limits", limit().map(|()| None));
    note("files", lock_files(room));
    note("system calls", filter_calls().map(|()| None));
    let all = missing.join("; ");
    ensure!(mode != Sandbox::Require || missing.is_empty(), "executor.sandbox = \"require\", but {all}");
    Ok(missing)
}

/// What [`enter`] could not do on this machine, as far as that can be told without doing it.
#[must_use]
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    // Creating a set of rules changes nothing yet.
    let created = landlock::Compatible::set_compatibility(Ruleset::default(), landlock::CompatLevel::HardRequirement);
    if let Err(e) = created.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create) {
        missing.push(format!("files: {e}"));
    }
    if !Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() {
        missing.push("system calls: the kernel has no seccomp".to_owned());
    }
    missing
}

fn limit() -> Result<()> {
    use rlimit::Resource;
    // A core file would hold what others computed.
    Resource::CORE.set(0, 0).context("RLIMIT_CORE")?;
    let files = FILES.min(Resource::NOFILE.get().context("RLIMIT_NOFILE")?.1);
    Resource::NOFILE.set(files, files).context("RLIMIT_NOFILE")
}

/// Landlock; what it lacks, if it does not do all that is asked of it.
fn lock_files(room: &Room) -> Result<Option<&'static str>> {
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let libraries = std::env::split_paths(&libraries).filter(|path| path.is_absolute());
    let readable = READABLE.iter().map(PathBuf::from).chain(libraries).chain(room.readable.iter().cloned());
    let read = AccessFs::from_read(LANDLOCK);
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(devices(), AccessFs::from_all(LANDLOCK)))?
        .add_rules(path_beneath_rules(&room.writable, AccessFs::from_all(LANDLOCK)))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::NotEnforced => Some("the kernel has no Landlock, or it is switched off"),
        // Since version 1 files are what it is for; later ones add signals, sockets and controls of devices, most of which
        // the filter of system calls covers, too.
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => None,
    })
}

/// Devices that there are.
fn devices() -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir("/dev") else { return vec![] };
    let is_ours = |path: &PathBuf| {
        let path = path.to_string_lossy();
        DEVICES.iter().any(|device| path == *device) || path.starts_with(DEVICES[4])
    };
    found.flatten().map(|entry| entry.path()).filter(is_ours).collect()
}

fn filter_calls() -> Result<()> {
    let unknown = UNKNOWN.map(|call| (call, vec![])).into();
    apply(unknown, libc::ENOSYS)?;
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|call| (*call, vec![])).collect();
    let argument = |number, op, value| -> Result<Vec<SeccompRule>> {
        let condition = SeccompCondition::new(number, SeccompCmpArgLen::Dword, op, value)?;
        Ok(vec![SeccompRule::new(vec![condition])?])
    };
    // Threads, but no processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    denied.insert(libc::SYS_clone, argument(0, SeccompCmpOp::MaskedEq(thread), 0)?);
    // Signals to itself alone.
    let own = u64::from(std::process::id());
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        denied.insert(call, argument(0, SeccompCmpOp::Ne, own)?);
    }
    apply(denied, libc::EPERM)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<()> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()?;
    Ok(apply_filter(&filter)?)
}
