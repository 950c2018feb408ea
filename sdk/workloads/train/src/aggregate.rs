//! Aggregation: one unit that makes a change of the weights out of the updates of a round.

use tessera_front_end::{Blob, Inputs};
use tessera_protocol::spec::LaunchPlan;

use crate::{
    compress::{Code, Rounding, Subset},
    plan::{Aggregation, Rule},
    planner::{Place, Planner, Shape, at, float, number},
    rules::{self, Lines, Standings},
    steps::UPDATE_HEAD,
};

/// An update of a round: its name, the shard that it is of, the number of samples there, what was sent.
pub(crate) struct Update {
    pub name: String,
    pub shard: usize,
    pub samples: usize,
    pub blob: Blob,
}

/// What random numbers are for, as in `kernels/steps.cuh`.
const FOR_CHANGES: u32 = 3;

/// What an aggregation reads besides updates, and how it works.
pub(crate) struct Round<'a> {
    pub aggregation: &'a Aggregation,
    pub updates: Code,
    pub changes: Code,
    /// The parameters that the round trained.
    pub subset: Subset,
    /// How many shards there are.
    pub shards: usize,
    /// Momentum and what was not sent yet, and standings where the rule has them; none in the first round.
    pub state: Option<Blob>,
    pub shape: Shape,
}

impl Round<'_> {
    fn count(&self) -> usize {
        self.updates.count
    }

    /// Words of the output: the loss, not a number where updates tell none, and three that are 0; the change; the state.
    pub fn output_words(&self) -> usize {
        UPDATE_HEAD + self.changes.words() + self.state_words()
    }

    /// Words of the state: of each parameter the momentum and what was not sent yet, of each shard its standing.
    pub fn state_words(&self) -> usize {
        2 * self.subset.total + if self.aggregation.rule == Rule::Standing { self.shards } else { 0 }
    }

    /// The output, in which the state is what it was before.
    fn output(&self, planner: &mut Planner, inputs: &mut Inputs) -> Output {
        let all = planner.output(self.output_words());
        let change = all.plus(UPDATE_HEAD);
        let state = change.plus(self.changes.words());
        if let Some(before) = &self.state {
            let input = inputs.add("state", before.clone());
            let before = planner.input(input);
            let words = self.state_words();
            planner.each("copy", words, vec![at(before), at(state), number(words as u32)]);
        }
        Output { all, change, state }
    }

    /// The plan for updates.
    pub fn of_updates(&self, inputs: &mut Inputs, updates: Vec<Update>) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = self.output(&mut planner, inputs);
        let (count, lines) = (self.count(), updates.len());
        let total: usize = updates.iter().map(|update| update.samples).sum();
        let by_samples = matches!(self.aggregation.rule, Rule::Mean | Rule::NormBound);
        let share = |samples: usize| if by_samples { samples as f64 / total as f64 } else { 1.0 / lines as f64 };
        let shares = updates.iter().map(|update| (share(update.samples) as f32).to_bits());
        let shards = updates.iter().map(|update| update.shard as u32);
        let has_standings = self.aggregation.rule == Rule::Standing;
        let shares = Blob::words(shares.chain(shards.filter(|_| has_standings)));
        let told = planner.words(lines);
        let vectors = planner.words(lines * count);
        for (i, Update { name, blob, .. }) in updates.into_iter().enumerate() {
            let input = inputs.add(name, blob);
            let update = planner.input(input);
            planner.once("copy", vec![at(update), at(told.plus(i)), number(1)]);
            let to = vectors.plus(i * count);
            self.updates.decode(&mut planner, update.plus(UPDATE_HEAD), to, Subset::all(count), 1);
        }
        let input = inputs.add("shares", shares);
        let shares = planner.input(input);
        planner
            .once("told_loss", [told, shares, output.all].map(at).into_iter().chain([number(lines as u32)]).collect());
        let standings = has_standings
            .then(|| Standings { all: output.state.plus(2 * self.subset.total), shards: shares.plus(lines) });
        let mean = rules::mean(&mut planner, self.aggregation, Lines { vectors, shares, lines, count }, standings);
        self.outer(planner, mean, output)
    }

    /// The plan for a sum of so many updates in whole numbers, of which 1 is `steps`.
    pub fn of_sum(&self, inputs: &mut Inputs, sum: Blob, updates: usize, steps: f32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = self.output(&mut planner, inputs);
        let count = self.count();
        let input = inputs.add("sum", sum);
        let sum = planner.input(input);
        let mean = planner.words(count);
        let scale = (1.0 / (f64::from(steps) * updates as f64)) as f32;
        planner.each("mean_of_sum", count, vec![at(sum), at(mean), number(count as u32), float(scale)]);
        no_loss(&mut planner, output.all);
        self.outer(planner, mean, output)
    }

    /// The plan for the sums of several groups: the rule is applied to the mean of each, weighted by updates where it weighs at all.
    pub fn of_sums(&self, inputs: &mut Inputs, sums: Vec<(Blob, usize)>, steps: f32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = self.output(&mut planner, inputs);
        let (count, lines) = (self.count(), sums.len());
        let total: usize = sums.iter().map(|(_, updates)| updates).sum();
        let by_updates = matches!(self.aggregation.rule, Rule::Mean | Rule::NormBound);
        let share = |updates: usize| if by_updates { updates as f64 / total as f64 } else { 1.0 / lines as f64 };
        let shares = Blob::words(sums.iter().map(|(_, updates)| (share(*updates) as f32).to_bits()));
        let vectors = planner.words(lines * count);
        for (i, (sum, updates)) in sums.into_iter().enumerate() {
            let input = inputs.add(format!("sum.{i}"), sum);
            let sum = planner.input(input);
            let scale = (1.0 / (f64::from(steps) * updates as f64)) as f32;
            let place = vectors.plus(i * count);
            planner.each("mean_of_sum", count, vec![at(sum), at(place), number(count as u32), float(scale)]);
        }
        let input = inputs.add("shares", shares);
        let shares = planner.input(input);
        // Other participants are in each group in each round: groups have no standing.
        let mean = rules::mean(&mut planner, self.aggregation, Lines { vectors, shares, lines, count }, None);
        no_loss(&mut planner, output.all);
        self.outer(planner, mean, output)
    }

    /// The outer optimiser, and the change that is sent.
    fn outer(&self, mut planner: Planner, mean: Place, output: Output) -> LaunchPlan {
        let Output { all, change, state } = output;
        let count = self.count();
        let pending = planner.words(count);
        let numbers = [float(self.aggregation.rate), float(self.aggregation.momentum)];
        let args = [mean, state, pending].map(at).into_iter().chain(self.subset.args()).chain(numbers).collect();
        planner.each("outer", count, args);
        let rounding =
            Rounding { purpose: FOR_CHANGES, round: self.subset.round, seed: self.subset.seed, by_unit: false };
        self.changes.encode(&mut planner, pending, change, rounding);
        let args = [pending, state].map(at).into_iter().chain(self.subset.args()).collect();
        planner.each("keep_unsent", count, args);
        planner.finish(all)
    }
}

/// Where the output is, and the change and the state in it.
struct Output {
    all: Place,
    change: Place,
    state: Place,
}

/// Says that a sum tells no loss.
fn no_loss(planner: &mut Planner, output: Place) {
    planner.once("fill", vec![at(output), number(1), float(f32::NAN)]);
}
