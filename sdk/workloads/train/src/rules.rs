//! Rules against poison: what is made of the updates of a round, whatever some of them are.

use tessera_protocol::spec::Arg;

use crate::{
    plan::{Aggregation, Rule},
    planner::{Place, Planner, at, float, number},
    steps::{PART, parts, squares},
};

/// Updates that lie one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// `count` values of each.
    pub vectors: Place,
    /// How much each counts where the rule says nothing else; together 1.
    pub shares: Place,
    pub lines: usize,
    pub count: usize,
}

/// What is known of shards from earlier rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standings {
    /// The standing of each shard, which the rule moves on.
    pub all: Place,
    /// The shard of each update.
    pub shards: Place,
}

/// The mean that a rule makes of updates. `standing` is `agreement` where there are no standings.
pub(crate) fn mean(planner: &mut Planner, aggregation: &Aggregation, of: Lines, standings: Option<Standings>) -> Place {
    let (zero, mean) = (planner.words(of.count), planner.words(of.count));
    let mut rules = Rules { planner, factor: aggregation.factor, of, zero, mean };
    match (aggregation.rule, standings) {
        (Rule::Mean, _) => rules.towards(of.shares, zero),
        (Rule::NormBound, _) => {
            let shares = rules.bounded(zero);
            rules.towards(shares, zero);
        }
        (Rule::TrimmedMean, _) => rules.trimmed(aggregation.cut),
        (Rule::CenteredClip, _) => {
            let first = rules.planner.position();
            let shares = rules.bounded(mean);
            rules.towards(shares, mean);
            rules.planner.repeat(first, aggregation.iterations);
        }
        (Rule::Agreement, _) | (Rule::Standing, None) => rules.agreement(aggregation.iterations),
        (Rule::Standing, Some(standings)) => rules.standing(aggregation.iterations, standings),
    }
    mean
}

struct Rules<'a> {
    planner: &'a mut Planner,
    factor: f32,
    of: Lines,
    zero: Place,
    mean: Place,
}

impl Rules<'_> {
    /// The mean becomes `centre` and the shares of all distances from it.
    fn towards(&mut self, shares: Place, centre: Place) {
        let Lines { vectors, lines, count, .. } = self.of;
        let sizes = [lines, count].map(|size| number(size as u32));
        let args = [vectors, shares, centre, self.mean].map(at).into_iter().chain(sizes).collect();
        self.planner.each("towards", count, args);
    }

    /// A launch of one thread that reads and writes what belongs to lines, and knows how many they are.
    fn of_lines(&mut self, kernel: &str, places: &[Place], more: &[Arg]) {
        let lines = number(self.of.lines as u32);
        self.planner.once(kernel, places.iter().copied().map(at).chain([lines]).chain(more.iter().cloned()).collect());
    }

    /// In how many parts sums over a vector are taken.
    fn parts(&self) -> Arg {
        number(self.of.count.div_ceil(PART) as u32)
    }

    /// Writes shares of which those of updates that are too long are smaller, given the squares of their parts.
    fn shorten(&mut self, squares: Place, shares: Place, shorter: Place) {
        let numbers = [self.parts(), float(self.factor)];
        self.of_lines("bounded_shares", &[squares, shares, shorter], &numbers);
    }

    /// The mean becomes that of updates with these shares, after those that are too long were shortened.
    fn shortened(&mut self, squares: Place, shares: Place, shorter: Place) {
        self.shorten(squares, shares, shorter);
        self.towards(shorter, self.zero);
    }

    /// Smaller shares by the distances of updates from a centre.
    fn bounded(&mut self, centre: Place) -> Place {
        let Lines { vectors, shares, lines, count } = self.of;
        let squares = squares(self.planner, vectors, centre, lines, count);
        let shorter = self.planner.words(lines);
        self.shorten(squares, shares, shorter);
        shorter
    }

    fn trimmed(&mut self, cut: u32) {
        let Lines { vectors, lines, count, .. } = self.of;
        // With fewer updates than the plan expects, as many as can be left out at each end.
        let numbers = [lines as u32, count as u32, cut.min((lines as u32 - 1) / 2)].map(number);
        let args = [vectors, self.mean].map(at).into_iter().chain(numbers).collect();
        self.planner.each("trimmed_mean", count, args);
    }

    /// Products of updates with the mean so far, part by part.
    fn products(&mut self) -> Place {
        let Lines { vectors, lines, count, .. } = self.of;
        parts("products_of_parts", self.planner, vectors, self.mean, lines, count)
    }

    fn agreement(&mut self, iterations: u32) {
        let Lines { vectors, shares, lines, count } = self.of;
        let lengths = squares(self.planner, vectors, self.zero, lines, count);
        let (agreeing, shorter) = (self.planner.words(lines), self.planner.words(lines));
        self.shortened(lengths, shares, shorter);
        let first = self.planner.position();
        let products = self.products();
        self.of_lines("agreeing_shares", &[products, lengths, shares, agreeing], &[self.parts()]);
        self.shortened(lengths, agreeing, shorter);
        self.planner.repeat(first, iterations);
    }

    fn standing(&mut self, iterations: u32, standings: Standings) {
        let Lines { vectors, shares, lines, count } = self.of;
        let lengths = squares(self.planner, vectors, self.zero, lines, count);
        let [agreeing, shorter, cosines] = [(); 3].map(|()| self.planner.words(lines));
        self.shortened(lengths, shares, shorter);
        let first = self.planner.position();
        self.cosines_to_others(lengths, shorter, cosines);
        self.of_lines("shares_by_cosines", &[cosines, shares, agreeing], &[]);
        self.shortened(lengths, agreeing, shorter);
        self.planner.repeat(first, iterations);
        self.cosines_to_others(lengths, shorter, cosines);
        let Standings { all, shards } = standings;
        self.of_lines("shares_by_standing", &[cosines, shards, all, shares, agreeing], &[]);
        self.shortened(lengths, agreeing, shorter);
    }

    /// The cosine of the angle between each update and what the others are to the mean, of which each has a share.
    fn cosines_to_others(&mut self, lengths: Place, shares: Place, cosines: Place) {
        let products = self.products();
        let of_mean = squares(self.planner, self.mean, self.zero, 1, self.of.count);
        self.of_lines("cosines_to_others", &[products, lengths, of_mean, shares, cosines], &[self.parts()]);
    }
}
