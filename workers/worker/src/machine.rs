//! What the operating system says about this machine and its processes.

use std::{fs, path::Path};

/// Resident memory of a process in bytes, where the system tells.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kibibytes(&status, "VmRSS:")
}

/// The process that started a process, where the system tells.
#[must_use]
pub fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Memory of the machine in bytes: all of it, and what is available now.
#[must_use]
pub fn memory() -> Option<(u64, u64)> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    Some((kibibytes(&info, "MemTotal:")?, kibibytes(&info, "MemAvailable:")?))
}

/// Free space in bytes on the disk of `path` for this user, where the system tells.
#[must_use]
pub fn disk(path: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Whether an NVIDIA device is plugged in, driver or not.
#[must_use]
pub fn has_nvidia_device() -> bool {
    let Ok(devices) = fs::read_dir("/sys/bus/pci/devices") else { return false };
    let read = |path: &Path, name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
    devices.flatten().any(|device| {
        let path = device.path();
        // Vendor NVIDIA, class display controller.
        read(&path, "vendor").trim() == "0x10de" && read(&path, "class").starts_with("0x03")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let own = resident(std::process::id()).unwrap();
        let (total, available) = memory().unwrap();
        assert!(own > 0 && own < total && available <= total);
        assert_eq!(resident(u32::MAX), None);
        assert_eq!(parent(std::process::id()), Some(std::os::unix::process::parent_id()));
        assert!(disk(Path::new("/")).is_some() && disk(Path::new("/no/such/place")).is_none());
        assert_eq!(kibibytes("A: 1 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 << 10));
        assert_eq!(kibibytes("VmRSS: x", "VmRSS:"), None);
    }
}
