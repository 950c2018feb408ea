//! What everybody has in the end.

use tessera::{events::JobClosed, state::LeaseState};
use tessera_protocol::{payout::share, verdict::Kind};
use tessera_simulate::story::{Mark, Seat};

use super::{
    replay::{Replay, same},
    stage::{FEE, LEASE},
};
use crate::{
    compare::Difference,
    invariants::invariants,
    world::{self, Provider},
};

impl Replay<'_> {
    /// Compares what everybody has got and lost.
    pub(super) fn compare(&mut self) -> Result<(), Difference> {
        let (job, story) = (self.job, self.story);
        invariants(&self.world, &[job])?;
        let state = self.world.load::<world::Lease>(job.lease(LEASE)).map(|lease| lease.state);
        // With its last seat a settled lease is closed.
        same("the state of the lease", state, if story.root.is_some() { None } else { Some(LeaseState::Void) })?;
        for (place, seat) in story.seats.iter().enumerate() {
            self.compare_seat(seat, self.providers[place], self.history[place])
                .map_err(|difference| format!("seat {place}, {difference}"))?;
        }
        self.compare_job()
    }

    fn compare_seat(&self, seat: &Seat, provider: Provider, history: u32) -> Result<(), Difference> {
        let account = self.world.provider(provider);
        let outcome = seat.outcome;
        let (at_fault, late) = (outcome.mark == Mark::Fault, outcome.mark == Mark::Late);
        let when = |is: bool, amount: u64| if is { amount } else { 0 };
        same("paid", account.earned, outcome.paid)?;
        same("slashed", account.slashed, when(at_fault, outcome.lost))?;
        same("lost as a bond", account.lost, when(late, outcome.lost))?;
        same("to be burned", account.to_burn, outcome.lost - outcome.awarded)?;
        same("left of the stake", account.stake, seat.stake - outcome.lost)?;
        same("locked", account.locked, 0)?;
        same("faults", account.faults, u32::from(at_fault))?;
        same("late seats", account.expiries, u32::from(late))?;
        let (consecutive, success) = match outcome.mark {
            Mark::Confirmed(weight) => (history + 1, weight),
            Mark::Fault => (0, 0),
            Mark::Blank | Mark::Late => (history, 0),
        };
        same("confirmed results", (account.consecutive, account.success), (consecutive, success))
    }

    /// Burns what is lost and closes the job: where its money has gone.
    fn compare_job(&mut self) -> Result<(), Difference> {
        let (job, story, supply) = (self.job, self.story, self.world.supply());
        for provider in self.providers.clone() {
            if self.world.provider(provider).to_burn > 0 {
                self.send(|world| world.burn_bonds(provider))?;
            }
        }
        let outcomes = || story.seats.iter().map(|seat| seat.outcome);
        let lost: u64 = outcomes().map(|outcome| outcome.lost - outcome.awarded).sum();
        same("burned of what was lost", supply - self.world.supply(), lost)?;

        let account = self.world.load::<tessera::state::Job>(job.address).ok_or("the job is gone")?;
        self.world.set_time(account.deadline + i64::from(account.grace_seconds) + 1);
        let (supply, tokens) = (self.world.supply(), self.world.tokens(job.client.tokens));
        let closed = self.send(|world| world.close_job(job))?.event::<JobClosed>();
        // Jurors are paid by those who lost.
        let from_escrow = story.seats.iter().filter(|seat| seat.kind != Kind::Dispute);
        let paid: u64 = from_escrow.map(|seat| seat.outcome.paid).sum();
        let fee = share(paid, FEE.0);
        let treasury = share(fee, FEE.1);
        same("paid out of the escrow", closed.paid, paid)?;
        same("paid by the reserve", closed.audits_paid, story.reserve_paid)?;
        same("returned of the reserve", closed.audit_reserve - closed.audits_paid, account.reserve)?;
        same("burned of the fee", (closed.burned, supply - self.world.supply()), (fee - treasury, fee - treasury))?;
        same("in the treasury", self.world.tokens(self.world.treasury), treasury)?;
        same("refunded", self.world.tokens(job.client.tokens) - tokens, account.deposited - paid - fee)?;
        let awarded: u64 = outcomes().map(|outcome| outcome.awarded).sum();
        let jurors = story.seats.iter().filter(|seat| seat.kind == Kind::Dispute);
        same("left of what losers paid", closed.surplus, awarded - jurors.map(|seat| seat.outcome.paid).sum::<u64>())
    }
}
