//! Linear layers with activations in between, named as those of PyTorch's `Sequential`.

use crate::{
    model::Batch,
    network::{Linear, Network, Value},
    parameters::{Parameters, Start},
    plan::Activation,
};

#[derive(Clone, Debug)]
pub(super) struct Mlp {
    layers: Vec<Linear>,
    width: usize,
    activation: Activation,
}

/// A layer with a bias, and the weights that PyTorch's `Linear` starts from.
pub(super) fn linear(parameters: &mut Parameters, name: &str, shape: &[usize]) -> Linear {
    let (outputs, inputs) = (shape[0], shape[1..].iter().product());
    let bound = Start::Uniform((1.0 / libm::sqrt(inputs as f64)) as f32);
    let weight = parameters.add(format!("{name}.weight"), shape, bound);
    let bias = Some(parameters.add(format!("{name}.bias"), &[outputs], bound));
    Linear { weight, bias, outputs, inputs }
}

impl Mlp {
    pub fn new(
        parameters: &mut Parameters,
        width: usize,
        hidden: &[usize],
        classes: usize,
        activation: Activation,
    ) -> Self {
        let sizes: Vec<usize> = [width].into_iter().chain(hidden.iter().copied()).chain([classes]).collect();
        let layers = sizes.windows(2).enumerate();
        // Activations are layers of a `Sequential` too.
        let layers = layers.map(|(i, pair)| linear(parameters, &(2 * i).to_string(), &[pair[1], pair[0]])).collect();
        Self { layers, width, activation }
    }

    pub fn forward(&self, network: &mut Network<'_>, batch: Batch) -> Value {
        let mut x = network.batch(batch.inputs, batch.count, self.width);
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = network.activation(x, self.activation);
            }
            x = network.linear(x, *layer, None);
        }
        x
    }
}
