//! Triangles with optional normals and texture coordinates.

use std::f64::consts::TAU;

/// A point or direction.
pub type V = [f64; 3];

pub fn v(x: f64, y: f64, z: f64) -> V {
    [x, y, z]
}

pub fn add(a: V, b: V) -> V {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn sub(a: V, b: V) -> V {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn scale(a: V, s: f64) -> V {
    a.map(|c| c * s)
}

pub fn cross(a: V, b: V) -> V {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub fn unit(a: V) -> V {
    scale(a, 1.0 / (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt().max(1e-12))
}

/// Indexed triangles; `normals` and `uvs` are empty or as long as `positions`. Without normals the faces are flat.
#[derive(Default)]
pub struct Mesh {
    pub positions: Vec<V>,
    pub normals: Vec<V>,
    pub uvs: Vec<[f64; 2]>,
    pub indices: Vec<u32>,
}

impl Mesh {
    pub fn append(&mut self, other: Mesh) {
        let base = self.positions.len() as u32;
        self.positions.extend(other.positions);
        self.normals.extend(other.normals);
        self.uvs.extend(other.uvs);
        self.indices.extend(other.indices.iter().map(|i| i + base));
    }

    /// A flat quad, counter-clockwise from the front.
    pub fn quad(&mut self, corners: [V; 4]) {
        let base = self.positions.len() as u32;
        self.positions.extend(corners);
        self.indices.extend([0, 1, 2, 0, 2, 3].map(|i| i + base));
    }

    /// A box between two corners.
    pub fn block(&mut self, low: V, high: V) {
        let p = |i: u32| {
            let pick = |bit: u32, k: usize| if i >> bit & 1 == 0 { low[k] } else { high[k] };
            v(pick(0, 0), pick(1, 1), pick(2, 2))
        };
        for face in [[4, 5, 7, 6], [1, 0, 2, 3], [5, 1, 3, 7], [0, 4, 6, 2], [6, 7, 3, 2], [0, 1, 5, 4]] {
            self.quad(face.map(p));
        }
    }

    /// A smooth grid of `rows` x `columns` quads; `point` gets two numbers of 0..1 and must be defined a little beyond.
    pub fn grid(rows: u32, columns: u32, point: impl Fn(f64, f64) -> V) -> Mesh {
        let mut mesh = Mesh::default();
        for r in 0..=rows {
            for c in 0..=columns {
                let (s, t) = (f64::from(r) / f64::from(rows), f64::from(c) / f64::from(columns));
                let (ds, dt) = (0.05 / f64::from(rows), 0.05 / f64::from(columns));
                let along = sub(point(s + ds, t), point(s - ds, t));
                let across = sub(point(s, t + dt), point(s, t - dt));
                mesh.positions.push(point(s, t));
                mesh.normals.push(unit(cross(across, along)));
                mesh.uvs.push([t, 1.0 - s]);
            }
        }
        let at = |r: u32, c: u32| r * (columns + 1) + c;
        for r in 0..rows {
            for c in 0..columns {
                let quad = [at(r, c), at(r, c + 1), at(r + 1, c + 1), at(r + 1, c)];
                mesh.indices.extend([quad[0], quad[1], quad[2], quad[0], quad[2], quad[3]]);
            }
        }
        mesh
    }

    /// A surface of revolution around the vertical through `base`. `profile` gives radius and height.
    pub fn turned(base: V, rows: u32, columns: u32, profile: impl Fn(f64) -> (f64, f64)) -> Mesh {
        Mesh::grid(rows, columns, |s, t| {
            let (radius, height) = profile(s);
            let angle = -t * TAU;
            add(base, v(radius * angle.sin(), height, radius * angle.cos()))
        })
    }
}

/// A smooth curve through points, by Catmull and Rom; `s` of 0..1 runs over all of them.
pub fn curve(points: &[(f64, f64)], s: f64) -> (f64, f64) {
    let last = points.len() - 1;
    let place = s.clamp(0.0, 1.0) * last as f64;
    let i = (place.floor() as usize).min(last - 1);
    let f = place - i as f64;
    let at = |k: isize| points[(i as isize + k).clamp(0, last as isize) as usize];
    let (a, b, c, d) = (at(-1), at(0), at(1), at(2));
    let blend = |a: f64, b: f64, c: f64, d: f64| {
        b + 0.5 * f * (c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d + f * (3.0 * (b - c) + d - a)))
    };
    (blend(a.0, b.0, c.0, d.0), blend(a.1, b.1, c.1, d.1))
}

/// A number of 0..1 that depends on `n` alone.
pub fn random(n: u32) -> f64 {
    let mut x = n.wrapping_mul(0x9E37_79B9) ^ 0x5bd1_e995;
    for m in [0x7feb_352d, 0x846c_a68b] {
        x = (x ^ (x >> 16)).wrapping_mul(m);
    }
    f64::from(x ^ (x >> 15)) / 4_294_967_296.0
}
