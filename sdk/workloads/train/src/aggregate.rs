//! Aggregation: one unit that makes a change of the weights out of the updates of a round.

use tessera_protocol::spec::LaunchPlan;

use crate::{
    compress::{Code, Rounding, Subset},
    job::{Blob, Inputs},
    plan::{Aggregation, Rule},
    planner::{Place, Planner, Shape, at, float, number},
    steps::{PART, UPDATE_HEAD, parts, squares},
};

/// What random numbers are for, as in `kernels/steps.cuh`.
const FOR_CHANGES: u32 = 3;

/// What an aggregation reads besides updates, and how it works.
pub(crate) struct Round<'a> {
    pub aggregation: &'a Aggregation,
    pub updates: Code,
    pub changes: Code,
    /// The parameters that the round trained.
    pub subset: Subset,
    /// Momentum and what was not sent yet; none in the first round.
    pub state: Option<Blob>,
    pub shape: Shape,
}

impl Round<'_> {
    fn count(&self) -> usize {
        self.updates.count
    }

    /// Words of the output: the loss, not a number where updates tell none, and three that are 0; the change; the state.
    pub fn output_words(&self) -> usize {
        UPDATE_HEAD + self.changes.words() + 2 * self.subset.total
    }

    /// The plan for updates, each with its number of samples and its name.
    pub fn of_updates(&self, inputs: &mut Inputs, updates: Vec<(String, usize, Blob)>) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = planner.output(self.output_words());
        let (count, lines) = (self.count(), updates.len());
        let total: usize = updates.iter().map(|(_, samples, _)| samples).sum();
        let by_samples = matches!(self.aggregation.rule, Rule::Mean | Rule::NormBound);
        let share = |samples: usize| if by_samples { samples as f64 / total as f64 } else { 1.0 / lines as f64 };
        let shares = Blob::words(updates.iter().map(|(_, samples, _)| (share(*samples) as f32).to_bits()));
        let told = planner.words(lines);
        let vectors = planner.words(lines * count);
        for (i, (name, _, blob)) in updates.into_iter().enumerate() {
            let (n, len) = inputs.add(name, blob);
            let update = planner.input(n, len);
            planner.once("copy", vec![at(update), at(told.plus(i)), number(1)]);
            self.updates.decode(&mut planner, update.plus(UPDATE_HEAD), vectors.plus(i * count), Subset::all(count));
        }
        let (n, len) = inputs.add("shares", shares);
        let shares = planner.input(n, len);
        planner.once("told_loss", [told, shares, output].map(at).into_iter().chain([number(lines as u32)]).collect());
        let mean = self.robust(&mut planner, vectors, shares, lines);
        self.outer(planner, inputs, mean, output)
    }

    /// The plan for a sum of so many updates in whole numbers, of which 1 is `steps`.
    pub fn of_sum(&self, inputs: &mut Inputs, sum: Blob, updates: usize, steps: f32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = planner.output(self.output_words());
        let count = self.count();
        let (n, len) = inputs.add("sum", sum);
        let sum = planner.input(n, len);
        let mean = planner.words(count);
        let scale = (1.0 / (f64::from(steps) * updates as f64)) as f32;
        planner.each("mean_of_sum", count, vec![at(sum), at(mean), number(count as u32), float(scale)]);
        no_loss(&mut planner, output);
        self.outer(planner, inputs, mean, output)
    }

    /// The plan for the sums of several groups: the rule is applied to the mean of each, weighted by updates where it weighs at all.
    pub fn of_sums(&self, inputs: &mut Inputs, sums: Vec<(Blob, usize)>, steps: f32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = planner.output(self.output_words());
        let (count, lines) = (self.count(), sums.len());
        let total: usize = sums.iter().map(|(_, updates)| updates).sum();
        let by_updates = matches!(self.aggregation.rule, Rule::Mean | Rule::NormBound);
        let share = |updates: usize| if by_updates { updates as f64 / total as f64 } else { 1.0 / lines as f64 };
        let shares = Blob::words(sums.iter().map(|(_, updates)| (share(*updates) as f32).to_bits()));
        let vectors = planner.words(lines * count);
        for (i, (sum, updates)) in sums.into_iter().enumerate() {
            let (n, len) = inputs.add(format!("sum.{i}"), sum);
            let sum = planner.input(n, len);
            let scale = (1.0 / (f64::from(steps) * updates as f64)) as f32;
            let place = vectors.plus(i * count);
            planner.each("mean_of_sum", count, vec![at(sum), at(place), number(count as u32), float(scale)]);
        }
        let (n, len) = inputs.add("shares", shares);
        let shares = planner.input(n, len);
        let mean = self.robust(&mut planner, vectors, shares, lines);
        no_loss(&mut planner, output);
        self.outer(planner, inputs, mean, output)
    }

    /// What the rule makes of vectors that lie one behind the other.
    fn robust(&self, planner: &mut Planner, vectors: Place, shares: Place, lines: usize) -> Place {
        let count = self.count();
        let mean = planner.words(count);
        let zero = planner.words(count);
        let sizes = [number(lines as u32), number(count as u32)];
        let towards = |planner: &mut Planner, shares: Place, centre: Place| {
            let args = [vectors, shares, centre, mean].map(at).into_iter().chain(sizes.clone()).collect();
            planner.each("towards", count, args);
        };
        let part_sizes = [number(lines as u32), number(count.div_ceil(PART) as u32)];
        let shortened = |planner: &mut Planner, parts: Place, shares: Place| {
            let bounded = planner.words(lines);
            let sizes = part_sizes.clone().into_iter().chain([float(self.aggregation.factor)]);
            planner.once("bounded_shares", [parts, shares, bounded].map(at).into_iter().chain(sizes).collect());
            bounded
        };
        let bounded = |planner: &mut Planner, centre: Place| {
            let parts = squares(planner, vectors, centre, lines, count);
            shortened(planner, parts, shares)
        };
        match self.aggregation.rule {
            Rule::Mean => towards(planner, shares, zero),
            Rule::NormBound => {
                let shares = bounded(planner, zero);
                towards(planner, shares, zero);
            }
            Rule::TrimmedMean => {
                // With fewer updates than the plan expects, as many as can be left out at each end.
                let cut = self.aggregation.cut.min((lines as u32 - 1) / 2);
                let args = [vectors, mean].map(at).into_iter().chain(sizes.clone()).chain([number(cut)]).collect();
                planner.each("trimmed_mean", count, args);
            }
            Rule::CenteredClip => {
                let first = planner.position();
                let shares = bounded(planner, mean);
                towards(planner, shares, mean);
                planner.repeat(first, self.aggregation.iterations);
            }
            Rule::Agreement => {
                let lengths = squares(planner, vectors, zero, lines, count);
                let first_shares = shortened(planner, lengths, shares);
                towards(planner, first_shares, zero);
                let first = planner.position();
                let products = parts("products_of_parts", planner, vectors, mean, lines, count);
                let agreeing = planner.words(lines);
                let places = [products, lengths, shares, agreeing].map(at);
                planner.once("agreeing_shares", places.into_iter().chain(part_sizes.clone()).collect());
                let agreeing = shortened(planner, lengths, agreeing);
                towards(planner, agreeing, zero);
                planner.repeat(first, self.aggregation.iterations);
            }
        }
        mean
    }

    /// The outer optimiser, and the change that is sent.
    fn outer(&self, mut planner: Planner, inputs: &mut Inputs, mean: Place, output: Place) -> LaunchPlan {
        let count = self.count();
        let change = output.plus(UPDATE_HEAD);
        let state = change.plus(self.changes.words());
        if let Some(before) = &self.state {
            let (n, len) = inputs.add("state", before.clone());
            let before = planner.input(n, len);
            let words = 2 * self.subset.total;
            planner.each("copy", words, vec![at(before), at(state), number(words as u32)]);
        }
        let pending = planner.words(count);
        let numbers = [float(self.aggregation.rate), float(self.aggregation.momentum)];
        let args = [mean, state, pending].map(at).into_iter().chain(self.subset.args()).chain(numbers).collect();
        planner.each("outer", count, args);
        let rounding =
            Rounding { purpose: FOR_CHANGES, round: self.subset.round, seed: self.subset.seed, by_unit: false };
        self.changes.encode(&mut planner, pending, change, rounding);
        let args = [pending, state].map(at).into_iter().chain(self.subset.args()).collect();
        planner.each("keep_unsent", count, args);
        planner.finish(output)
    }
}

/// Says that a sum tells no loss.
fn no_loss(planner: &mut Planner, output: Place) {
    planner.once("fill", vec![at(output), number(1), float(f32::NAN)]);
}
