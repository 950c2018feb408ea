//! Painted images: the stones of the mosaic and the pottery.

use std::{f64::consts::TAU, io::Cursor};

use image::{ImageFormat, Rgb, RgbImage};

use super::mesh::random;

/// Colours of stone.
#[derive(Clone, Copy)]
pub enum Stone {
    Cream,
    Ochre,
    Brick,
    Olive,
    Sea,
    Night,
}

/// Colour of each stone, in the curve of sRGB.
const COLOURS: [[f64; 3]; 6] = [
    [224.0, 207.0, 172.0],
    [214.0, 152.0, 52.0],
    [168.0, 62.0, 40.0],
    [122.0, 128.0, 66.0],
    [40.0, 148.0, 160.0],
    [22.0, 48.0, 92.0],
];
/// Variants of a stone, along a row of the image.
const VARIANTS: u32 = 16;
/// Pixels of a cell.
const CELL: u32 = 12;

/// Where a tile reads its colour: the lower corner and the size of a square.
pub fn stone_uv(stone: Stone, number: u32) -> ([f64; 2], f64) {
    let variant = (random(number + 31_337) * f64::from(VARIANTS)) as u32;
    let (width, height) = (VARIANTS * CELL, COLOURS.len() as u32 * CELL);
    // One pixel inside of the cell, so that filtering does not reach the neighbours; square in pixels along u.
    let u = f64::from(variant * CELL + 1) / f64::from(width);
    let w = f64::from(stone as u32 * CELL + 1) / f64::from(height);
    ([u, w], f64::from(CELL - 2) / f64::from(width))
}

/// Rows of stones: each cell a shade of its own with veins.
pub fn stones() -> image::ImageResult<Vec<u8>> {
    let (width, height) = (VARIANTS * CELL, COLOURS.len() as u32 * CELL);
    png(&RgbImage::from_fn(width, height, |x, y| {
        let (cell, kind) = (x / CELL, y / CELL);
        let shade = 0.80 + 0.36 * random(cell * 64 + kind);
        let warm = (random(cell * 64 + kind + 5_000) - 0.5) * 0.16;
        let vein = 1.0 + (noise(f64::from(x) * 0.35, f64::from(y) * 0.35 + f64::from(cell) * 9.0) - 0.5) * 0.30;
        let colour = COLOURS[kind as usize];
        let tint = [1.0 + warm, 1.0, 1.0 - warm];
        Rgb(std::array::from_fn(|k| (colour[k] * shade * vein * tint[k]).clamp(0.0, 255.0) as u8))
    }))
}

/// The amphora, unrolled: black on red clay, from the lip (top) to the foot.
pub fn pottery() -> image::ImageResult<Vec<u8>> {
    const WIDTH: u32 = 768;
    const HEIGHT: u32 = 384;
    let clay = [196.0, 96.0, 48.0];
    let black = [26.0, 22.0, 24.0];
    let cream = [232.0, 210.0, 170.0];
    png(&RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let (s, t) = (f64::from(x) / f64::from(WIDTH), f64::from(y) / f64::from(HEIGHT));
        let colour = match t {
            t if t < 0.10 => black,
            t if t < 0.115 => clay,
            // Upright leaves on the neck.
            t if t < 0.235 => {
                let leaf = (s * 22.0).rem_euclid(1.0) - 0.5;
                let h = (t - 0.115) / 0.12;
                if leaf.abs() < 0.40 * (h * std::f64::consts::PI).sin().sqrt() && leaf.abs() > 0.04 {
                    black
                } else {
                    clay
                }
            }
            t if t < 0.25 => black,
            t if t < 0.40 => {
                if meander(s * 18.0, (t - 0.26) / 0.13) {
                    black
                } else {
                    clay
                }
            }
            t if t < 0.415 => black,
            // The belly: a row of stars between dots.
            t if t < 0.60 => {
                let across = (s * 12.0).rem_euclid(1.0) - 0.5;
                let up = ((t - 0.5075) / 0.185) * 0.92;
                let radius = (across * across + up * up).sqrt();
                let petals = 0.20 + 0.16 * (up.atan2(across) * 4.0).cos();
                if radius < 0.07 {
                    clay
                } else if radius < petals || (radius - 0.42).abs() < 0.03 {
                    cream
                } else {
                    black
                }
            }
            t if t < 0.615 => clay,
            t if t < 0.64 => black,
            t if t < 0.655 => clay,
            t if t < 0.70 => black,
            // Rays that rise from the foot.
            t if t < 0.90 => {
                let ray = (s * 20.0).rem_euclid(1.0) - 0.5;
                if ray.abs() < 0.44 * (t - 0.70) / 0.20 { black } else { clay }
            }
            _ => black,
        };
        let wear = 0.92 + 0.16 * noise(s * 90.0, t * 45.0);
        Rgb(colour.map(|c| (c * wear).clamp(0.0, 255.0) as u8))
    }))
}

/// The Greek key; one period per unit of `x`, over `y` of 0..1.
fn meander(x: f64, y: f64) -> bool {
    const KEY: [&[u8; 8]; 7] =
        [b"########", b"#......#", b"#.####.#", b"#.#..#.#", b"#.##.#.#", b"#....#.#", b"######.#"];
    let column = ((x.rem_euclid(1.0)) * 8.0) as usize;
    let row = (y.clamp(0.0, 0.999) * 7.0) as usize;
    KEY[row][column.min(7)] == b'#'
}

/// Smooth noise of 0..1.
fn noise(x: f64, y: f64) -> f64 {
    let (ix, iy) = (x.floor(), y.floor());
    let ease = |f: f64| 0.5 - 0.5 * (f * TAU * 0.5).cos();
    let (fx, fy) = (ease(x - ix), ease(y - iy));
    let at = |dx: f64, dy: f64| random((ix + dx) as i64 as u32 ^ ((iy + dy) as i64 as u32).wrapping_mul(7_919));
    let low = at(0.0, 0.0) * (1.0 - fx) + at(1.0, 0.0) * fx;
    let high = at(0.0, 1.0) * (1.0 - fx) + at(1.0, 1.0) * fx;
    low * (1.0 - fy) + high * fy
}

fn png(image: &RgbImage) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
