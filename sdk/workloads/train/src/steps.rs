//! Local steps: what a unit does with its shard.

use tessera_protocol::spec::{Arg, LaunchPlan};

use crate::{
    compress::{Code, Rounding, Subset},
    job::{Blob, Inputs},
    model::{Batch, Model},
    network::Network,
    parameters::Start,
    plan::{Optimiser, Plan, Private},
    planner::{Place, Planner, Shape, at, float, number, seed},
};

/// Words of an update before its values: the mean loss of its steps, and three that are 0.
pub(crate) const UPDATE_HEAD: usize = 4;
/// What random numbers are for, as in `kernels/steps.cuh`.
const FOR_UPDATES: u32 = 2;
/// Parameters of which one thread adds the squares, as in `kernels/aggregate.cuh`.
pub(crate) const PART: usize = 1024;

/// Weights as jobs are given them: a dense copy, and the changes since then.
#[derive(Clone, Debug)]
pub(crate) struct Weights {
    /// The round of the first change.
    pub since: u32,
    /// The dense copy; none where the first weights are drawn by the seed.
    pub base: Option<Blob>,
    pub changes: Vec<Blob>,
}

/// What jobs of a training have in common.
pub(crate) struct Setting<'a> {
    pub plan: &'a Plan,
    pub model: &'a Model,
    /// Values of a sample.
    pub width: usize,
    pub classes: usize,
    pub shape: Shape,
}

/// The data of a job.
pub(crate) struct Data {
    pub blob: Blob,
    /// Where in it the records begin, in bytes.
    pub records: u64,
}

/// Places that a plan has after its batches and network were written.
struct Tail {
    logits: crate::network::Value,
    losses: Place,
    right: Place,
    slope: Place,
}

/// Which samples a batch has.
enum Drawn {
    /// Drawn for this round.
    In(u32),
    /// The unit's, in their order.
    InOrder,
}

impl Setting<'_> {
    fn count(&self) -> usize {
        self.model.parameters.count
    }

    /// The parameters that a round trains.
    pub fn subset(&self, round: u32) -> Subset {
        Subset { part: self.plan.rotation, round, seed: self.plan.seed, total: self.count() }
    }

    /// How updates are sent.
    pub fn updates(&self) -> Code {
        Code::new(self.subset(0).count(), &self.plan.updates)
    }

    /// How changes of the weights are sent.
    pub fn changes(&self) -> Code {
        Code::new(self.subset(0).count(), &self.plan.changes)
    }

    /// Rows of logits of one sample or text.
    pub fn context(&self) -> usize {
        self.model.decoder().map_or(1, |decoder| decoder.sizes.context)
    }

    /// Weights in memory that kernels may change.
    fn weights(&self, planner: &mut Planner, inputs: &mut Inputs, weights: &Weights) -> Place {
        let place = match &weights.base {
            Some(base) => {
                let (n, len) = inputs.add("base", base.clone());
                planner.copy_of(n, len)
            }
            None => {
                let place = planner.words(self.count());
                self.draw(planner, place);
                place
            }
        };
        for (i, change) in weights.changes.iter().enumerate() {
            let (n, len) = inputs.add(format!("change.{i}"), change.clone());
            let change = planner.input(n, len);
            self.changes().decode(planner, change, place, self.subset(weights.since + i as u32));
        }
        place
    }

    fn draw(&self, planner: &mut Planner, weights: Place) {
        for tensor in &self.model.parameters.tensors {
            let len = number(tensor.len() as u32);
            match tensor.start {
                Start::Value(value) => {
                    let args = vec![at(weights.plus(tensor.first)), len, float(value)];
                    planner.each("fill", tensor.len(), args);
                }
                Start::Uniform(bound) => {
                    let args = [at(weights), number(tensor.first as u32), len, float(bound)];
                    let args = args.into_iter().chain(seed(self.plan.seed)).collect();
                    planner.each("draw_weights", tensor.len(), args);
                }
            }
        }
    }

    /// The data, and where in it the records begin.
    fn data(&self, planner: &mut Planner, inputs: &mut Inputs, data: &Data) -> (Place, Place) {
        let (n, len) = inputs.add("data", data.blob.clone());
        let place = planner.input(n, len);
        (place, place.plus_bytes(data.records))
    }

    /// Draws a batch of `count` and computes its logits, losses and the gradient of the logits.
    fn batch(
        &self,
        planner: &mut Planner,
        inputs: &mut Inputs,
        (place, records): (Place, Place),
        count: usize,
        drawn: &Drawn,
    ) -> impl FnOnce(&mut Network<'_>) -> Tail + use<'_> {
        let context = self.context();
        let rows = count * context;
        let targets = planner.words(rows);
        let turns = self.model.decoder().map(|decoder| {
            let blob = Blob::words(decoder.turns().into_iter().map(f32::to_bits));
            let (n, len) = inputs.add("turns", blob);
            planner.input(n, len)
        });
        let (kernel, width) = match turns {
            Some(_) => ("batch_of_text", context),
            None => ("batch_of_samples", self.width),
        };
        let x = planner.words(count * width);
        let batch = Batch { inputs: x, count, turns: turns.unwrap_or(x) };
        let (round, drawn) = match drawn {
            Drawn::In(round) => (*round, 1),
            Drawn::InOrder => (0, 0),
        };
        let sizes =
            [number(count as u32), number(width as u32), Arg::Unit32, Arg::Round32, number(round), number(drawn)];
        let args: Vec<Arg> =
            [place, records, x, targets].map(at).into_iter().chain(sizes).chain(seed(self.plan.seed)).collect();
        move |network| {
            network.planner.each(kernel, count * width, args);
            let logits = self.model.forward(network, batch);
            let planner = &mut *network.planner;
            let (losses, right) = (planner.words(rows), planner.words(rows));
            let slope = planner.words(rows * self.classes);
            let places = [network.place(logits), targets, losses, right, slope].map(at);
            let sizes = [number(rows as u32), number(self.classes as u32), float((1.0 / rows as f64) as f32)];
            network.planner.each("cross_entropy", rows, places.into_iter().chain(sizes).collect());
            Tail { logits, losses, right, slope }
        }
    }

    /// Local steps: the weights as they were, as they are, and the mean loss in the first word of `output`.
    fn steps(
        &self,
        planner: &mut Planner,
        inputs: &mut Inputs,
        weights: &Weights,
        data: (Place, Place),
        round: u32,
        output: Place,
    ) -> [Place; 2] {
        let (steps, count) = (&self.plan.steps, self.count());
        let weights = self.weights(planner, inputs, weights);
        let start = planner.words(count);
        planner.each("copy", count, vec![at(weights), at(start), number(count as u32)]);
        let slopes = planner.words(count);
        let batch = self.batch(planner, inputs, data, steps.batch as usize, &Drawn::In(round));
        let (n, len) = inputs.add("schedule", schedule(self.plan, round));
        let schedule = planner.input(n, len);
        let subset = self.subset(round);
        let momenta = [planner.words(subset.count()), planner.words(subset.count())];
        let first = planner.position();
        let mut network = Network::new(planner, weights, Some(slopes));
        let Tail { logits, losses, slope, .. } = batch(&mut network);
        network.back(logits, slope);
        let rows = steps.batch as usize * self.context();
        let share = (1.0 / (rows as f64 * f64::from(steps.count))) as f32;
        planner.once("add_loss", vec![at(losses), at(output), number(rows as u32), float(share)]);
        let [of_slopes, of_squares] = momenta;
        let common = subset.args().into_iter().chain([Arg::Round32]);
        match steps.optimiser {
            Optimiser::Sgd { momentum, decay, .. } => {
                let places = [weights, slopes, of_slopes, schedule].map(at);
                let args = places.into_iter().chain(common).chain([float(momentum), float(decay)]).collect();
                planner.each("sgd", subset.count(), args);
            }
            Optimiser::Adamw { beta1, beta2, epsilon, decay, .. } => {
                let places = [weights, slopes, of_slopes, of_squares, schedule].map(at);
                let numbers = [beta1, beta2, epsilon, decay].map(float);
                planner.each("adamw", subset.count(), places.into_iter().chain(common).chain(numbers).collect());
            }
        }
        planner.repeat(first, steps.count);
        [start, weights]
    }

    fn difference(&self, planner: &mut Planner, [start, weights]: [Place; 2], round: u32) -> Place {
        let subset = self.subset(round);
        let update = planner.words(subset.count());
        let places = [weights, start, update].map(at);
        planner.each("difference", subset.count(), places.into_iter().chain(subset.args()).collect());
        update
    }

    /// The plan of local steps whose output is a compressed update.
    pub fn update(&self, inputs: &mut Inputs, weights: &Weights, data: &Data, round: u32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let code = self.updates();
        let output = planner.output(UPDATE_HEAD + code.words());
        let data = self.data(&mut planner, inputs, data);
        let weights = self.steps(&mut planner, inputs, weights, data, round, output);
        let update = self.difference(&mut planner, weights, round);
        let rounding = Rounding { purpose: FOR_UPDATES, round, seed: self.plan.seed, by_unit: true };
        code.encode(&mut planner, update, output.plus(UPDATE_HEAD), rounding);
        planner.finish(output)
    }

    /// The plan of local steps whose output is an update in whole numbers under a mask.
    pub fn private(&self, inputs: &mut Inputs, weights: &Weights, data: &Data, mask: Blob, round: u32) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let count = self.subset(round).count();
        // The loss would say something of the data, and is not given out.
        let loss = planner.words(1);
        let data = self.data(&mut planner, inputs, data);
        let weights = self.steps(&mut planner, inputs, weights, data, round, loss);
        let update = self.difference(&mut planner, weights, round);
        let zero = planner.words(count);
        let parts = squares(&mut planner, update, zero, 1, count);
        let (n, len) = inputs.add("mask", mask);
        let mask = planner.input(n, len);
        let output = planner.output(count);
        let Private { clip, steps } = self.plan.private;
        let places = [update, parts, data.0, mask, output].map(at);
        let sizes = [count, count.div_ceil(PART)].map(|size| number(size as u32));
        let numbers = [clip, steps].map(float);
        let args = places.into_iter().chain(sizes).chain(numbers).chain([number(round)]).collect();
        planner.each("mask_update", count, args);
        planner.finish(output)
    }

    /// The plan of a trial: units are batches of what is held out.
    pub fn trial(
        &self,
        inputs: &mut Inputs,
        weights: &Weights,
        data: &Data,
        batch: usize,
        samples: usize,
    ) -> LaunchPlan {
        let mut planner = Planner::new(self.shape);
        let output = planner.output(UPDATE_HEAD);
        let weights = self.weights(&mut planner, inputs, weights);
        let data = self.data(&mut planner, inputs, data);
        let forward = self.batch(&mut planner, inputs, data, batch, &Drawn::InOrder);
        let mut network = Network::new(&mut planner, weights, None);
        let Tail { losses, right, .. } = forward(&mut network);
        let sizes = [batch, self.context(), samples].map(|size| number(size as u32));
        let args = [losses, right, output].map(at).into_iter().chain([Arg::Unit32]).chain(sizes).collect();
        planner.once("add_up", args);
        planner.finish(output)
    }
}

/// Squares of the parts of vectors that lie one behind the other, as distances from a centre.
pub(crate) fn squares(planner: &mut Planner, vectors: Place, centre: Place, lines: usize, count: usize) -> Place {
    parts("squares_of_parts", planner, vectors, centre, lines, count)
}

/// What a kernel makes of each part of vectors that lie one behind the other, and of one vector.
pub(crate) fn parts(
    kernel: &str,
    planner: &mut Planner,
    vectors: Place,
    centre: Place,
    lines: usize,
    count: usize,
) -> Place {
    let part_count = count.div_ceil(PART);
    let parts = planner.words(lines * part_count);
    let sizes = [count, part_count].map(|size| number(size as u32));
    let args = [vectors, centre, parts].map(at).into_iter().chain(sizes).collect();
    planner.each_of(kernel, part_count, lines, args);
    parts
}

/// For each step the rate of learning, and what AdamW divides its means by.
fn schedule(plan: &Plan, round: u32) -> Blob {
    let rate = plan.rate(round);
    let (mut first, mut second) = (1.0f64, 1.0f64);
    let words = (0..plan.steps.count).flat_map(|_| {
        if let Optimiser::Adamw { beta1, beta2, .. } = plan.steps.optimiser {
            first *= f64::from(beta1);
            second *= f64::from(beta2);
        }
        let left = |product: f64| if product < 1.0 { 1.0 - product } else { 1.0 };
        [rate, (1.0 / left(first)) as f32, (1.0 / libm::sqrt(left(second))) as f32, 0.0].map(f32::to_bits)
    });
    Blob::words(words)
}
