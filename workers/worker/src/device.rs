//! What this machine computes on, and what of it is announced to the market.

use anyhow::Result;
use tessera_executor::Device;
use tessera_protocol::routing::Capabilities;

use crate::{
    config::{Backend, Config},
    machine,
};

impl From<Backend> for tessera_executor::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Cuda => Self::Cuda,
            Backend::Cpu => Self::Cpu,
        }
    }
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

/// The devices that `backend` finds.
///
/// # Errors
/// If it finds none.
pub fn find(backend: Backend) -> Result<Vec<Device>> {
    Ok(tessera_executor::open(backend.into())?.devices().to_vec())
}

/// What a provider with this machine announces.
///
/// # Errors
/// If there is no device.
pub fn capabilities(config: &Config) -> Result<Capabilities> {
    let devices = find(config.executor.backend)?;
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
    fn every_machine_has_a_processor() {
        let found = find(Backend::Cpu).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, Kind::Cpu);
    }
}
