//! Proofs of capability, by a table of the test's own.

use tessera::instruction;
use tessera_protocol::{
    capability::{self, PASSES, SHOWN},
    constants::AUDIT_SLOTS,
    hash::{Digest, sha256},
};

use super::{Provider, World, clock::SLOT_HASHES};
use crate::call::{Call, call};

/// Compute units that a proof may take: more than a transaction has if it does not ask.
const UNITS: u32 = 600_000;

impl World {
    /// `begin_proof`.
    pub fn begin_proof(&mut self, provider: Provider, memory_mib: u32) -> Call<'_> {
        call!(
            self,
            "begin_proof",
            BeginProof { operator: provider.operator, provider: provider.address },
            instruction::BeginProof { memory_mib }
        )
    }

    /// `finish_proof`.
    pub fn finish_proof(&mut self, provider: Provider, shown: [u32; SHOWN]) -> Call<'_> {
        call!(
            self,
            "finish_proof",
            FinishProof { operator: provider.operator, provider: provider.address, slot_hashes: SLOT_HASHES },
            instruction::FinishProof { shown }
        )
        .with_units(UNITS)
    }

    /// The slot whose hash is the seed of the proof that `provider` has begun.
    #[must_use]
    pub fn proof_slot(&self, provider: Provider) -> u64 {
        self.provider(provider).proof_slot + AUDIT_SLOTS
    }

    /// Chooses hashes of slots until the proof that `provider` has begun can be shown, and returns what shows it.
    ///
    /// # Panics
    /// If its slot has no hash.
    #[must_use]
    pub fn places(&mut self, provider: Provider) -> [u32; SHOWN] {
        let (slot, memory_mib) = (self.proof_slot(provider), self.provider(provider).proof_mib);
        loop {
            let hash = self.hashes.of(slot).expect("there is a hash of that slot");
            let seed = capability::seed(&hash, provider.address.as_array(), memory_mib);
            let hits = hits(&seed, capability::places(memory_mib));
            if let Some(shown) = hits.first_chunk() {
                return *shown;
            }
            // One of two hundred seeds has too few.
            self.choose_hash(slot, sha256(&[&hash]));
        }
    }

    /// Proves so much memory.
    pub fn prove(&mut self, provider: Provider, memory_mib: u32) {
        self.begin_proof(provider, memory_mib).ok();
        self.advance_past(self.proof_slot(provider));
        let shown = self.places(provider);
        self.finish_proof(provider, shown).ok();
    }
}

/// The places whose last digests are hits, by the whole table.
fn hits(seed: &Digest, places: u64) -> Vec<u32> {
    let mut table: Vec<Digest> = (0..places).map(|place| sha256(&[seed, &(place as u32).to_le_bytes()])).collect();
    for _ in 0..PASSES {
        let other = |own: &Digest| table[capability::parent(own, places) as usize];
        table = table.iter().map(|own| sha256(&[own, &other(own)])).collect();
    }
    (0..).zip(&table).filter(|(_, digest)| capability::is_hit(digest, places)).map(|(place, _)| place).collect()
}
