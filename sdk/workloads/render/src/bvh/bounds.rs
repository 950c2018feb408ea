//! Boxes, and the parts of triangles that lie between two planes.

use crate::{
    math::{Transform, Vec3, vec3},
    scene::Triangle,
};

/// A box along the axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub low: Vec3,
    pub high: Vec3,
}

impl Bounds {
    /// A box that holds nothing.
    pub const EMPTY: Self = Self { low: Vec3::splat(f32::INFINITY), high: Vec3::splat(f32::NEG_INFINITY) };

    pub fn of(triangle: &Triangle) -> Self {
        let [a, b, c] = triangle.positions;
        Self { low: a.min(b).min(c), high: a.max(b).max(c) }
    }

    /// The smallest box that holds both.
    pub fn with(self, o: Self) -> Self {
        Self { low: self.low.min(o.low), high: self.high.max(o.high) }
    }

    pub fn with_point(self, p: Vec3) -> Self {
        Self { low: self.low.min(p), high: self.high.max(p) }
    }

    /// What both hold.
    pub fn within(self, o: Self) -> Self {
        Self { low: self.low.max(o.low), high: self.high.min(o.high) }
    }

    pub fn is_empty(&self) -> bool {
        !(self.low.x <= self.high.x && self.low.y <= self.high.y && self.low.z <= self.high.z)
    }

    /// Half of the surface; 0 for an empty box.
    pub fn area(&self) -> f32 {
        let d = (self.high - self.low).max(Vec3::splat(0.0));
        d.x * d.y + d.y * d.z + d.z * d.x
    }

    /// The middle along each axis.
    pub fn centre(&self) -> [f32; 3] {
        ((self.low + self.high) * 0.5).to_array()
    }

    /// How far its corners are apart at most.
    pub fn diagonal(&self) -> f32 {
        (self.high - self.low).length()
    }

    pub fn corners(&self) -> [Vec3; 8] {
        let (low, high) = (self.low, self.high);
        std::array::from_fn(|i| {
            let pick = |bit: u32, a: f32, b: f32| if i >> bit & 1 == 0 { a } else { b };
            vec3(pick(0, low.x, high.x), pick(1, low.y, high.y), pick(2, low.z, high.z))
        })
    }

    /// Greatest distance of a coordinate from zero.
    pub fn reach(&self) -> f32 {
        if self.is_empty() { 0.0 } else { self.low.max(-self.low).max(self.high.max(-self.high)).largest() }
    }

    /// Whether a ray enters the box before `limit`.
    pub fn meets(&self, origin: Vec3, direction: Vec3, limit: f32) -> bool {
        let (low, high) = ((self.low - origin).to_array(), (self.high - origin).to_array());
        let (mut enter, mut leave) = (0f32, limit);
        for (axis, d) in direction.to_array().into_iter().enumerate() {
            let inverse = 1.0 / if d.abs() < 1e-18 { 1e-18 } else { d };
            let (a, b) = (low[axis] * inverse, high[axis] * inverse);
            enter = enter.max(a.min(b));
            leave = leave.min(a.max(b));
        }
        enter <= leave
    }

    /// The smallest box around the image under a map.
    pub fn placed(&self, place: &Transform) -> Self {
        if self.is_empty() {
            return *self;
        }
        self.corners().into_iter().fold(Self::EMPTY, |bounds, corner| bounds.with_point(place.point(corner)))
    }
}

/// The box around the part of a triangle that lies between `from` and `to` along an axis and within `bounds`.
pub fn clip(triangle: &Triangle, bounds: &Bounds, axis: usize, from: f32, to: f32) -> Bounds {
    let corners = triangle.positions.map(|p| p.to_array());
    let mut part = Bounds::EMPTY;
    for (i, a) in corners.iter().enumerate() {
        let b = &corners[(i + 1) % 3];
        if (from..=to).contains(&a[axis]) {
            part = part.with_point(Vec3::from(*a));
        }
        for plane in [from, to] {
            if (a[axis] < plane) != (b[axis] < plane) {
                let share = (plane - a[axis]) / (b[axis] - a[axis]);
                let mut cut: [f32; 3] = std::array::from_fn(|k| a[k] + (b[k] - a[k]) * share);
                cut[axis] = plane;
                part = part.with_point(Vec3::from(cut));
            }
        }
    }
    let mut slab = *bounds;
    let (mut low, mut high) = (slab.low.to_array(), slab.high.to_array());
    (low[axis], high[axis]) = (low[axis].max(from), high[axis].min(to));
    (slab.low, slab.high) = (low.into(), high.into());
    let cut = part.within(slab);
    // Rounding may leave nothing of a part that only touches.
    if cut.is_empty() { slab } else { cut }
}
