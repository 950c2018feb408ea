//! Models: their parameters, and the layers between a batch and its logits.

mod cnn;
mod decoder;
mod mlp;

use crate::{
    error::{Result, setting},
    network::{Network, Value},
    parameters::Parameters,
    plan::{Model as Shape, Plan},
    planner::Place,
};

pub(crate) use decoder::{Decoder, THETA, WORDS};

/// Most values of anything: a row, a matrix, all parameters.
const MAX_PARAMETERS: usize = 1 << 28;

/// A model.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub parameters: Parameters,
    layers: Layers,
}

#[derive(Clone, Debug)]
enum Layers {
    Mlp(mlp::Mlp),
    Cnn(cnn::Cnn),
    Decoder(Decoder),
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Features of samples, or tokens.
    pub inputs: Place,
    /// How many samples, or texts.
    pub count: usize,
    /// Cosines and sines of positions; anywhere where there are none.
    pub turns: Place,
}

impl Model {
    /// The model of a plan, for samples of this width and this many classes.
    pub fn new(plan: &Plan, width: usize, classes: usize) -> Result<Self> {
        let mut parameters = Parameters::default();
        let layers = match &plan.model {
            Shape::Mlp { hidden, activation } => {
                bounded("model.hidden", hidden)?;
                Layers::Mlp(mlp::Mlp::new(&mut parameters, width, hidden, classes, *activation))
            }
            Shape::Cnn { image, channels, pool, activation } => {
                bounded("model.channels", channels)?;
                Layers::Cnn(cnn::Cnn::new(&mut parameters, *image, width, channels, classes, (*pool, *activation))?)
            }
            Shape::Decoder { .. } => Layers::Decoder(Decoder::new(&mut parameters, &plan.model)?),
        };
        if parameters.count > MAX_PARAMETERS {
            return setting(format!("model: {} parameters, at most {MAX_PARAMETERS}", parameters.count));
        }
        Ok(Self { parameters, layers })
    }

    /// The logits of a batch.
    pub fn forward(&self, network: &mut Network<'_>, batch: Batch) -> Value {
        match &self.layers {
            Layers::Mlp(mlp) => mlp.forward(network, batch),
            Layers::Cnn(cnn) => cnn.forward(network, batch),
            Layers::Decoder(decoder) => decoder.forward(network, batch),
        }
    }

    /// Samples, or bytes of text, that a shard needs for a step.
    pub fn least_samples(&self) -> u32 {
        self.decoder().map_or(1, |decoder| decoder.sizes.context as u32 + 1)
    }

    /// The decoder, where it is one.
    pub fn decoder(&self) -> Option<&Decoder> {
        match &self.layers {
            Layers::Decoder(decoder) => Some(decoder),
            Layers::Mlp(_) | Layers::Cnn(_) => None,
        }
    }
}

/// Whether a plan's model reads text, byte by byte, and not samples with labels.
pub(crate) const fn is_text(plan: &Plan) -> bool {
    matches!(plan.model, Shape::Decoder { .. })
}

/// Sizes of layers: some, and none of them too large.
fn bounded(name: &str, sizes: &[usize]) -> Result<()> {
    let fits = sizes.len() <= 64 && sizes.iter().all(|size| (1..=65_536).contains(size));
    if fits { Ok(()) } else { setting(format!("{name}: expected at most 64 sizes of 1 to 65536, found {sizes:?}")) }
}
