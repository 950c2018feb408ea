//! `post_job`: a job and its escrow.

use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};
use tessera_protocol::{
    audit::{self, AuditParams},
    chance::Chance,
    constants::{self, ACCOUNT_VERSION},
    lease,
    payout::{self, Escrow},
    seeds,
    state::JobState,
};

use crate::{
    errors::TesseraError,
    events::JobPosted,
    state::{Client, Job, Market, Requirements},
    vault,
};

/// What a client asks for.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct PostJobArgs {
    /// Content id of the job specification.
    pub spec: [u8; 32],
    /// Number of units.
    pub units: u64,
    /// Units in a lease.
    pub units_per_lease: u32,
    /// Providers that must agree on each lease.
    pub replicas: u8,
    /// What one replica of one unit pays, in base units of the mint.
    pub price_per_unit: u64,
    /// Most the client is ready to put into the escrow, should the market's fee change before the job lands.
    pub max_deposit: u64,
    /// Time from claim to commit.
    pub lease_seconds: u32,
    /// Unix time by which all windows of all claims end.
    pub deadline: i64,
    /// What the job asks of providers.
    pub requirements: Requirements,
    /// URL of the store that holds inputs and takes outputs.
    pub store: String,
    /// Time after the opening of outputs in which chunks of them may be demanded, and before which they are not paid; 0: they are
    /// paid at once.
    pub challenge_seconds: u32,
    /// Least stake that the job asks of providers of its replicas.
    pub min_stake: u64,
    /// Least score that it asks of them, in basis points.
    pub min_score_bps: u16,
    /// The only providers that may take its replicas; empty: all may.
    pub allowed: Vec<Pubkey>,
    /// Providers that may not.
    pub denied: Vec<Pubkey>,
    /// Only those allowed have its inputs: nobody audits or judges it, and the client trusts whom it allows.
    pub private: bool,
}

impl PostJobArgs {
    /// How many providers it names.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.allowed.len().saturating_add(self.denied.len())
    }
}

/// Accounts of `post_job`.
#[derive(Accounts)]
#[instruction(args: PostJobArgs)]
pub struct PostJob<'info> {
    /// The client's wallet; pays.
    #[account(mut)]
    pub wallet: Signer<'info>,
    /// The market.
    #[account(has_one = mint @ TesseraError::WrongMint)]
    pub market: Box<Account<'info, Market>>,
    /// The market's mint.
    pub mint: Box<Account<'info, Mint>>,
    /// The client account, which numbers the job.
    #[account(mut, has_one = wallet @ TesseraError::WrongWallet, has_one = market @ TesseraError::WrongMarket)]
    pub client: Box<Account<'info, Client>>,
    /// The job.
    #[account(init, payer = wallet, space = Job::space(args.units, args.units_per_lease, args.listed()),
        seeds = [seeds::JOB, client.key().as_ref(), &client.next_job.to_le_bytes()], bump)]
    pub job: AccountLoader<'info, Job>,
    /// The job's escrow.
    #[account(init, payer = wallet, seeds = [seeds::ESCROW, job.key().as_ref()], bump,
        token::mint = mint, token::authority = job)]
    pub escrow: Box<Account<'info, TokenAccount>>,
    /// Where the tokens come from.
    #[account(mut, constraint = from.mint == market.mint @ TesseraError::WrongMint, token::authority = wallet)]
    pub from: Box<Account<'info, TokenAccount>>,
    /// The classic token program.
    pub token_program: Program<'info, Token>,
    /// The system program.
    pub system_program: Program<'info, System>,
}

impl PostJob<'_> {
    /// How results of the job are audited.
    fn audits(&self, args: &PostJobArgs) -> AuditParams {
        let params = AuditParams::from(self.market.params.audit);
        if args.private {
            AuditParams::unaudited(params.expiry_bond_bps)
        } else {
            params
        }
    }

    /// Checks the job against the bounds of the protocol and returns the number of leases and what is escrowed.
    pub fn validate(&self, args: &PostJobArgs, now: i64) -> Result<(u32, Escrow)> {
        let within = |value: u32, (low, high): (u32, u32)| (low..=high).contains(&value);
        let params = &self.market.params;
        require!(!self.market.paused, TesseraError::MarketPaused);
        require!(args.units > 0, TesseraError::NoUnits);
        require!(within(args.units_per_lease, (1, constants::MAX_UNITS_PER_LEASE)), TesseraError::LeaseSizeOutOfBounds);
        let leases = lease::count(args.units, args.units_per_lease);
        require!(leases <= u64::from(constants::MAX_LEASES), TesseraError::TooManyLeases);
        let leases = u32::try_from(leases).map_err(|_| TesseraError::TooManyLeases)?;
        require!((1..=constants::MAX_REPLICAS).contains(&args.replicas), TesseraError::ReplicasOutOfBounds);
        require!(args.price_per_unit > 0, TesseraError::ZeroPrice);
        require!(within(args.lease_seconds, constants::LEASE_SECONDS), TesseraError::LeaseSecondsOutOfBounds);
        require!(
            lease::fits(now, args.deadline, args.lease_seconds, params.reveal_seconds, args.challenge_seconds),
            TesseraError::DeadlineTooNear
        );
        let latest = now.saturating_add_unsigned(constants::MAX_JOB_SECONDS);
        require!(args.deadline <= latest, TesseraError::DeadlineTooFar);
        require!(args.store.len() <= constants::MAX_STORE_URL, TesseraError::StoreUrlTooLong);
        require!(args.requirements.memory_mib <= params.max_memory_mib, TesseraError::MemoryOutOfBounds);
        require!(args.challenge_seconds <= constants::MAX_CHALLENGE_SECONDS, TesseraError::ChallengeSecondsOutOfBounds);
        require!(args.listed() <= constants::MAX_LISTED, TesseraError::TooManyListed);
        require!(u64::from(args.min_score_bps) <= constants::BPS, TesseraError::ScoreOutOfBounds);
        // Nobody decides between two who may both be wrong, and nobody may be surprised by a job that it cannot compute.
        require!(!args.private || args.replicas == 1, TesseraError::PrivateReplicas);
        require!(!args.private || !args.allowed.is_empty(), TesseraError::PrivateForAll);
        let escrow = payout::escrow(
            args.price_per_unit,
            args.units,
            args.units_per_lease,
            args.replicas,
            &self.audits(args),
            params.fee_bps,
        )
        .ok_or(TesseraError::Overflow)?;
        let deposit = escrow.total().ok_or(TesseraError::Overflow)?;
        require!(deposit <= args.max_deposit, TesseraError::DepositAboveLimit);
        Ok((leases, escrow))
    }

    /// Writes the lists of providers behind the bitmap.
    fn list(info: &AccountInfo<'_>, job: &Job, args: &PostJobArgs) -> Result<()> {
        let mut data = info.try_borrow_mut_data()?;
        let room = data.get_mut(Job::BITMAP_OFFSET + job.bitmap_len()..).unwrap_or_default();
        let places = room.as_chunks_mut::<{ size_of::<Pubkey>() }>().0;
        for (place, key) in places.iter_mut().zip(args.allowed.iter().chain(&args.denied)) {
            *place = key.to_bytes();
        }
        Ok(())
    }

    /// Creates the job and fills its escrow.
    pub fn handle(ctx: Context<Self>, args: PostJobArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let clock = Clock::get()?;
        let (leases, escrowed) = accounts.validate(&args, clock.unix_timestamp)?;
        let deposited = escrowed.total().ok_or(TesseraError::Overflow)?;
        vault::deposit(&accounts.token_program, &accounts.from, &accounts.escrow, &accounts.wallet, deposited)?;

        let number = accounts.client.next_job;
        accounts.client.next_job = number.checked_add(1).ok_or(TesseraError::Overflow)?;
        let keys = [accounts.market.key(), accounts.client.key(), accounts.wallet.key()];
        let params = accounts.market.params;
        let terms = accounts.audits(&args);
        let escrow = accounts.escrow.key();
        let mut loaded = accounts.job.load_init()?;
        let job = &mut *loaded;
        job.version = ACCOUNT_VERSION;
        job.bump = ctx.bumps.job;
        job.state = JobState::Open as u8;
        [job.market, job.client, job.wallet] = keys;
        job.escrow = escrow;
        job.number = number;
        job.spec = args.spec;
        job.units = args.units;
        job.units_per_lease = args.units_per_lease;
        job.leases = leases;
        job.replicas = args.replicas;
        job.price_per_unit = args.price_per_unit;
        job.fee_bps = params.fee_bps;
        job.treasury_bps = params.treasury_bps;
        job.lock_multiple = terms.lock_multiple;
        job.expiry_bond_bps = terms.expiry_bond_bps;
        job.reserve_bps = terms.reserve_bps;
        job.probation = terms.probation;
        job.lead = terms.lead;
        job.seat_limit = terms.seat_limit;
        job.deterring = terms.deterring().ok_or(TesseraError::LockDoesNotDeter)?.units();
        job.audit_reserve = escrowed.reserve;
        job.reserve = escrowed.reserve;
        job.credit_fee = params.credit_fee;
        job.step_seconds = params.step_seconds;
        job.challenge_seconds = args.challenge_seconds;
        job.demand_bond = params.demand_bond;
        job.stake_cap = params.stake_cap;
        job.private = u8::from(args.private);
        // Nobody is ranked where the client has named all: leases are open at once, and no hash is waited for.
        (job.seed_slot, job.seeded_at) = match args.private {
            true => (clock.slot, clock.unix_timestamp),
            false => (audit::draw_slot(clock.slot), 0),
        };
        job.min_stake = args.min_stake;
        job.min_score = Chance::from_bps(args.min_score_bps).units();
        job.allowed = u8::try_from(args.allowed.len()).map_err(|_| TesseraError::TooManyListed)?;
        job.denied = u8::try_from(args.denied.len()).map_err(|_| TesseraError::TooManyListed)?;
        job.lease_seconds = args.lease_seconds;
        job.reveal_seconds = params.reveal_seconds;
        job.grace_seconds = params.grace_seconds;
        Requirements { memory_mib: job.memory_mib, class: job.class, regions: job.regions } = args.requirements;
        job.posted_at = clock.unix_timestamp;
        job.posted_slot = clock.slot;
        job.deadline = args.deadline;
        job.deposited = deposited;
        job.store[..args.store.len()].copy_from_slice(args.store.as_bytes());
        job.store_len = u8::try_from(args.store.len()).map_err(|_| TesseraError::StoreUrlTooLong)?;

        emit!(JobPosted {
            market: job.market,
            job: accounts.job.key(),
            wallet: job.wallet,
            number,
            spec: args.spec,
            units: args.units,
            units_per_lease: args.units_per_lease,
            replicas: args.replicas,
            price_per_unit: args.price_per_unit,
            deposited,
            audit_reserve: escrowed.reserve,
            deadline: args.deadline,
            private: args.private,
        });
        let posted = *job;
        drop(loaded);
        Self::list(accounts.job.as_ref(), &posted, &args)
    }
}
