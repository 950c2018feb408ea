//! Instructions about leases.

use anchor_lang::{prelude::Pubkey, system_program};
use tessera::{instruction, state};

use super::{Job, Lease, Provider, Work, World};
use crate::call::{Call, call};

impl World {
    /// A lease as it is on chain.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn lease(&self, job: Job, index: u32) -> Lease {
        self.load(job.lease(index)).expect("the lease exists")
    }

    /// The seat of `provider` as it is on chain.
    #[must_use]
    pub fn seat(&self, job: Job, index: u32, provider: Provider) -> Option<state::Seat> {
        let lease = self.load::<Lease>(job.lease(index))?;
        lease.seats.into_iter().find(|seat| seat.provider == provider.address)
    }

    /// Who paid the rent of the lease and of the seat of `provider`; the operator where there is none.
    pub(super) fn payers(&self, job: Job, index: u32, provider: Provider) -> (Pubkey, Pubkey) {
        let lease = self.load::<Lease>(job.lease(index)).map(|lease| lease.payer);
        let seat = self.seat(job, index, provider).map(|seat| seat.payer);
        (lease.unwrap_or(provider.operator), seat.unwrap_or(provider.operator))
    }

    /// Result number `result` of the claim that `provider` has in the lease.
    #[must_use]
    pub fn work(&self, job: Job, index: u32, provider: Provider, result: u8) -> Work {
        let attempt = self.seat(job, index, provider).map_or(0, |seat| seat.attempt);
        // Where nobody has claimed yet: of one unit.
        let units = self.load::<Lease>(job.lease(index)).map_or(1, |lease| lease.units);
        Work::new(job.place(index, attempt, provider.address), units, result)
    }

    /// `claim_lease`.
    pub fn claim_lease(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        call!(
            self,
            "claim_lease",
            ClaimLease {
                operator: provider.operator,
                market: self.market,
                job: job.address,
                provider: provider.address,
                lease: job.lease(index),
                system_program: system_program::ID,
            },
            instruction::ClaimLease { index }
        )
    }

    /// `commit_result` of result number `result`.
    pub fn commit_result(&mut self, job: Job, index: u32, provider: Provider, result: u8) -> Call<'_> {
        let work = self.work(job, index, provider, result);
        call!(
            self,
            "commit_result",
            CommitResult {
                operator: provider.operator,
                provider: provider.address,
                job: job.address,
                lease: job.lease(index),
            },
            instruction::CommitResult { commitment: work.commitment(), sealed: work.sealed }
        )
    }

    /// `reveal_result` of result number `result`.
    pub fn reveal_result(&mut self, job: Job, index: u32, provider: Provider, result: u8) -> Call<'_> {
        let work = self.work(job, index, provider, result);
        self.reveal(job, index, provider, &work, None)
    }

    /// `reveal_result` together with the key.
    pub fn reveal_and_open(&mut self, job: Job, index: u32, provider: Provider, result: u8) -> Call<'_> {
        let work = self.work(job, index, provider, result);
        self.reveal(job, index, provider, &work, Some(work.key))
    }

    /// `reveal_result` of anything.
    pub fn reveal(&mut self, job: Job, index: u32, provider: Provider, work: &Work, key: Option<[u8; 32]>) -> Call<'_> {
        let tessera_protocol::commitment::Reveal { result_root, work_root, key_hash, nonce } = work.reveal;
        let reveal = tessera::Reveal { result_root, work_root, key_hash, nonce };
        call!(
            self,
            "reveal_result",
            RevealResult { provider: provider.address, job: job.address, lease: job.lease(index) },
            instruction::RevealResult { reveal, key }
        )
    }

    /// `open_result`.
    pub fn open_result(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        let key = self.work(job, index, provider, 0).key;
        call!(
            self,
            "open_result",
            OpenResult { provider: provider.address, lease: job.lease(index) },
            instruction::OpenResult { key }
        )
    }

    /// `settle_lease`.
    pub fn settle_lease(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        let (lease_payer, seat_payer) = self.payers(job, index, provider);
        call!(
            self,
            "settle_lease",
            SettleLease {
                job: job.address,
                lease: job.lease(index),
                provider: provider.address,
                escrow: job.escrow,
                stake_vault: provider.vault,
                seat_payer: seat_payer,
                lease_payer: lease_payer,
                token_program: spl_token_interface::ID,
            },
            instruction::SettleLease {}
        )
    }

    /// `return_lease`.
    pub fn return_lease(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        let (_, seat_payer) = self.payers(job, index, provider);
        call!(
            self,
            "return_lease",
            ReturnLease {
                operator: provider.operator,
                provider: provider.address,
                lease: job.lease(index),
                seat_payer: seat_payer,
                market: self.market,
            },
            instruction::ReturnLease {}
        )
    }

    /// `expire_lease`.
    pub fn expire_lease(&mut self, job: Job, index: u32, provider: Provider) -> Call<'_> {
        let (_, seat_payer) = self.payers(job, index, provider);
        call!(
            self,
            "expire_lease",
            ExpireLease {
                job: job.address,
                lease: job.lease(index),
                provider: provider.address,
                seat_payer: seat_payer,
            },
            instruction::ExpireLease {}
        )
    }

    /// `close_lease`.
    pub fn close_lease(&mut self, job: Job, index: u32) -> Call<'_> {
        let payer = self.load::<Lease>(job.lease(index)).map_or(self.payer, |lease| lease.payer);
        call!(
            self,
            "close_lease",
            CloseLease { job: job.address, lease: job.lease(index), payer: payer },
            instruction::CloseLease {}
        )
    }
}
