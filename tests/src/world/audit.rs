//! Instructions about draws, audits and disputes.

use tessera::instruction;
use tessera_protocol::{constants::AUDIT_SLOTS, hash::sha256};

use super::{Job, Provider, World, clock::SLOT_HASHES};
use crate::call::{Call, call};

impl World {
    /// `seed_job`.
    pub fn seed_job(&mut self, job: Job) -> Call<'_> {
        call!(self, "seed_job", SeedJob { job: job.address, slot_hashes: SLOT_HASHES }, instruction::SeedJob {})
    }

    /// `seed_lease`.
    pub fn seed_lease(&mut self, job: Job, index: u32) -> Call<'_> {
        call!(
            self,
            "seed_lease",
            SeedLease { lease: job.lease(index), slot_hashes: SLOT_HASHES },
            instruction::SeedLease {}
        )
    }

    /// `draw_audit`.
    pub fn draw_audit(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        call!(
            self,
            "draw_audit",
            DrawAudit {
                job: job.address,
                lease: job.lease(index),
                provider: provider.address,
                slot_hashes: SLOT_HASHES,
            },
            instruction::DrawAudit {}
        )
    }

    /// `advance_lease`.
    pub fn advance_lease(&mut self, job: Job, index: u32) -> Call<'_> {
        call!(
            self,
            "advance_lease",
            AdvanceLease { job: job.address, lease: job.lease(index) },
            instruction::AdvanceLease {}
        )
    }

    /// `slash_seat`.
    pub fn slash_seat(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        let (_, seat_payer) = self.payers(job, index, provider);
        call!(
            self,
            "slash_seat",
            SlashSeat {
                market: self.market,
                job: job.address,
                lease: job.lease(index),
                provider: provider.address,
                stake_vault: provider.vault,
                escrow: job.escrow,
                seat_payer: seat_payer,
                token_program: spl_token_interface::ID,
            },
            instruction::SlashSeat {}
        )
    }

    /// The slot whose hash decides about the commit of `provider`.
    ///
    /// # Panics
    /// If it has no seat.
    #[must_use]
    #[track_caller]
    pub fn draw_slot(&self, job: Job, index: u32, provider: Provider) -> u64 {
        self.seat(job, index, provider).expect("the provider has a seat").slot + AUDIT_SLOTS
    }

    /// Chooses the hash that decides about the commit of `provider` so that its sample is among the lowest or the highest
    /// tenth of a thousandth: whatever chance below one there is, the seat is drawn, or is not.
    #[track_caller]
    pub fn choose_draw(&mut self, job: Job, index: u32, provider: Provider, drawn: bool) {
        self.choose_sample(job, index, provider, |sample| {
            let high = (sample >> 48) as u16;
            if drawn { high < 6 } else { high > u16::MAX - 6 }
        });
    }

    /// Chooses the hash that decides about the commit of `provider` so that its sample `fits`. Some thousands are tried.
    #[track_caller]
    pub fn choose_sample(&mut self, job: Job, index: u32, provider: Provider, fits: impl Fn(u64) -> bool) {
        let attempt = self.seat(job, index, provider).expect("the provider has a seat").attempt;
        let sample = |hash: &[u8; 32]| {
            let digest = sha256(&[
                b"tessera-draw-1",
                hash,
                job.address.as_ref(),
                &index.to_le_bytes(),
                &attempt.to_le_bytes(),
                provider.address.as_ref(),
            ]);
            u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
        };
        let mut hashes = (0u64..).map(|n| sha256(&[b"chosen", &n.to_le_bytes()]));
        let hash = hashes.find(|hash| fits(sample(hash))).expect("there are enough");
        self.choose_hash(self.draw_slot(job, index, provider), hash);
    }
}
