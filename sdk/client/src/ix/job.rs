//! Clients and jobs.

use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;
use tessera_protocol::{cid::Cid, payout, routing::Requirements};

use super::{SLOT_HASHES, SYSTEM, TOKEN, build, build_with};
use crate::{
    Job, pda,
    program::tessera::client::{accounts, args},
    token, types,
};

/// What a job asks for and offers.
#[derive(Clone, Debug)]
pub struct PostJob {
    /// Content id of the job specification.
    pub spec: Cid,
    /// Number of units.
    pub units: u64,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// What one replica of one unit pays, in base units.
    pub price_per_unit: u64,
    /// Most to put into the escrow, should the market's fee change on the way.
    pub max_deposit: u64,
    /// Time from claim to commit.
    pub lease_seconds: u32,
    /// Unix time by which all windows of all claims end.
    pub deadline: i64,
    /// What is asked of providers.
    pub requirements: Requirements,
    /// Time after the opening of outputs in which chunks of them may be demanded; 0: they are paid at once.
    pub challenge_seconds: u32,
    /// Least stake of providers, in base units.
    pub min_stake: u64,
    /// Least score of providers, in basis points.
    pub min_score_bps: u16,
    /// The only providers that may take base seats; empty: all may.
    pub allowed: Vec<Pubkey>,
    /// Providers that may take no base seats.
    pub denied: Vec<Pubkey>,
    /// Whether only those allowed have its inputs, and nobody audits it.
    pub private: bool,
    /// URL of the store that holds inputs and takes outputs.
    pub store_url: String,
}

/// Creates the client account of a wallet.
#[must_use]
pub fn register_client(wallet: &Pubkey, market: &Pubkey) -> Instruction {
    let accounts = accounts::RegisterClient {
        wallet: *wallet,
        market: *market,
        client: pda::client(market, wallet),
        system_program: SYSTEM,
    };
    build(&accounts, &args::RegisterClient)
}

/// Posts job `number`, which must be the client's `next_job`; the wallet's associated token account pays.
#[must_use]
pub fn post_job(wallet: &Pubkey, market: &Pubkey, mint: &Pubkey, number: u64, post: &PostJob) -> Instruction {
    let client = pda::client(market, wallet);
    let job = pda::job(&client, number);
    let accounts = accounts::PostJob {
        wallet: *wallet,
        market: *market,
        mint: *mint,
        client,
        job,
        escrow: pda::escrow(&job),
        from: token::ata(wallet, mint),
        token_program: TOKEN,
        system_program: SYSTEM,
    };
    let Requirements { memory_mib, class, regions } = post.requirements;
    let args = types::PostJobArgs {
        spec: post.spec.0,
        units: post.units,
        units_per_lease: post.units_per_lease,
        replicas: post.replicas,
        price_per_unit: post.price_per_unit,
        max_deposit: post.max_deposit,
        lease_seconds: post.lease_seconds,
        deadline: post.deadline,
        requirements: types::Requirements { memory_mib, class, regions },
        store: post.store_url.clone(),
        challenge_seconds: post.challenge_seconds,
        min_stake: post.min_stake,
        min_score_bps: post.min_score_bps,
        allowed: post.allowed.clone(),
        denied: post.denied.clone(),
        private: post.private,
    };
    build(&accounts, &args::PostJob { args })
}

/// Takes the seed that ranks providers for the leases of a job, which opens them to claims. Anyone may send it.
#[must_use]
pub fn seed_job(job: &Pubkey) -> Instruction {
    build(&accounts::SeedJob { job: *job, slot_hashes: SLOT_HASHES }, &args::SeedJob)
}

/// Extends the deadline, raises the price of what is not settled, or both.
#[must_use]
pub fn top_up_job(wallet: &Pubkey, job: &Pubkey, mint: &Pubkey, add_seconds: u32, add_price: u64) -> Instruction {
    let accounts = accounts::TopUpJob {
        wallet: *wallet,
        job: *job,
        escrow: pda::escrow(job),
        from: token::ata(wallet, mint),
        token_program: TOKEN,
    };
    build(&accounts, &args::TopUpJob { add_seconds, add_price })
}

/// Ends a job early; leases already begun run their course.
#[must_use]
pub fn cancel_job(wallet: &Pubkey, job: &Pubkey) -> Instruction {
    build(&accounts::CancelJob { wallet: *wallet, job: *job }, &args::CancelJob)
}

/// Divides the escrow and closes the job. Anyone may send it. A cancelled job that is neither complete nor over needs
/// `vacant`: all its unsettled leases, in order, which must have nobody left in them.
#[must_use]
pub fn close_job(job: &Job, mint: &Pubkey, vacant: &[u32]) -> Instruction {
    let closing = payout::closing(job.deposited, job.paid, job.fee_bps, job.treasury_bps);
    let burns = closing.is_none_or(|closing| closing.burned > 0);
    let accounts = accounts::CloseJob {
        market: job.market,
        job: job.address,
        wallet: job.wallet,
        escrow: pda::escrow(&job.address),
        treasury: pda::treasury(&job.market),
        refund: token::ata(&job.wallet, mint),
        mint: burns.then_some(*mint),
        token_program: TOKEN,
    };
    let leases = vacant.iter().map(|index| AccountMeta::new_readonly(pda::lease(&job.address, *index), false));
    build_with(&accounts, &args::CloseJob, leases)
}
