//! Routing: who may claim which lease, decided alike by program and worker.
//!
//! This first form lets every qualified provider claim any open lease. Workers already order their claims by
//! [`rank`], so that they spread over a job and seldom collide; what decides is [`may_claim`], and both sides call it.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Key, hash::sha256};

/// What a job asks of a provider. Zero asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Requirements {
    /// Device memory in MiB.
    pub memory_mib: u32,
    /// Lowest hardware class.
    pub class: u8,
    /// Set of regions, one bit each; 0 means anywhere.
    pub regions: u64,
}

/// What a provider says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Capabilities {
    /// Device memory in MiB of its smallest device.
    pub memory_mib: u32,
    /// Hardware class: 0 CPU, otherwise the compute capability times ten (80, 86, 90, 120).
    pub class: u8,
    /// Region, 0..64.
    pub region: u8,
}

impl Requirements {
    /// Whether a provider with these capabilities is qualified.
    #[must_use]
    pub fn met_by(&self, has: &Capabilities) -> bool {
        let here = 1u64.checked_shl(u32::from(has.region)).unwrap_or(0);
        has.memory_mib >= self.memory_mib && has.class >= self.class && (self.regions == 0 || self.regions & here != 0)
    }
}

/// First 8 bytes of `H(seed ‖ lease ‖ replica ‖ provider)`, little endian. Low ranks come first.
#[must_use]
pub fn rank(seed: &Key, lease: u32, replica: u8, provider: &Key) -> u64 {
    let digest = sha256(&[b"tessera-rank-1", seed, &lease.to_le_bytes(), &[replica], provider]);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// Whether a provider may claim a replica of a lease that has been open since `opened_at` (Unix seconds).
#[must_use]
pub fn may_claim(required: &Requirements, has: &Capabilities, _rank: u64, _opened_at: i64, _now: i64) -> bool {
    required.met_by(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_filter() {
        let has = Capabilities { memory_mib: 8192, class: 80, region: 3 };
        assert!(Requirements::default().met_by(&has));
        assert!(Requirements { memory_mib: 8192, class: 80, regions: 1 << 3 }.met_by(&has));
        assert!(!Requirements { memory_mib: 8193, ..Default::default() }.met_by(&has));
        assert!(!Requirements { class: 86, ..Default::default() }.met_by(&has));
        assert!(!Requirements { regions: 1 << 4, ..Default::default() }.met_by(&has));
        assert!(!Requirements { regions: 1, ..Default::default() }.met_by(&Capabilities { region: 255, ..has }));
    }

    #[test]
    fn ranks_differ_by_provider_and_replica() {
        let seed = [1; 32];
        assert_ne!(rank(&seed, 0, 0, &[2; 32]), rank(&seed, 0, 0, &[3; 32]));
        assert_ne!(rank(&seed, 0, 0, &[2; 32]), rank(&seed, 0, 1, &[2; 32]));
    }
}
