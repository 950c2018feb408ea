//! What stands on the floor.

use std::f64::consts::{PI, TAU};

use super::mesh::{Mesh, V, add, curve, random, v};

pub struct Wall {
    pub field: Mesh,
    pub dado: Mesh,
    pub bands: Mesh,
}

/// The painted wall at the back.
pub fn wall() -> Wall {
    let (mut field, mut dado, mut bands) = (Mesh::default(), Mesh::default(), Mesh::default());
    let (left, right, back) = (-9.0, 9.0, -3.45);
    field.block(v(left, 0.0, back - 0.3), v(right, 2.75, back));
    dado.block(v(left, 0.0, back), v(right, 0.62, back + 0.05));
    bands.block(v(left, 0.62, back), v(right, 0.70, back + 0.075));
    bands.block(v(left, 0.78, back), v(right, 0.80, back + 0.006));
    // Panels, framed by thin painted lines.
    for panel in 0..5 {
        let x = -5.2 + 2.2 * f64::from(panel);
        for (a, b) in [
            ((0.0, 0.98), (1.9, 1.005)),
            ((0.0, 2.175), (1.9, 2.2)),
            ((0.0, 0.98), (0.025, 2.2)),
            ((1.875, 0.98), (1.9, 2.2)),
        ] {
            bands.block(v(x + a.0, a.1, back), v(x + b.0, b.1, back + 0.006));
        }
    }
    bands.block(v(left, 2.42, back), v(right, 2.46, back + 0.02));
    bands.block(v(left, 2.62, back - 0.3), v(right, 2.80, back + 0.14));
    Wall { field, dado, bands }
}

/// A fluted column that leaves the picture at its top.
pub fn column(base: V, radius: f64) -> Mesh {
    const FLUTES: f64 = 20.0;
    let foot = 0.34;
    let mut mesh = Mesh::grid(4, 160, |s, t| {
        let angle = -t * TAU;
        let flute = ((t * FLUTES).rem_euclid(1.0) * PI).sin();
        let r = radius * (1.0 - 0.045 * s * s) - 0.036 * flute.powf(1.5);
        add(base, v(r * angle.sin(), foot + s * 4.2, r * angle.cos()))
    });
    let profile = [
        (radius + 0.16, 0.12),
        (radius + 0.185, 0.145),
        (radius + 0.19, 0.18),
        (radius + 0.17, 0.215),
        (radius + 0.10, 0.225),
        (radius + 0.07, 0.25),
        (radius + 0.10, 0.275),
        (radius + 0.115, 0.30),
        (radius + 0.09, 0.325),
        (radius + 0.02, 0.335),
        (radius - 0.01, 0.36),
    ];
    mesh.append(Mesh::turned(base, 24, 48, |s| curve(&profile, s)));
    let side = radius + 0.20;
    let mut plinth = Mesh::default();
    plinth.block(add(base, v(-side, 0.0, -side)), add(base, v(side, 0.125, side)));
    mesh.append(flat(plinth));
    mesh
}

/// Gives a mesh of quads the normals of its faces, so that it can join a smooth one.
fn flat(mut mesh: Mesh) -> Mesh {
    use super::mesh::{cross, sub, unit};
    let normals = mesh.positions.chunks(4).flat_map(|q| [unit(cross(sub(q[1], q[0]), sub(q[2], q[0]))); 4]).collect();
    mesh.normals = normals;
    mesh.uvs = vec![[0.0, 0.0]; mesh.positions.len()];
    mesh
}

/// A storage jar with two handles.
pub fn amphora(base: V) -> Mesh {
    const PROFILE: [(f64, f64); 17] = [
        (0.0, 0.0),
        (0.155, 0.0),
        (0.16, 0.035),
        (0.105, 0.075),
        (0.16, 0.18),
        (0.27, 0.34),
        (0.365, 0.52),
        (0.41, 0.70),
        (0.40, 0.86),
        (0.325, 1.00),
        (0.205, 1.09),
        (0.155, 1.18),
        (0.15, 1.31),
        (0.175, 1.40),
        (0.225, 1.43),
        (0.215, 1.465),
        (0.12, 1.44),
    ];
    let mut mesh = Mesh::turned(base, 56, 56, |s| curve(&PROFILE, s));
    for side in [-1.0, 1.0] {
        let path = [(0.34, 0.985), (0.46, 1.08), (0.475, 1.24), (0.38, 1.36), (0.155, 1.345)];
        mesh.append(Mesh::grid(28, 12, |s, t| {
            let ((x, y), (x2, y2)) = (curve(&path, s), curve(&path, (s + 0.01).min(1.001)));
            let (dx, dy) = (x2 - x, y2 - y);
            let len = (dx * dx + dy * dy).sqrt().max(1e-9);
            let (angle, r) = (t * TAU * side, 0.032);
            let out = angle.cos() * r;
            let (px, py) = (x - dy / len * out, y + dx / len * out);
            // Turned a little, so that both handles are seen.
            let (px, pz) = (px * side, angle.sin() * r);
            let (sine, cosine) = 0.45f64.sin_cos();
            add(base, v(px * cosine + pz * sine, py, pz * cosine - px * sine))
        }));
    }
    let body = 57 * 57;
    // The handles are black: they read the lip's colour.
    mesh.uvs[body..].iter_mut().for_each(|uv| *uv = [0.5, 0.05]);
    mesh
}

/// A shallow footed bowl.
pub fn bowl(base: V) -> Mesh {
    const PROFILE: [(f64, f64); 14] = [
        (0.0, 0.01),
        (0.17, 0.0),
        (0.175, 0.02),
        (0.10, 0.05),
        (0.09, 0.08),
        (0.20, 0.115),
        (0.33, 0.175),
        (0.42, 0.265),
        (0.445, 0.30),
        (0.43, 0.305),
        (0.395, 0.265),
        (0.30, 0.19),
        (0.16, 0.14),
        (0.0, 0.13),
    ];
    Mesh::turned(base, 40, 56, |s| curve(&PROFILE, s))
}

/// A heap of lemons in the bowl.
pub fn lemons(base: V) -> Mesh {
    let mut mesh = Mesh::default();
    let places = [
        (0.0, 0.265, 0.0),
        (0.19, 0.28, 0.05),
        (-0.13, 0.285, 0.16),
        (-0.16, 0.28, -0.11),
        (0.07, 0.28, -0.20),
        (0.06, 0.28, 0.22),
        (0.03, 0.40, 0.03),
    ];
    for (k, (x, y, z)) in places.into_iter().enumerate() {
        let dice = |n: u32| random(k as u32 * 8 + n + 777);
        let (turn, pitch) = (dice(0) * TAU, (dice(1) - 0.5) * 0.9);
        mesh.append(Mesh::grid(18, 26, |s, t| {
            let (polar, angle) = (s * PI, t * TAU);
            // A ball, drawn out to a tip at both ends.
            let tip = 1.0 + 0.32 * polar.cos().abs().powi(6);
            let (along, around) = (-polar.cos() * 0.115 * tip, polar.sin() * 0.092);
            let p = v(along, around * angle.cos(), around * angle.sin());
            let p = v(p[0] * pitch.cos() - p[1] * pitch.sin(), p[0] * pitch.sin() + p[1] * pitch.cos(), p[2]);
            let p = v(p[0] * turn.cos() + p[2] * turn.sin(), p[1], p[2] * turn.cos() - p[0] * turn.sin());
            add(base, add(v(x, y, z), p))
        }));
    }
    mesh
}

pub fn ball(centre: V, radius: f64) -> Mesh {
    Mesh::turned(centre, 32, 48, |s| ((s * PI).sin() * radius, -(s * PI).cos() * radius))
}
