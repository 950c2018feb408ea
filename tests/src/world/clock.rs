//! Time of a world: its clock, its slots, and their hashes, which decide draws and rank providers.

use std::collections::BTreeMap;

use anchor_lang::prelude::Pubkey;
use solana_account::Account;
use solana_clock::Clock;
use tessera_protocol::hash::{Digest, sha256};

use super::World;

/// Unix time at which every world begins.
pub const START: i64 = 1_800_000_000;
/// Slot at which every world begins.
pub const START_SLOT: u64 = 1_000;
/// Where the cluster keeps the hashes of slots.
pub const SLOT_HASHES: Pubkey = Pubkey::from_str_const("SysvarS1otHashes111111111111111111111111111");
/// Owner of what the cluster keeps.
const SYSVAR: Pubkey = Pubkey::from_str_const("Sysvar1111111111111111111111111111111111111");
/// How many hashes it keeps.
const KEPT: usize = 512;
/// Bytes of the account, however few it holds.
const BYTES: usize = 8 + KEPT * 40;

/// The hashes of all slots of a world, past and to come.
#[derive(Clone, Debug, Default)]
pub struct SlotHashes {
    /// Worlds of different seeds have different hashes.
    pub seed: u64,
    /// Whether one slot in eight is skipped: it has no hash.
    pub skips: bool,
    chosen: BTreeMap<u64, Digest>,
}

/// What can be read about the first slot at or after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is none yet.
    Early,
    /// This one, and its hash.
    Hash(u64, Digest),
    /// Its hash is no longer kept.
    Lost,
}

impl SlotHashes {
    /// The hash of a slot; `None` for one that is skipped.
    #[must_use]
    pub fn of(&self, slot: u64) -> Option<Digest> {
        if let Some(chosen) = self.chosen.get(&slot) {
            return Some(*chosen);
        }
        let hash = sha256(&[b"slot", &self.seed.to_le_bytes(), &slot.to_le_bytes()]);
        (!self.skips || !hash[0].is_multiple_of(8)).then_some(hash)
    }

    /// What the cluster keeps in `slot`: slots before it and their hashes, newest first.
    fn kept(&self, slot: u64) -> impl Iterator<Item = (u64, Digest)> + '_ {
        (0..slot).rev().filter_map(|slot| Some((slot, self.of(slot)?))).take(KEPT)
    }

    /// The newest hash that can be read in `now`.
    #[must_use]
    pub fn newest(&self, now: u64) -> Option<(u64, Digest)> {
        self.kept(now).next()
    }

    /// What can be read in slot `now` about the first slot at or after `target`.
    #[must_use]
    pub fn read(&self, target: u64, now: u64) -> Reading {
        let kept: Vec<_> = self.kept(now).collect();
        let Some((first, hash)) = kept.iter().rev().find(|(slot, _)| *slot >= target) else { return Reading::Early };
        // Where everything that is kept lies at or after the target, an earlier one may have been there.
        let oldest = kept.last().is_some_and(|(slot, _)| slot == first);
        if oldest && *first != target { Reading::Lost } else { Reading::Hash(*first, *hash) }
    }
}

impl World {
    /// Unix time.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// The slot.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.svm.get_sysvar::<Clock>().slot
    }

    /// Sets the time; slots follow at 400 ms, but for those of the time in which the cluster stood still.
    pub fn set_time(&mut self, unix_timestamp: i64) {
        let slot = START_SLOT + u64::try_from((unix_timestamp - START - self.halted) * 5 / 2).unwrap_or(0);
        self.svm.set_sysvar(&Clock { slot, unix_timestamp, ..Clock::default() });
        self.write_hashes();
    }

    /// Lets time pass.
    pub fn advance(&mut self, seconds: i64) {
        self.set_time(self.now() + seconds);
    }

    /// Lets the clock leap, as after a halt of the cluster: no slots go by.
    pub fn leap(&mut self, seconds: i64) {
        self.halted += seconds;
        self.set_time(self.now() + seconds);
    }

    /// Lets time pass until the cluster keeps the hash of `slot`.
    pub fn advance_past(&mut self, slot: u64) {
        while self.slot() <= slot {
            self.advance(1);
        }
    }

    /// Makes `hash` the hash of `slot`, also where it has one already.
    pub fn choose_hash(&mut self, slot: u64, hash: Digest) {
        self.hashes.chosen.insert(slot, hash);
        self.write_hashes();
    }

    /// Writes what the cluster keeps now.
    pub fn write_hashes(&mut self) {
        let kept: Vec<_> = self.hashes.kept(self.slot()).collect();
        let mut data = (kept.len() as u64).to_le_bytes().to_vec();
        for (slot, hash) in kept {
            data.extend(slot.to_le_bytes());
            data.extend(hash);
        }
        data.resize(BYTES, 0);
        let lamports = self.rent(BYTES);
        self.set_account(SLOT_HASHES, Account { lamports, data, owner: SYSVAR, ..Account::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings() {
        let mut hashes = SlotHashes { skips: true, ..SlotHashes::default() };
        let skipped = (600..).find(|slot| hashes.of(*slot).is_none()).unwrap();
        let next = (skipped..).find(|slot| hashes.of(*slot).is_some()).unwrap();
        assert_eq!(hashes.read(skipped, next), Reading::Early);
        assert_eq!(hashes.read(skipped, next + 1), Reading::Hash(next, hashes.of(next).unwrap()));
        assert_eq!(hashes.read(skipped, skipped + 700), Reading::Lost);
        hashes.chosen.insert(skipped, [7; 32]);
        assert_eq!(hashes.read(skipped, next + 1), Reading::Hash(skipped, [7; 32]));
        assert_eq!(hashes.newest(skipped + 1), Some((skipped, [7; 32])));
    }
}
