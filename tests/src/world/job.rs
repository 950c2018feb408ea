//! Jobs: their addresses, and the instructions of their clients.

use anchor_lang::{prelude::Pubkey, system_program};
use solana_account::ReadableAccount;
use tessera::{PostJobArgs, instruction, state};
use tessera_protocol::{commitment::Place, lease, seeds};

use super::{Client, Provider, World, pda};
use crate::{
    call::{Call, call},
    terms::JobTerms,
};

/// A job and where its accounts are.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Who pays.
    pub client: Client,
    /// Number among the jobs of its client.
    pub number: u64,
    /// Its account.
    pub address: Pubkey,
    /// Its token account.
    pub escrow: Pubkey,
    /// Number of leases.
    pub leases: u32,
}

impl Job {
    /// Address of a lease.
    #[must_use]
    pub fn lease(&self, index: u32) -> Pubkey {
        let seed = seeds::lease(index);
        let seed = std::str::from_utf8(&seed).expect("digits");
        Pubkey::create_with_seed(&self.address, seed, &tessera::ID).expect("a short seed")
    }

    /// What a commitment of `provider` binds.
    #[must_use]
    pub fn place(&self, lease: u32, attempt: u32, provider: Pubkey) -> Place {
        Place { job: self.address.to_bytes(), lease, attempt, provider: provider.to_bytes() }
    }
}

impl World {
    /// A world with `n` providers and a seeded job whose single lease of 4 units wants `replicas`.
    #[must_use]
    pub fn with_replicas(n: usize, replicas: u8) -> (Self, Job, Vec<Provider>) {
        let mut world = Self::with(|b| b.providers = n);
        let terms = JobTerms { units: 4, replicas, ..JobTerms::default() };
        let job = world.job(world.clients[0], &terms);
        let providers = world.providers.clone();
        (world, job, providers)
    }

    /// The job that `client` would post next.
    #[must_use]
    pub fn next_job(&self, client: Client, terms: &JobTerms) -> Job {
        let number = self.load::<state::Client>(client.address).map_or(0, |account| account.next_job);
        let address = pda(&[seeds::JOB, client.address.as_ref(), &number.to_le_bytes()]);
        let escrow = pda(&[seeds::ESCROW, address.as_ref()]);
        let leases = terms.units.div_ceil(u64::from(terms.units_per_lease.max(1))) as u32;
        Job { client, number, address, escrow, leases }
    }

    /// The arguments of `post_job`.
    #[must_use]
    pub fn job_args(&self, terms: &JobTerms) -> PostJobArgs {
        PostJobArgs {
            spec: [0x5e; 32],
            units: terms.units,
            units_per_lease: terms.units_per_lease,
            replicas: terms.replicas,
            price_per_unit: terms.price_per_unit,
            max_deposit: u64::MAX,
            lease_seconds: terms.lease_seconds,
            deadline: self.now() + terms.seconds,
            requirements: state::Requirements {
                memory_mib: terms.requirements.memory_mib,
                class: terms.requirements.class,
                regions: terms.requirements.regions,
            },
            store: terms.store.clone(),
            challenge_seconds: terms.challenge_seconds,
            min_stake: terms.min_stake,
            min_score_bps: terms.min_score_bps,
            allowed: terms.allowed.clone(),
            denied: terms.denied.clone(),
            private: terms.private,
        }
    }

    /// `post_job`.
    pub fn post_job(&mut self, client: Client, terms: &JobTerms) -> Call<'_> {
        let args = self.job_args(terms);
        self.post_job_with(client, args)
    }

    /// `post_job` with arguments of any kind.
    pub fn post_job_with(&mut self, client: Client, args: PostJobArgs) -> Call<'_> {
        let job = self.next_job(client, &JobTerms::default());
        call!(
            self,
            "post_job",
            PostJob {
                wallet: client.wallet,
                market: self.market,
                mint: self.mint,
                client: client.address,
                job: job.address,
                escrow: job.escrow,
                from: client.tokens,
                token_program: spl_token_interface::ID,
                system_program: system_program::ID,
            },
            instruction::PostJob { args }
        )
    }

    /// The leases of `job` that are marked settled in its account.
    #[must_use]
    pub fn settled(&self, job: Job) -> Vec<u32> {
        let Some(account) = self.account(job.address) else { return Vec::new() };
        let bitmap = account.data().get(state::Job::BITMAP_OFFSET..).unwrap_or_default();
        (0..job.leases).filter(|index| lease::is_settled(bitmap, *index)).collect()
    }

    /// `top_up_job`.
    pub fn top_up_job(&mut self, job: Job, add_seconds: u32, add_price: u64) -> Call<'_> {
        call!(
            self,
            "top_up_job",
            TopUpJob {
                wallet: job.client.wallet,
                job: job.address,
                escrow: job.escrow,
                from: job.client.tokens,
                token_program: spl_token_interface::ID,
            },
            instruction::TopUpJob { add_seconds, add_price }
        )
    }

    /// `cancel_job`.
    pub fn cancel_job(&mut self, job: Job) -> Call<'_> {
        call!(self, "cancel_job", CancelJob { wallet: job.client.wallet, job: job.address }, instruction::CancelJob {})
    }

    /// `close_job` of a job that is complete or over.
    pub fn close_job(&mut self, job: Job) -> Call<'_> {
        call!(
            self,
            "close_job",
            CloseJob {
                market: self.market,
                job: job.address,
                wallet: job.client.wallet,
                escrow: job.escrow,
                treasury: self.treasury,
                refund: job.client.tokens,
                mint: Some(self.mint),
                token_program: spl_token_interface::ID,
            },
            instruction::CloseJob {}
        )
    }

    /// `close_job` of a cancelled job, with these leases shown vacant.
    pub fn close_job_showing(&mut self, job: Job, leases: &[u32]) -> Call<'_> {
        leases.iter().fold(self.close_job(job), |call, index| call.remaining(job.lease(*index)))
    }
}
