//! Animations: what nodes do over time.

use std::sync::Arc;

use gltf::json::{
    self,
    animation::{Interpolation, Property},
    validation::Checked,
};

use super::{
    accessor::Numbers,
    file::Source,
    mesh::Mesh,
    nodes::{Local, Node},
};
use crate::error::Result;

/// An animation of a scene file.
#[derive(Clone, Debug, PartialEq)]
pub struct Animation {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Seconds at which it starts.
    pub start: f32,
    /// Seconds at which it ends.
    pub end: f32,
}

/// What an animation does to one property of one node.
pub(super) struct Track {
    pub node: usize,
    pub property: Property,
    interpolation: Interpolation,
    times: Numbers<1>,
    values: Arc<[f32]>,
    /// Numbers of a value.
    width: usize,
}

/// An animation and its tracks.
pub(super) struct Clip {
    pub about: Animation,
    pub tracks: Vec<Track>,
}

/// Reads all animations.
pub(super) fn read(source: &Source<'_>, nodes: &[Node], meshes: &[Mesh]) -> Result<Vec<Clip>> {
    let read = |(index, animation): (usize, &json::Animation)| {
        let tracks = animation.channels.iter().enumerate().map(|(i, channel)| {
            let name = format!("animation {index} channel {i}");
            track(source, animation, channel, nodes, meshes, &name)
        });
        let tracks: Vec<Track> = tracks.collect::<Result<_>>()?;
        let start = tracks.iter().filter_map(|t| t.times.first()).map(|t| t[0]).reduce(f32::min);
        let end = tracks.iter().filter_map(|t| t.times.last()).map(|t| t[0]).reduce(f32::max);
        let (start, end) = (start.unwrap_or(0.0), end.unwrap_or(0.0));
        Ok(Clip { about: Animation { name: animation.name.clone(), start, end }, tracks })
    };
    source.root.animations.iter().enumerate().map(read).collect()
}

fn track(
    source: &Source<'_>,
    animation: &json::Animation,
    channel: &json::animation::Channel,
    nodes: &[Node],
    meshes: &[Mesh],
    name: &str,
) -> Result<Track> {
    let broken = |reason: &str| source.broken(format!("{name} {reason}"));
    let sampler = animation.samplers.get(channel.sampler.value()).ok_or_else(|| broken("has no sampler"))?;
    let (Checked::Valid(property), Checked::Valid(interpolation)) = (channel.target.path, sampler.interpolation) else {
        return Err(broken("has an unknown path or interpolation"));
    };
    let node = channel.target.node.value();
    let target = nodes.get(node).ok_or_else(|| broken("names a node that does not exist"))?;
    if property != Property::MorphTargetWeights && matches!(target.local, Local::Matrix(_)) {
        return Err(broken("moves a node that has a matrix"));
    }
    let output = sampler.output.value();
    let (values, width) = match property {
        Property::Translation | Property::Scale => (source.floats::<3>(output)?.flat(), 3),
        Property::Rotation => (source.floats::<4>(output)?.flat(), 4),
        Property::MorphTargetWeights => {
            let targets = target.mesh.map_or(0, |mesh| meshes[mesh].targets);
            (source.floats::<1>(output)?.flat(), targets)
        }
    };
    let times = source.floats::<1>(sampler.input.value())?;
    if !times.is_sorted() {
        return Err(broken("goes back in time"));
    }
    let parts = if interpolation == Interpolation::CubicSpline { 3 } else { 1 };
    let expected = times.len().checked_mul(parts * width);
    if times.is_empty() || expected != Some(values.len()) {
        let (times, values) = (times.len(), values.len());
        return Err(broken(&format!("has {values} numbers for {times} times of {} each", parts * width)));
    }
    Ok(Track { node, property, interpolation, times, values, width })
}

impl Track {
    /// The value at a time. Before the first and after the last, these hold.
    pub(super) fn value(&self, time: f32) -> Vec<f32> {
        let after = self.times.partition_point(|t| t[0] <= time);
        let last = self.times.len() - 1;
        let (from, to) = (after.saturating_sub(1), after.min(last));
        let span = self.times[to][0] - self.times[from][0];
        if from == to || span <= 0.0 {
            return self.key(from, 0).to_vec();
        }
        let s = ((time - self.times[from][0]) / span).clamp(0.0, 1.0);
        match self.interpolation {
            Interpolation::Step => self.key(from, 0).to_vec(),
            Interpolation::Linear if self.property == Property::Rotation => {
                slerp(self.key(from, 0), self.key(to, 0), s)
            }
            Interpolation::Linear => {
                let ends = self.key(from, 0).iter().zip(self.key(to, 0));
                ends.map(|(a, b)| a + (b - a) * s).collect()
            }
            Interpolation::CubicSpline => {
                // Appendix C of glTF.
                let (s2, s3) = (s * s, s * s * s);
                let shares =
                    [2.0 * s3 - 3.0 * s2 + 1.0, span * (s3 - 2.0 * s2 + s), 3.0 * s2 - 2.0 * s3, span * (s3 - s2)];
                let parts = [self.key(from, 0), self.key(from, 1), self.key(to, 0), self.key(to, -1)];
                (0..self.width).map(|i| shares.iter().zip(parts).map(|(share, part)| share * part[i]).sum()).collect()
            }
        }
    }

    /// The value at a key; with splines, part -1 is the tangent before it and 1 that after it.
    fn key(&self, key: usize, part: isize) -> &[f32] {
        let at = if self.interpolation == Interpolation::CubicSpline {
            (key * 3 + 1).saturating_add_signed(part)
        } else {
            key
        };
        &self.values[at * self.width..][..self.width]
    }
}

/// Between two rotations the shorter way, at even speed.
fn slerp(a: &[f32], b: &[f32], s: f32) -> Vec<f32> {
    let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let sign = if dot < 0.0 { -1.0 } else { 1.0 };
    let angle = dot.abs().min(1.0).acos();
    let (of_a, of_b) = if angle < 1e-3 {
        (1.0 - s, s)
    } else {
        (((1.0 - s) * angle).sin() / angle.sin(), (s * angle).sin() / angle.sin())
    };
    a.iter().zip(b).map(|(a, b)| a * of_a + b * of_b * sign).collect()
}
