//! The parameters of a model: one vector of floats with named tensors.

use crate::philox::{FOR_WEIGHTS, philox, unit};

/// A named part of the vector, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    /// Place of the first value.
    pub first: usize,
    pub start: Start,
}

/// What a tensor holds before the first round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start {
    /// The same everywhere.
    Value(f32),
    /// Uniform between minus this and this.
    Uniform(f32),
}

impl Tensor {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The vector's tensors, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub tensors: Vec<Tensor>,
    /// Length of the vector, a multiple of 4.
    pub count: usize,
}

impl Parameters {
    /// Adds a tensor; returns the place of its first value, a multiple of 4.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], start: Start) -> usize {
        let tensor = Tensor { name: name.into(), shape: shape.into(), first: self.count, start };
        self.count = (self.count + tensor.len()).next_multiple_of(4);
        self.tensors.push(tensor);
        self.count_before()
    }

    fn count_before(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.first)
    }

    /// The starting weights, as the kernels draw them.
    pub fn start(&self, seed: u64) -> Vec<f32> {
        let mut weights = vec![0.0; self.count];
        for tensor in &self.tensors {
            for (i, weight) in weights[tensor.first..][..tensor.len()].iter_mut().enumerate() {
                *weight = match tensor.start {
                    Start::Value(value) => value,
                    Start::Uniform(bound) => {
                        let [bits, ..] = philox([(tensor.first + i) as u32, 0, 0, FOR_WEIGHTS], seed);
                        (2.0 * unit(bits) - 1.0) * bound
                    }
                };
            }
        }
        weights
    }
}
