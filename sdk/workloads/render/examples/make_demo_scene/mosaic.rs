//! The floor: a sun in the middle of rings, and plain stones around it.

use std::f64::consts::TAU;

use super::mesh::{Mesh, V, random, v};
use super::textures::{Stone, stone_uv};

/// Side of a tessera of the rings.
const SIDE: f64 = 0.098;
/// Rings of the medallion.
const RINGS: u32 = 27;
/// Side of the stones around it.
const FIELD: f64 = 0.152;

pub struct Floor {
    pub stone: Mesh,
    pub gold: Mesh,
}

/// What a tessera is made of.
#[derive(Clone, Copy)]
enum Tessera {
    Stone(Stone),
    Gold,
}

pub fn floor() -> Floor {
    let mut floor = Floor { stone: Mesh::default(), gold: Mesh::default() };
    let mut number = 0;
    for ring in 0..RINGS {
        let (inner, outer) = (f64::from(ring) * SIDE, f64::from(ring + 1) * SIDE);
        let middle = (inner + outer) * 0.5;
        let count = ((middle * TAU / SIDE).round() as u32).max(4);
        let shift = random(ring + 9_000) / f64::from(count);
        for k in 0..count {
            let turn = |k: f64| (k / f64::from(count) + shift) * TAU;
            let (a, b) = (turn(f64::from(k)), turn(f64::from(k + 1)));
            let at = |r: f64, angle: f64| v(r * angle.sin(), 0.0, r * angle.cos());
            let corners = [at(outer, a), at(outer, b), at(inner, b), at(inner, a)];
            let tessera = pattern(middle, turn(f64::from(k) + 0.5), number);
            tile(&mut floor, corners, tessera, number, 0.0055);
            number += 1;
        }
    }
    let edge = f64::from(RINGS) * SIDE;
    let (columns, rows) = (80i32, 42i32);
    for row in 0..rows {
        for column in 0..columns {
            let x = (f64::from(column) - f64::from(columns) / 2.0) * FIELD;
            let z = f64::from(row) * FIELD - 3.42;
            let (cx, cz) = (x + FIELD / 2.0, z + FIELD / 2.0);
            if (cx * cx + cz * cz).sqrt() < edge + FIELD * 0.62
                || (cx + 0.1).abs() > 0.63 * (5.3 - cz) + 0.25
                || cz > 2.8
            {
                continue;
            }
            let corners = [v(x, 0.0, z + FIELD), v(x + FIELD, 0.0, z + FIELD), v(x + FIELD, 0.0, z), v(x, 0.0, z)];
            let diamond = (row + column) % 6 == 0 && (row - column).rem_euclid(6) == 0;
            let stone = if diamond { Stone::Night } else { Stone::Cream };
            tile(&mut floor, corners, Tessera::Stone(stone), number, 0.006);
            number += 1;
        }
    }
    floor
}

/// The picture of the medallion, in polar coordinates.
fn pattern(r: f64, angle: f64, number: u32) -> Tessera {
    let turns = angle / TAU;
    let stone = Tessera::Stone;
    let wave = |count: f64| (turns * count).rem_euclid(1.0);
    if r < 0.34 {
        return Tessera::Gold;
    }
    if r < 0.44 {
        return stone(Stone::Brick);
    }
    if r < 1.42 {
        // A star of sixteen rays on a blue field: eight long golden and eight shorter white ones.
        let ray = |offset: f64, reach: f64| {
            let off = (wave(8.0) - offset).rem_euclid(1.0);
            let distance = off.min(1.0 - off) * 2.0;
            ((r - 0.4) / reach, distance)
        };
        let (along, across) = ray(0.0, 1.0);
        if across < (1.0 - along) * 0.62 {
            return if across < (1.0 - along) * 0.22 { Tessera::Gold } else { stone(Stone::Ochre) };
        }
        let (along, across) = ray(0.5, 0.72);
        if across < (1.0 - along) * 0.55 {
            return stone(Stone::Cream);
        }
        return stone(if r > 1.22 || random(number + 70_000) < 0.08 { Stone::Sea } else { Stone::Night });
    }
    if r < 1.52 {
        return stone(Stone::Cream);
    }
    if r < 1.62 {
        return stone(Stone::Brick);
    }
    if r < 2.02 {
        // Running waves, steep on one side.
        let phase = wave(20.0);
        let crest = if phase < 0.7 { phase / 0.7 } else { (1.0 - phase) / 0.3 };
        let height = (r - 1.66) / 0.34;
        return stone(if height < crest * 0.9 {
            if height < crest * 0.9 - 0.42 { Stone::Night } else { Stone::Sea }
        } else {
            Stone::Cream
        });
    }
    if r < 2.12 {
        return stone(Stone::Brick);
    }
    if r < 2.46 {
        // A rope of two strands.
        let across = (r - 2.29) / 0.17;
        let strand = (turns * TAU * 14.0).sin() * 0.62;
        let (first, second) = ((across - strand).abs() < 0.42, (across + strand).abs() < 0.42);
        let front = (turns * TAU * 14.0).cos() > 0.0;
        return stone(match (first, second, front) {
            (true, true, true) | (true, false, _) => Stone::Ochre,
            (true, true, false) | (false, true, _) => Stone::Olive,
            (false, false, _) => Stone::Night,
        });
    }
    stone(if r < 2.56 { Stone::Cream } else { Stone::Night })
}

/// One bevelled tile over four corners, a little tilted and chipped as hand-cut stones are.
fn tile(floor: &mut Floor, corners: [V; 4], tessera: Tessera, number: u32, gap: f64) {
    const HEIGHT: f64 = 0.018;
    const BEVEL: f64 = 0.0075;
    let centre = corners.iter().fold(v(0.0, 0.0, 0.0), |sum, c| v(sum[0] + c[0] / 4.0, 0.0, sum[2] + c[2] / 4.0));
    let dice = |k: u32| random(number * 16 + k) - 0.5;
    let (tilt_x, tilt_z) = (dice(0) * 0.05, dice(1) * 0.05);
    // Corners move towards the centre by a length, so that gaps are even.
    let inset = |c: V, by: f64| {
        let d = v(centre[0] - c[0], 0.0, centre[2] - c[2]);
        let len = (d[0] * d[0] + d[2] * d[2]).sqrt().max(1e-9);
        v(c[0] + d[0] / len * by * 1.4, 0.0, c[2] + d[2] / len * by * 1.4)
    };
    let (mesh, uv) = match tessera {
        Tessera::Stone(stone) => (&mut floor.stone, Some(stone_uv(stone, number))),
        Tessera::Gold => (&mut floor.gold, None),
    };
    let base = mesh.positions.len() as u32;
    for top in [true, false] {
        for (k, corner) in corners.iter().enumerate() {
            let cut = gap + (dice(2 + k as u32) + 0.5) * 0.004;
            let mut p = inset(*corner, if top { cut + BEVEL } else { cut });
            if top {
                p[1] = HEIGHT + (p[0] - centre[0]) * tilt_x + (p[2] - centre[2]) * tilt_z + dice(9) * 0.003;
            }
            mesh.positions.push(p);
            if let Some(([u, w], size)) = uv {
                let (du, dw) = ([0.0, 1.0, 1.0, 0.0][k], [0.0, 0.0, 1.0, 1.0][k]);
                mesh.uvs.push([u + du * size, w + dw * size]);
            }
        }
    }
    mesh.indices.extend([0, 1, 2, 0, 2, 3].map(|i| i + base));
    for k in 0..4 {
        let next = (k + 1) % 4;
        mesh.indices.extend([4 + k, 4 + next, next, 4 + k, next, k].map(|i| i + base));
    }
}
