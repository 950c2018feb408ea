//! Vectors and transforms of three dimensions, as far as scenes need them.

use std::ops::{Add, Mul, Neg, Sub};

/// A point, direction or colour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vec3 {
    /// First coordinate, or red.
    pub x: f32,
    /// Second coordinate, or green.
    pub y: f32,
    /// Third coordinate, or blue.
    pub z: f32,
}

/// A [`Vec3`] of its coordinates.
#[must_use]
pub const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    /// All coordinates equal.
    #[must_use]
    pub const fn splat(v: f32) -> Self {
        vec3(v, v, v)
    }

    /// Scalar product.
    #[must_use]
    pub fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    /// Vector product.
    #[must_use]
    pub fn cross(self, o: Self) -> Self {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    /// Euclidean length.
    #[must_use]
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The unit vector of this direction, or `None` if it has none.
    #[must_use]
    pub fn unit(self) -> Option<Self> {
        let length = self.length();
        // Below, squares of coordinates have lost their digits.
        (length.is_finite() && length > 1e-18).then(|| self * (1.0 / length))
    }

    /// Smaller coordinates of both.
    #[must_use]
    pub fn min(self, o: Self) -> Self {
        vec3(self.x.min(o.x), self.y.min(o.y), self.z.min(o.z))
    }

    /// Larger coordinates of both.
    #[must_use]
    pub fn max(self, o: Self) -> Self {
        vec3(self.x.max(o.x), self.y.max(o.y), self.z.max(o.z))
    }

    /// Coordinates in order.
    #[must_use]
    pub const fn to_array(self) -> [f32; 3] {
        [self.x, self.y, self.z]
    }

    /// Largest coordinate.
    #[must_use]
    pub fn largest(self) -> f32 {
        self.x.max(self.y).max(self.z)
    }

    /// Luminance of a colour with the primaries of sRGB.
    #[must_use]
    pub fn luminance(self) -> f32 {
        0.2126 * self.x + 0.7152 * self.y + 0.0722 * self.z
    }

    /// Whether no coordinate is infinite or NaN.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.z.is_finite()
    }
}

impl From<[f32; 3]> for Vec3 {
    fn from(a: [f32; 3]) -> Self {
        vec3(a[0], a[1], a[2])
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul for Vec3 {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, s: f32) -> Self {
        vec3(self.x * s, self.y * s, self.z * s)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

/// An affine map: three columns and a translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Images of the axes, then of the origin.
    pub columns: [Vec3; 4],
}

impl Transform {
    /// The map that changes nothing.
    pub const IDENTITY: Self =
        Self { columns: [vec3(1.0, 0.0, 0.0), vec3(0.0, 1.0, 0.0), vec3(0.0, 0.0, 1.0), vec3(0.0, 0.0, 0.0)] };

    /// From a column-major 4 x 4 matrix whose last row is 0 0 0 1.
    #[must_use]
    pub fn from_columns(m: &[f32; 16]) -> Self {
        Self { columns: [0, 4, 8, 12].map(|column| vec3(m[column], m[column + 1], m[column + 2])) }
    }

    /// Image of a direction.
    #[must_use]
    pub fn direction(&self, v: Vec3) -> Vec3 {
        self.columns[0] * v.x + self.columns[1] * v.y + self.columns[2] * v.z
    }

    /// Image of a point.
    #[must_use]
    pub fn point(&self, v: Vec3) -> Vec3 {
        self.direction(v) + self.columns[3]
    }

    /// Image of a surface normal (the inverse transpose up to a factor), not normalised.
    #[must_use]
    pub fn normal(&self, v: Vec3) -> Vec3 {
        let [a, b, c, _] = self.columns;
        let n = b.cross(c) * v.x + c.cross(a) * v.y + a.cross(b) * v.z;
        if self.mirrors() { -n } else { n }
    }

    /// Whether the map turns a right hand into a left hand.
    #[must_use]
    pub fn mirrors(&self) -> bool {
        let [a, b, c, _] = self.columns;
        a.cross(b).dot(c) < 0.0
    }

    /// The map back; `None` if there is none.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let wide = |v: Vec3| [f64::from(v.x), f64::from(v.y), f64::from(v.z)];
        let cross = |a: [f64; 3], b: [f64; 3]| {
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        };
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let [a, b, c, o] = self.columns.map(wide);
        let rows = [cross(b, c), cross(c, a), cross(a, b)];
        let scale = 1.0 / dot(rows[0], a);
        let rows = rows.map(|row| row.map(|v| v * scale));
        let column = |k: usize| vec3(rows[0][k] as f32, rows[1][k] as f32, rows[2][k] as f32);
        let origin = rows.map(|row| -dot(row, o) as f32);
        let inverse = Self { columns: [column(0), column(1), column(2), origin.into()] };
        inverse.columns.iter().all(|c| c.is_finite()).then_some(inverse)
    }

    /// First `inner`, then `self`.
    #[must_use]
    pub fn after(&self, inner: &Self) -> Self {
        let [a, b, c, d] = inner.columns;
        Self { columns: [self.direction(a), self.direction(b), self.direction(c), self.point(d)] }
    }
}
