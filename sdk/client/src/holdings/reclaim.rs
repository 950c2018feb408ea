//! What of a wallet's holdings can be had back now, by which transactions, and what later.

use std::fmt;

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Holdings, JobHolding};
use crate::{Account, Action, Ending, Job, Lease, Moment, Step, accounts, ix, token};

/// What a claim brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A job is closed: refund and rent come back.
    Close,
    /// A step brings a lease nearer to its end, after which something else comes back.
    Step(Action, u32),
    /// An answer that nobody waits for is dropped: its rent comes back.
    Drop,
    /// A provider's earnings, or stake whose wait is over, are withdrawn.
    Withdraw,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("close the job"),
            Self::Step(action, index) => write!(f, "lease {index}: {}", action.words()),
            Self::Drop => f.write_str("drop an answer that nobody waits for"),
            Self::Withdraw => f.write_str("withdraw earnings and stake"),
        }
    }
}

/// Something that is due to a wallet now.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it brings.
    pub what: What,
    /// The job, answer or provider.
    pub about: Pubkey,
    /// What does it, in one transaction that the wallet signs. Of two claims on the same lease the first may make the second
    /// needless: what is refused is to be looked at again.
    pub instructions: Vec<Instruction>,
}

/// Something that is not due yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The job, lease, answer or provider.
    pub about: Pubkey,
    /// What it waits for.
    pub why: String,
    /// When that is over at the latest, or the next step is due, in Unix seconds.
    pub at: Option<i64>,
}

impl Holdings {
    /// What `wallet`, whose holdings these are, can do at `now` to get back what is its own, and what will be due later.
    #[must_use]
    pub fn due(&self, wallet: &Pubkey, now: Moment) -> (Vec<Claim>, Vec<Pending>) {
        let (mut claims, mut pending) = (vec![], vec![]);
        for held in &self.jobs {
            let Some(market) = self.markets.get(&held.job.market) else { continue };
            held.due(&market.mint, now, &mut claims, &mut pending);
        }
        for (lease, job) in &self.leases {
            self.due_of_lease(lease, job.as_ref(), now, &mut claims, &mut pending);
        }
        for (answer, lease) in &self.answers {
            let waits = |lease: &Lease| {
                let mut seats = lease.seats.iter().filter(|seat| seat.provider == answer.provider);
                seats.any(|seat| seat.answer_by != 0 && !lease.demand_passed(seat, now))
            };
            if lease.as_ref().is_some_and(waits) {
                let why = "the demand that it answers is open".to_owned();
                pending.push(Pending { about: answer.address, why, at: None });
            } else {
                let drop = vec![ix::drop_answer(wallet, &answer.address)];
                claims.push(Claim { what: What::Drop, about: answer.address, instructions: drop });
            }
        }
        for provider in self.providers.iter().filter(|provider| provider.authority == *wallet) {
            self.due_of_provider(provider, now, &mut claims, &mut pending);
        }
        (claims, pending)
    }

    fn due_of_lease(
        &self,
        lease: &Lease,
        job: Option<&Job>,
        now: Moment,
        claims: &mut Vec<Claim>,
        pending: &mut Vec<Pending>,
    ) {
        // A lease does not name its market; it is that of its job, or of the provider that has paid for it.
        let ours =
            || lease.seats.iter().filter_map(|seat| self.providers.iter().find(|own| own.address == seat.provider));
        let market =
            job.map(|job| job.market).or_else(|| ours().next().or(self.providers.first()).map(|own| own.market));
        let Some(market) = market else { return };
        let steps = lease.due(&market, job, now);
        if steps.is_empty() {
            let why = "rent of a lease that runs its course".to_owned();
            let at = job.map(|job| lease.next_at(job).unwrap_or(job.over_at() + 2));
            pending.push(Pending { about: lease.address, why, at });
        }
        claims.extend(steps.into_iter().map(|step| claim(lease.job, step)));
    }

    fn due_of_provider(
        &self,
        provider: &Account<accounts::Provider>,
        now: Moment,
        claims: &mut Vec<Claim>,
        pending: &mut Vec<Pending>,
    ) {
        let Some(market) = self.markets.get(&provider.market) else { return };
        let (authority, mint) = (&provider.authority, &market.mint);
        let mut takes = vec![];
        if provider.earned > 0 {
            takes.push(ix::withdraw_earnings(authority, authority, &market.address, mint));
        }
        if provider.unstaking > 0 && now.time > provider.unstake_at {
            takes.push(ix::withdraw_stake(authority, &market.address, mint));
        } else if provider.unstaking > 0 {
            let why = format!("{} base units of stake were asked back and wait", provider.unstaking);
            pending.push(Pending { about: provider.address, why, at: Some(provider.unstake_at) });
        }
        if !takes.is_empty() {
            // Nothing leaves before what was lost is burned.
            let burn = (provider.to_burn > 0).then(|| ix::burn_bonds(&provider.address, &market.address, mint));
            let to = token::create_ata(authority, authority, mint);
            let instructions = burn.into_iter().chain([to]).chain(takes).collect();
            claims.push(Claim { what: What::Withdraw, about: provider.address, instructions });
        }
    }
}

impl JobHolding {
    fn due(&self, mint: &Pubkey, now: Moment, claims: &mut Vec<Claim>, pending: &mut Vec<Pending>) {
        let Self { job, leases, .. } = self;
        let (why, at) = match job.ending(leases, now) {
            Ending::Now { vacant } => {
                let instructions = job.close_with(mint, &vacant);
                claims.push(Claim { what: What::Close, about: job.address, instructions });
                return;
            }
            Ending::Waits { why, at } => (why, at),
            Ending::Runs { over_at } => ("the job runs; `tessera job cancel` ends it sooner".into(), over_at),
            Ending::Later { over_at } => {
                ("cancelled, with too many leases to show that nobody is in them".into(), over_at)
            }
        };
        let steps = leases.iter().flat_map(|lease| lease.due(&job.market, Some(job), now));
        claims.extend(steps.map(|step| claim(job.address, step)));
        pending.push(Pending { about: job.address, why, at: Some(at) });
    }
}

fn claim(about: Pubkey, step: Step) -> Claim {
    Claim { what: What::Step(step.action, step.index), about, instructions: step.instructions }
}
