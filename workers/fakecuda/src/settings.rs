//! What the environment says about this driver, and the log that it keeps if told to.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;

/// A number from the environment.
pub fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How many devices there are.
pub fn devices() -> i32 {
    number("FAKE_CUDA_DEVICES", 1)
}

/// The version that the driver claims.
pub fn version() -> i32 {
    number("FAKE_CUDA_VERSION", 13_000)
}

/// The newest PTX version that the driver reads.
pub fn newest_ptx() -> (u32, u32) {
    let version = version();
    ((version / 1000 - 4) as u32, (version % 1000 / 10) as u32)
}

/// Memory of each device.
pub fn memory() -> usize {
    number("FAKE_CUDA_MEMORY", 4 << 30)
}

/// Whether the driver is to fail in this way: by the environment, or by the file `faults` beside this library, which a test may
/// write while the driver is in use, by a process that it did not start itself.
pub fn fails(what: &str) -> bool {
    let named = |list: &str| list.trim().split(',').any(|fault| fault == what);
    std::env::var("FAKE_CUDA_FAULTS").is_ok_and(|list| named(&list)) || faults_file().is_some_and(|list| named(&list))
}

fn faults_file() -> Option<String> {
    let folders = std::env::var_os("LD_LIBRARY_PATH")?;
    std::env::split_paths(&folders).find_map(|folder| std::fs::read_to_string(folder.join("faults")).ok())
}

/// Appends a line to the log.
pub fn log(line: &str) {
    static LOG: OnceLock<Option<File>> = OnceLock::new();
    let open = || OpenOptions::new().create(true).append(true).open(std::env::var_os("FAKE_CUDA_LOG")?).ok();
    if let Some(mut file) = LOG.get_or_init(open).as_ref() {
        // One write, so that lines of several threads do not mix. A test that misses a line says so.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}
