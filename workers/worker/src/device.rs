//! What this machine computes on, and what of it is announced to the market.

use anyhow::{Context, Result};
use tessera_executor::{Device, Options};
use tessera_protocol::routing::Capabilities;

use crate::{
    config::{Backend, Config, ExecutorSettings},
    machine,
};

/// Name of the processor as a device.
pub const CPU: &str = "CPU";

impl From<Backend> for tessera_executor::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Cuda => Self::Cuda,
            Backend::Cpu => Self::Cpu,
        }
    }
}

/// What names a device: the UUID of a GPU as NVIDIA's tools write it, `CPU` for the processor.
#[must_use]
pub fn id(uuid: &[u8; 16]) -> String {
    if *uuid == [0; 16] {
        return CPU.to_owned();
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [a, b, c, d, e] = [0..4, 4..6, 6..8, 8..10, 10..16].map(|range| hex(&uuid[range]));
    format!("GPU-{a}-{b}-{c}-{d}-{e}")
}

/// Reads such a name.
///
/// # Errors
/// If it is none.
pub fn read_id(text: &str) -> Result<[u8; 16], String> {
    if text == CPU {
        return Ok([0; 16]);
    }
    let digits: String = text.trim_start_matches("GPU-").chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
    number.map(u128::to_be_bytes).ok_or_else(|| format!("expected a UUID as `nvidia-smi -L` shows it, found {text:?}"))
}

/// The devices for people, on one line.
#[must_use]
pub fn summary(devices: &[Device]) -> String {
    let device = |device: &Device| match device.compute_capability {
        Some((major, minor)) => format!("{} ({} MiB, sm_{major}{minor})", device.name, device.memory >> 20),
        None => device.name.clone(),
    };
    devices.iter().map(device).collect::<Vec<_>>().join(", ")
}

/// The devices that `settings` find.
///
/// # Errors
/// If they find none.
pub fn find(settings: &ExecutorSettings) -> Result<Vec<Device>> {
    let options = Options { only: only(settings)?, ..Options::default() };
    Ok(tessera_executor::open_with(settings.backend.into(), &options)?.devices().to_vec())
}

/// The devices that are used; all if it is empty.
///
/// # Errors
/// If one is not named as it should be.
pub fn only(settings: &ExecutorSettings) -> Result<Vec<[u8; 16]>> {
    let ids = settings.devices.iter().map(|device| read_id(device));
    ids.collect::<Result<_, _>>().map_err(anyhow::Error::msg).context("executor.devices")
}

/// What a provider with this machine announces.
///
/// # Errors
/// If there is no device.
pub fn capabilities(config: &Config) -> Result<Capabilities> {
    let devices = find(&config.executor)?;
    // What the processor computes lies in the execution process, together with its inputs.
    let limit = config.child_memory();
    Ok(announce(&devices, limit, machine::memory().map_or(limit, |(total, _)| total), config.executor.region))
}

fn announce(devices: &[Device], child_memory: u64, machine_memory: u64, region: u8) -> Capabilities {
    let memory = |device: &Device| match device.compute_capability {
        Some(_) => device.memory,
        None => child_memory.min(machine_memory),
    };
    let class = |device: &Device| {
        let (major, minor) = device.compute_capability.unwrap_or_default();
        u8::try_from(major * 10 + minor).unwrap_or(u8::MAX)
    };
    Capabilities {
        memory_mib: u32::try_from(devices.iter().map(memory).min().unwrap_or(0) >> 20).unwrap_or(u32::MAX),
        class: devices.iter().map(class).min().unwrap_or(0),
        region,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_executor::Kind;

    fn gpu(memory: u64, capability: (u32, u32)) -> Device {
        let name = "GPU".to_owned();
        Device { name, kind: Kind::Cuda, memory, compute_capability: Some(capability), uuid: [0; 16] }
    }

    #[test]
    fn the_weakest_device_decides() {
        let both = [gpu(80 << 30, (9, 0)), gpu(24 << 30, (8, 9))];
        assert_eq!(announce(&both, 1, 1, 5), Capabilities { memory_mib: 24 << 10, class: 89, region: 5 });
        assert_eq!(summary(&both[1..]), "GPU (24576 MiB, sm_89)");
        let cpu = Device { kind: Kind::Cpu, compute_capability: None, ..gpu(64 << 30, (0, 0)) };
        assert_eq!(announce(&[cpu], u64::MAX, 8 << 30, 0), Capabilities { memory_mib: 8 << 10, class: 0, region: 0 });
    }

    #[test]
    fn devices_have_names() {
        let uuid: [u8; 16] = std::array::from_fn(|i| i as u8 + 0xf0);
        assert_eq!(id(&uuid), "GPU-f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
        for uuid in [uuid, [0; 16], [7; 16]] {
            assert_eq!(read_id(&id(&uuid)), Ok(uuid));
        }
        assert!(read_id("0").unwrap_err().contains("nvidia-smi"));
    }

    #[test]
    fn every_machine_has_a_processor() {
        let found = find(&ExecutorSettings { backend: Backend::Cpu, ..ExecutorSettings::default() }).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, Kind::Cpu);
    }
}
