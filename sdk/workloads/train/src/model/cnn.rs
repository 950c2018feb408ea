//! Convolutions of 3 x 3 pixels, activations and pools, then a linear layer, named as those of PyTorch's `Sequential`.

use crate::{
    error::{Result, setting},
    model::{Batch, mlp::linear},
    network::{Image, Linear, Network, Value},
    parameters::Parameters,
    plan::{Activation, Pool},
};

#[derive(Clone, Debug)]
pub(super) struct Cnn {
    /// Each with the image that it reads, and whether a pool follows.
    convolutions: Vec<(Linear, Image, bool)>,
    last: Linear,
    pool: Pool,
    activation: Activation,
}

impl Cnn {
    pub fn new(
        parameters: &mut Parameters,
        [height, width]: [usize; 2],
        values: usize,
        channels: &[usize],
        classes: usize,
        (pool, activation): (Pool, Activation),
    ) -> Result<Self> {
        let pixels = height.saturating_mul(width);
        if pixels == 0 || !values.is_multiple_of(pixels) {
            return setting(format!("model.image: {height} x {width} pixels do not divide samples of {values} values"));
        }
        let mut image = Image { height, width, channels: values / pixels };
        let mut convolutions = vec![];
        let mut name = 0;
        for outputs in channels {
            let layer = linear(parameters, &name.to_string(), &[*outputs, image.channels, 3, 3]);
            let halved = image.height.is_multiple_of(2) && image.width.is_multiple_of(2);
            convolutions.push((layer, image, halved));
            let half = if halved { 2 } else { 1 };
            image = Image { height: image.height / half, width: image.width / half, channels: *outputs };
            // The activation, and the pool if there is one, are layers of a `Sequential` too; so is what flattens.
            name += if halved { 3 } else { 2 };
        }
        let inputs = image.height * image.width * image.channels;
        let last = linear(parameters, &(name + 1).to_string(), &[classes, inputs]);
        Ok(Self { convolutions, last, pool, activation })
    }

    pub fn forward(&self, network: &mut Network<'_>, batch: Batch) -> Value {
        let mut end = None;
        for (layer, image, halved) in &self.convolutions {
            let pixels = batch.count * image.height * image.width;
            let x = match end {
                Some((x, _)) => x,
                None => self.first(network, batch, *image),
            };
            let x = network.reshaped(x, pixels, image.channels);
            let patches = network.patches(x, *image);
            let y = network.linear(patches, *layer, None);
            let y = network.activation(y, self.activation);
            let of_y = Image { channels: layer.outputs, ..*image };
            end = Some(match halved {
                true => {
                    let half = Image { height: image.height / 2, width: image.width / 2, ..of_y };
                    (network.pool(y, of_y, self.pool), half)
                }
                false => (y, of_y),
            });
        }
        let flat = match end {
            Some((x, image)) => network.channels_first(x, image),
            None => network.batch(batch.inputs, batch.count, self.last.inputs),
        };
        network.linear(flat, self.last, None)
    }

    /// The pixels of a batch. Samples hold channel by channel, which with one channel is pixel by pixel.
    fn first(&self, network: &mut Network<'_>, batch: Batch, image: Image) -> Value {
        let pixels = image.height * image.width;
        let samples = network.batch(batch.inputs, batch.count, pixels * image.channels);
        match image.channels {
            1 => samples,
            _ => network.pixels(samples, image),
        }
    }
}
