//! Light from all around: an image, a colour or a sky, on an octahedral map.

use std::path::Path;

use rayon::prelude::*;

use crate::{
    error::{RenderError, Result},
    load::read_file,
    math::{Vec3, vec3},
};

/// Widest environment map of the kernel, in texels; a larger image is reduced.
const MAX_SIZE: u32 = 2_048;
/// Most pixels of an environment image.
const MAX_PIXELS: u64 = 1 << 28;
/// Most pixels a byte of the file: runs of the format's compression are up to 127 pixels, two bytes for each channel.
const MAX_PIXELS_A_BYTE: u64 = 16;

/// Light that comes from far away, by direction.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Side of the octahedral map; 0 for a black environment.
    pub size: u32,
    /// Radiance, row by row.
    pub texels: Vec<Vec3>,
    /// Whether it is worth sampling as a light: it has small bright parts.
    pub peaked: bool,
    /// The sun, which is not on the map.
    pub sun: Option<Sun>,
}

/// A disc of light infinitely far away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sun {
    /// Unit direction towards its centre.
    pub towards: Vec3,
    /// Angular radius in radians.
    pub radius: f32,
    /// Irradiance on a surface that faces it.
    pub irradiance: Vec3,
}

impl Sun {
    /// The solid angle of its disc.
    #[must_use]
    pub fn solid_angle(&self) -> f32 {
        std::f32::consts::TAU * (1.0 - self.radius.cos())
    }

    /// Radiance of its disc.
    #[must_use]
    pub fn radiance(&self) -> Vec3 {
        self.irradiance * (1.0 / self.solid_angle())
    }
}

impl Environment {
    /// No light at all.
    #[must_use]
    pub const fn black() -> Self {
        Self { size: 0, texels: Vec::new(), peaked: false, sun: None }
    }

    /// The same radiance from everywhere.
    #[must_use]
    pub fn uniform(radiance: Vec3) -> Self {
        Self { size: 2, texels: vec![radiance; 4], peaked: false, sun: None }
    }

    /// A map whose texels are `radiance` of their directions.
    #[must_use]
    pub fn from_fn(size: u32, peaked: bool, radiance: impl Fn(Vec3) -> Vec3 + Sync) -> Self {
        // Four points of each texel, so that the map is smooth.
        let points = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
        let texel = |i: u32| {
            let sum = points.iter().fold(Vec3::default(), |sum, (dx, dy)| {
                let (u, v) = ((i % size) as f32 + dx, (i / size) as f32 + dy);
                sum + radiance(from_square(u / size as f32, v / size as f32))
            });
            sum * 0.25
        };
        let texels = (0..size * size).into_par_iter().map(texel).collect();
        Self { size, texels, peaked, sun: None }
    }

    /// An equirectangular Radiance image (`.hdr`): its centre lies towards -z, its top towards +y.
    ///
    /// # Errors
    /// If the file cannot be read or is no such image.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_slice(&read_file(path)?, &path.display().to_string())
    }

    /// As [`Environment::load`], from the bytes of the file; `name` stands in errors.
    ///
    /// # Errors
    /// If the bytes are no such image.
    pub fn from_slice(bytes: &[u8], name: &str) -> Result<Self> {
        let failed = |reason: String| RenderError::Image { name: name.into(), reason };
        let decoder = image::codecs::hdr::HdrDecoder::new(std::io::Cursor::new(bytes))
            .map_err(|e| failed(format!("expected a Radiance .hdr image: {e}")))?;
        let meta = decoder.metadata();
        let (width, height) = (meta.width, meta.height);
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(failed(format!("{width} x {height} pixels, expected 1 to {MAX_PIXELS}")));
        }
        if u64::from(width) * u64::from(height) > MAX_PIXELS_A_BYTE * bytes.len() as u64 {
            return Err(failed(format!("{} bytes cannot hold {width} x {height} pixels", bytes.len())));
        }
        let image = image::DynamicImage::from_decoder(decoder).map_err(|e| failed(e.to_string()))?.into_rgb32f();
        let clean = |v: f32| if v.is_finite() { v.max(0.0) } else { 0.0 };
        let pixel = |x: u32, y: u32| Vec3::from(image.get_pixel(x, y).0.map(clean));
        let size = width.clamp(2, MAX_SIZE);
        Ok(Self::from_fn(size, true, |d| {
            let u = 0.5 + d.x.atan2(-d.z) / std::f32::consts::TAU;
            let v = d.y.clamp(-1.0, 1.0).acos() / std::f32::consts::PI;
            let (x, y) = (u * width as f32 - 0.5, v * height as f32 - 0.5);
            let (fx, fy) = (x - x.floor(), y - y.floor());
            let column = |x: f32| (x.floor() as i64).rem_euclid(i64::from(width)) as u32;
            let row = |y: f32| (y.floor().max(0.0) as u32).min(height - 1);
            let (x0, x1, y0, y1) = (column(x), column(x + 1.0), row(y), row(y + 1.0));
            let top = pixel(x0, y0) * (1.0 - fx) + pixel(x1, y0) * fx;
            let bottom = pixel(x0, y1) * (1.0 - fx) + pixel(x1, y1) * fx;
            top * (1.0 - fy) + bottom * fy
        }))
    }

    /// Radiance of texel (`x`, `y`), which may lie one outside of the map: there the folded neighbour stands.
    fn wrapped(&self, x: i64, y: i64) -> Vec3 {
        let n = i64::from(self.size);
        let (mut x, mut y) = (x, y);
        if x < 0 || x >= n {
            x = x.clamp(0, n - 1);
            y = n - 1 - y;
        }
        if y < 0 || y >= n {
            y = y.clamp(0, n - 1);
            x = n - 1 - x;
        }
        self.texels[(y.clamp(0, n - 1) * n + x.clamp(0, n - 1)) as usize]
    }

    /// The texels with a border of one, packed for the kernel.
    #[must_use]
    pub fn pack(&self) -> Vec<u32> {
        if self.size == 0 {
            return Vec::new();
        }
        let n = i64::from(self.size);
        (-1..=n).flat_map(|y| (-1..=n).map(move |x| (x, y))).map(|(x, y)| rgb9e5(self.wrapped(x, y))).collect()
    }

    /// Power of each of `side` x `side` cells as seen from the scene, bilinear neighbours included.
    #[must_use]
    pub fn cell_weights(&self, side: u32) -> Vec<f64> {
        let n = i64::from(self.size);
        let scale = self.size as f32 / side as f32;
        (0..side * side)
            .into_par_iter()
            .map(|cell| {
                let start = |k: u32| (k as f32 * scale).floor() as i64;
                let (cx, cy) = (cell % side, cell / side);
                let mut sum = 0f64;
                for y in start(cy) - 1..=start(cy + 1) {
                    for x in start(cx) - 1..=start(cx + 1) {
                        sum += f64::from(self.wrapped(x.clamp(-1, n), y.clamp(-1, n)).luminance());
                    }
                }
                // Solid angle of the cell, up to a factor: 1 / |p|^3 at its centre.
                let d = from_square((cx as f32 + 0.5) / side as f32, (cy as f32 + 0.5) / side as f32);
                let norm = d.x.abs() + d.y.abs() + d.z.abs();
                sum * f64::from(norm.powi(3)) / f64::from((scale + 2.0).powi(2))
            })
            .collect()
    }

    /// Irradiance on a surface whose normal is `normal`, without the sun.
    #[must_use]
    pub fn irradiance(&self, normal: Vec3) -> Vec3 {
        let n = self.size;
        (0..n * n).fold(Vec3::default(), |sum, i| {
            let d = from_square(((i % n) as f32 + 0.5) / n as f32, ((i / n) as f32 + 0.5) / n as f32);
            let norm = d.x.abs() + d.y.abs() + d.z.abs();
            let solid = 4.0 / (n * n) as f32 * norm.powi(3);
            sum + self.texels[i as usize] * (solid * d.dot(normal).max(0.0))
        })
    }
}

/// The unit direction of a point of the unit square. As in the kernel.
#[must_use]
pub fn from_square(u: f32, v: f32) -> Vec3 {
    let (mut x, mut y) = (u * 2.0 - 1.0, v * 2.0 - 1.0);
    let z = 1.0 - x.abs() - y.abs();
    if z < 0.0 {
        let (fold_x, fold_y) = (1.0 - y.abs(), 1.0 - x.abs());
        x = if x < 0.0 { -fold_x } else { fold_x };
        y = if y < 0.0 { -fold_y } else { fold_y };
    }
    let d = vec3(x, z, y);
    d * (1.0 / d.length())
}

/// A colour as three 9-bit mantissas under a common 5-bit exponent.
#[must_use]
pub fn rgb9e5(colour: Vec3) -> u32 {
    let c = colour.to_array().map(|v| v.clamp(0.0, 65_408.0));
    let largest = c[0].max(c[1]).max(c[2]);
    if largest < 1e-10 {
        return 0;
    }
    let mut exponent = (largest.log2().floor() as i32).max(-16) + 16;
    // Rounding up to 512 needs the next exponent.
    if (largest / 2f32.powi(exponent - 24)).round() >= 512.0 {
        exponent += 1;
    }
    let scale = 2f32.powi(exponent - 24);
    let m = c.map(|v| ((v / scale).round() as u32).min(511));
    m[0] | m[1] << 9 | m[2] << 18 | (exponent as u32) << 27
}
