//! Settling: who is paid, who loses its lock, and what is remembered.

use tessera_protocol::{
    audit::{self, Caller, Source, Sources},
    bonds,
    reputation::Reputation,
    verdict::{self, Consequence, Kind, Loss, Verdict},
};

use crate::{
    lease::Lease,
    provider,
    scenario::{COMEBACK, FEE_BURNED, PAY, SECOND, Strategy},
    story::{Mark, Outcome},
    world::World,
};

impl World<'_> {
    /// A seat was committed; cheats are remembered until they are found.
    pub(crate) fn committed(&mut self, who: usize, cheats: bool) {
        let provider = &mut self.providers[who];
        provider.ledger.seats += 1;
        if cheats {
            provider.ledger.cheated += 1;
            provider.lying.get_or_insert((self.now, 0)).1 += 1;
        }
    }

    /// A seat was not committed in time.
    pub(crate) fn expire(&mut self, lease: &mut Lease, place: usize) {
        let seat = &mut lease.seats[place];
        self.providers[seat.provider].locked -= seat.lock;
        seat.outcome = self.late(seat.provider);
    }

    /// A seat was late. The owner brings new stake for the bond, as for everything it loses, so that its strategy goes on.
    fn late(&mut self, who: usize) -> Outcome {
        let (now, bond) = (self.seconds(), bonds::expiry_bond(self.scenario.audit.expiry_bond_bps, PAY));
        let provider = &mut self.providers[who];
        provider.reputation = provider.reputation.expiry(now);
        provider.ledger.bonds += bond as i64;
        if provider.strategy.is_honest() {
            self.tally.honest_bonds += bond;
        }
        Outcome { lost: bond, mark: Mark::Late, ..Outcome::default() }
    }

    /// A seat is paid `pay`, and remembered if it was confirmed.
    fn pay(&mut self, who: usize, pay: u64, confirmed: bool) -> Outcome {
        let now = self.seconds();
        let provider = &mut self.providers[who];
        provider.ledger.earned += pay as i64;
        if !confirmed {
            return Outcome { paid: pay, ..Outcome::default() };
        }
        // Credit is for the fee that was burned: there is none on what a drawn seat pays its auditor.
        let (before, burned) = (provider.reputation.at(now), if pay > 0 { FEE_BURNED } else { 0 });
        provider.reputation = before.confirmed(now, burned, FEE_BURNED);
        Outcome { paid: pay, mark: Mark::Confirmed(provider.reputation.success - before.success), ..Outcome::default() }
    }

    /// Carries out a verdict.
    pub(crate) fn settle(&mut self, lease: &mut Lease, verdict: Verdict) {
        let judged = lease.judged();
        let seats: Vec<verdict::Seat> = judged.iter().map(|(_, seat)| *seat).collect();
        let at_stake = lease.drawn || self.scenario.replicas > 1;
        let consequence = |seat: &verdict::Seat| verdict::consequence(&verdict, seat, at_stake);
        match verdict {
            Verdict::Decided(root) => {
                self.tally.disputes += 1;
                self.tally.wrong += u64::from(root != provider::truth(lease.index));
            }
            Verdict::Agreed(root) => self.tally.wrong += u64::from(root != provider::truth(lease.index)),
            Verdict::Undecided => {
                self.tally.disputes += 1;
                self.tally.undecided += 1;
            }
            Verdict::Silent | Verdict::More(_) => {}
        }

        let pays_itself = self.fund_audits(lease, &judged, |seat| consequence(seat) == Consequence::Paid);
        let losers = seats.iter().filter(|seat| consequence(seat) == Consequence::Slashed).count() as u64;
        let awards = verdict::awards(&verdict, &seats, PAY);
        let supporters = verdict::supporters(&verdict, &seats);
        let mut loser = 0;
        for (place, seat) in &judged {
            let held = &mut lease.seats[*place];
            let who = held.provider;
            self.providers[who].locked -= held.lock;
            held.outcome = match consequence(seat) {
                Consequence::Paid => {
                    let pay = if pays_itself[*place] { 0 } else { PAY };
                    self.pay(who, pay, verdict::confirms(supporters, seat))
                }
                Consequence::Slashed => {
                    let Loss { awarded, burned } = verdict::loss(awards, losers, loser, held.lock);
                    loser += 1;
                    self.tally.awarded += awarded;
                    self.tally.burned += burned;
                    self.slash(who, held.lock);
                    Outcome { lost: held.lock, awarded, mark: Mark::Fault, paid: 0 }
                }
                Consequence::Bond => self.late(who),
                Consequence::Released => Outcome::default(),
            };
        }
    }

    /// Takes the pay of auditors from where it comes, and says which places of the lease pay their auditor themselves.
    fn fund_audits(
        &mut self,
        lease: &mut Lease,
        judged: &[(usize, verdict::Seat)],
        is_paid: impl Fn(&verdict::Seat) -> bool,
    ) -> Vec<bool> {
        let auditors: Vec<_> = judged.iter().filter(|(_, seat)| seat.kind == Kind::Audit).collect();
        let drawn = judged.iter().filter_map(|(place, seat)| Some((*place, seat, lease.seats[*place].drawn?)));
        let (places, callers): (Vec<usize>, Vec<Caller>) = drawn
            .map(|(place, seat, funding)| {
                let auditor = auditors.iter().position(|(other, _)| *other == place);
                (place, Caller { funding, paid: is_paid(seat), auditor })
            })
            .unzip();
        let paid: Vec<bool> = auditors.iter().map(|(_, seat)| is_paid(seat)).collect();
        let Sources { of, unspent } = audit::sources(&callers, &paid);
        self.reserve += unspent * PAY;
        self.tally.reserve_paid -= unspent * PAY;
        lease.reserve_paid -= unspent * PAY;
        let mut pays_itself = vec![false; lease.seats.len()];
        for source in of {
            if let Some(Source::Caller(k)) = source {
                pays_itself[places[k]] = true;
            }
        }
        pays_itself
    }

    /// A lock is lost. After a while the owner is back with new stake; a Sybil under a new name.
    fn slash(&mut self, who: usize, lock: u64) {
        let (now, slot) = (self.seconds(), self.slot());
        let provider = &mut self.providers[who];
        self.tally.slashed += lock;
        if provider.strategy.is_honest() {
            self.tally.honest_slashed += lock;
        }
        provider.ledger.slashed += lock as i64;
        provider.ledger.faults += 1;
        provider.reputation = provider.reputation.fault(now, slot);
        provider.staked_slot = slot;
        provider.busy_until = provider.busy_until.max(self.now + COMEBACK);
        if let Some((since, cheated)) = provider.lying.take() {
            provider.ledger.cheated_until_found += cheated;
            provider.ledger.seconds_until_found += (self.now - since) as f64 / SECOND as f64;
        }
        if provider.strategy == Strategy::Sybil {
            // Seats that the old name still holds are found under the new one; to the owner it is all the same.
            provider.key = provider::fresh_key(&mut self.rng);
            provider.reputation = Reputation { fault_slot: slot, ..Reputation::default() };
        }
    }
}
