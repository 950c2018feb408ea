//! Which of the leases that are played are told as stories: some of every kind, as what matters happens seldom.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tessera_protocol::{
    audit::Funding,
    verdict::{Kind, Verdict},
};

use crate::{
    lease::Lease,
    provider::Provider,
    scenario::{Scenario, Strategy},
    story::{Mark, Reading, Said, Seat, Step, Story},
    world::World,
};

/// Populations: how some of their providers behave, the share of the stake that they have, and how often they cheat.
const POPULATIONS: [(Strategy, f64, f64); 8] = [
    (Strategy::Lazy, 0.1, 0.01),
    (Strategy::Random, 0.1, 0.3),
    (Strategy::Colluding, 0.3, 0.5),
    (Strategy::Copying, 0.1, 0.5),
    (Strategy::Withholding, 0.3, 0.5),
    (Strategy::Sybil, 0.3, 0.5),
    (Strategy::Framing, 0.3, 0.5),
    (Strategy::Flaky, 1.0, 0.0),
];
/// Leases of each run that the sample is taken from.
const LEASES: u32 = 1_000;

/// Markets in which a lot goes wrong: cheaters of every kind, machines that crash often and for long, one replica or two.
fn markets(seed: u64) -> impl Iterator<Item = Scenario> {
    POPULATIONS.into_iter().flat_map(move |(strategy, share, rate)| {
        let flaky = if strategy == Strategy::Flaky { 0.0 } else { 0.1 };
        let (crashes, outage) = (0.1, 3_600);
        [1, 2].map(|replicas| Scenario {
            strategy,
            share,
            rate,
            flaky,
            crashes,
            outage,
            replicas,
            leases: LEASES,
            seed,
            ..Scenario::default()
        })
    })
}

/// `count` stories from markets of all kinds. The same seed gives the same ones.
#[must_use]
pub fn sample(seed: u64, count: usize) -> Vec<Story> {
    let markets: Vec<Scenario> = markets(seed).collect();
    let until = |i| count * i / markets.len();
    let stories = markets.par_iter().enumerate().flat_map_iter(|(i, market)| {
        let share = until(i + 1) - until(i);
        World::new(market).sample(share)
    });
    stories.collect()
}

/// What is special about a lease; those of which the same things are special are of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Traits {
    /// Whether the drawn seat paid for the first audit itself.
    audit: Option<bool>,
    /// An auditor was audited, or nobody committed to an audit.
    audited_again: bool,
    disputed: bool,
    /// A seat said nothing.
    silent: bool,
    /// A seat did not commit in time.
    expired: bool,
    convicted: bool,
    /// A seat was late after its commit.
    late: bool,
    /// A draw was read too late.
    missed: bool,
    /// A seat was drawn because its provider was found at fault elsewhere.
    fault: bool,
    /// A lie has won.
    wrong: bool,
    undecided: bool,
}

impl Traits {
    fn of(story: &Story) -> Self {
        let opened =
            |kind| story.steps.iter().filter(|step| matches!(step, Step::Opened(of, _) if *of == kind)).count();
        let said = |said| story.seats.iter().any(|seat| seat.said == said);
        let read =
            |reading| story.steps.iter().any(|step| matches!(step, Step::Drawn(_, draw) if draw.reading == reading));
        let calls = story.steps.iter().find_map(|step| match step {
            Step::Drawn(_, draw) => draw.calls,
            _ => None,
        });
        let late = |seat: &Seat| seat.said != Said::Expired && seat.outcome.mark == Mark::Late;
        Self {
            audit: calls.map(|funding| funding == Funding::Seat),
            audited_again: opened(Kind::Audit) > 1,
            disputed: opened(Kind::Dispute) > 0,
            silent: said(Said::Nothing),
            expired: said(Said::Expired),
            convicted: story.seats.iter().any(|seat| seat.outcome.mark == Mark::Fault),
            late: story.seats.iter().any(late),
            missed: read(Reading::Missed),
            fault: read(Reading::Fault),
            wrong: story.root.is_some_and(|root| root != 0),
            undecided: story.root.is_none(),
        }
    }
}

/// Stories of a kind: how many there were, and some of them, each as likely as any other.
#[derive(Debug, Default)]
struct Stratum {
    seen: usize,
    kept: Vec<Story>,
}

/// Keeps some of the leases of a run.
pub(crate) struct Sampler {
    /// Its own, so that a run plays the same whether it is sampled or not.
    rng: fastrand::Rng,
    count: usize,
    strata: BTreeMap<Traits, Stratum>,
}

impl Sampler {
    /// Keeps enough to tell `count` stories.
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), count, strata: BTreeMap::new() }
    }

    /// Keeps a lease that has ended, or not.
    pub(crate) fn consider(&mut self, scenario: &Scenario, providers: &[Provider], lease: &Lease, verdict: Verdict) {
        let story = Story::of(scenario, providers, lease, verdict);
        let stratum = self.strata.entry(Traits::of(&story)).or_default();
        stratum.seen += 1;
        if stratum.kept.len() < self.count {
            stratum.kept.push(story);
        } else if let Some(place) = stratum.kept.get_mut(self.rng.usize(..stratum.seen)) {
            *place = story;
        }
    }

    /// The sample: one of each kind, the rarest first, then another of each.
    pub(crate) fn stories(self) -> Vec<Story> {
        let mut strata: Vec<Stratum> = self.strata.into_values().collect();
        strata.sort_by_key(|stratum| stratum.seen);
        let mut kept: Vec<_> = strata.into_iter().map(|stratum| stratum.kept.into_iter()).collect();
        let mut stories = Vec::new();
        while stories.len() < self.count && kept.iter().any(|stratum| stratum.len() > 0) {
            stories.extend(kept.iter_mut().filter_map(Iterator::next));
        }
        stories.truncate(self.count);
        stories
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_is_rare() {
        let stories = sample(1, 200);
        assert_eq!(stories.len(), 200);
        let traits: Vec<Traits> = stories.iter().map(Traits::of).collect();
        let has = |what: &str, is: &dyn Fn(&Traits) -> bool| {
            let count = traits.iter().filter(|traits| is(traits)).count();
            assert!(count > 0, "no story of a lease that was {what}");
        };
        has("not audited", &|t| t.audit.is_none());
        has("audited for the reserve", &|t| t.audit == Some(false));
        has("audited at the seat's expense", &|t| t.audit == Some(true));
        has("audited twice", &|t| t.audited_again);
        has("disputed", &|t| t.disputed);
        has("silent", &|t| t.silent);
        has("expired", &|t| t.expired);
        has("convicted", &|t| t.convicted);
        has("late", &|t| t.late);
        has("missed", &|t| t.missed);
        has("drawn for a fault", &|t| t.fault);
        has("lied about unseen", &|t| t.wrong);
        let strategies: std::collections::BTreeSet<Strategy> = stories.iter().map(|story| story.strategy).collect();
        assert_eq!(strategies.len(), POPULATIONS.len());
        assert_eq!(sample(1, 200), stories);
    }
}
