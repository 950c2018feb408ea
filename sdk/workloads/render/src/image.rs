//! Finished pictures: tone mapping, PNG and EXR.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use exr::prelude::{Image as ExrImage, SpecificChannels, WritableImage};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::{
    error::{RenderError, Result},
    math::Vec3,
    settings::Exposure,
};

/// Pixels of linear light with the primaries of sRGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Row by row from the top.
    pub pixels: Vec<[f32; 3]>,
}

impl Image {
    /// A black picture.
    #[must_use]
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    /// The factor that [`Exposure::Auto`] applies: it brings the middle of the picture's brightness to middle grey.
    #[must_use]
    pub fn auto_exposure(&self) -> f32 {
        let lit = self.pixels.iter().map(|p| Vec3::from(*p).luminance()).filter(|l| *l > 1e-5);
        let (sum, count) = lit.fold((0f64, 0u64), |(s, n), l| (s + f64::from(l).ln(), n + 1));
        if count == 0 {
            return 1.0;
        }
        (0.2 / (sum / count as f64).exp()).clamp(1e-6, 1e6) as f32
    }

    /// The picture as 8-bit sRGB, three bytes a pixel: exposure, a filmic curve, then the curve of sRGB.
    #[must_use]
    pub fn tone_mapped(&self, exposure: Exposure) -> Vec<u8> {
        let factor = match exposure {
            Exposure::Auto => self.auto_exposure(),
            Exposure::Stops(stops) => stops.exp2(),
        };
        let mapped = self.pixels.iter().map(|p| filmic(Vec3::from(*p) * factor).to_array());
        mapped.flat_map(|p| p.map(|v| (to_srgb(v) * 255.0 + 0.5) as u8)).collect()
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn to_png(&self, exposure: Exposure) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let size = |n: usize| u32::try_from(n).map_err(|e| encode_failed("PNG", &e));
        PngEncoder::new(&mut bytes)
            .write_image(&self.tone_mapped(exposure), size(self.width)?, size(self.height)?, ExtendedColorType::Rgb8)
            .map_err(|e| encode_failed("PNG", &e))?;
        Ok(bytes)
    }

    /// The picture as an OpenEXR file: linear, 32-bit floats.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn to_exr(&self) -> Result<Vec<u8>> {
        let channels = SpecificChannels::rgb(|at: exr::math::Vec2<usize>| {
            let [r, g, b] = self.pixels[at.y() * self.width + at.x()];
            (r, g, b)
        });
        let mut bytes = Cursor::new(Vec::new());
        ExrImage::from_channels((self.width, self.height), channels)
            .write()
            // In order, so that equal pictures are equal files.
            .non_parallel()
            .to_buffered(&mut bytes)
            .map_err(|e| encode_failed("EXR", &e))?;
        Ok(bytes.into_inner())
    }

    /// Writes the picture to `path`: an EXR if it ends in `.exr`, else a PNG. The file appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub fn save(&self, path: &Path, exposure: Exposure) -> Result<()> {
        let is_exr = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("exr"));
        write_whole(path, &if is_exr { self.to_exr()? } else { self.to_png(exposure)? })
    }
}

pub(crate) fn encode_failed(format: &str, error: &dyn std::fmt::Display) -> RenderError {
    RenderError::Image { name: format.into(), reason: format!("cannot encode: {error}") }
}

/// Writes a file under a temporary name beside its place and then moves it there.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| RenderError::File { action: "write", path: path.into(), source };
    let mut name = path.file_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?.to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part: PathBuf = path.with_file_name(name);
    let write = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|e| {
        // The part is useless; that it cannot be removed either is less telling than why it could not be written.
        let _ = fs::remove_file(&part);
        failed(e)
    })
}

/// The filmic curve of ACES as fitted by Stephen Hill: highlights roll off and lose colour, shadows keep contrast.
fn filmic(c: Vec3) -> Vec3 {
    const INTO: [[f32; 3]; 3] = [[0.59719, 0.35458, 0.04823], [0.07600, 0.90834, 0.01566], [0.02840, 0.13383, 0.83777]];
    const BACK: [[f32; 3]; 3] =
        [[1.60475, -0.53108, -0.07367], [-0.10208, 1.10813, -0.00605], [-0.00327, -0.07276, 1.07602]];
    let times = |m: &[[f32; 3]; 3], v: Vec3| Vec3::from(m.map(|row| Vec3::from(row).dot(v)));
    // Bounded, so that the quotient stays a number.
    let v = times(&INTO, c.max(Vec3::splat(0.0)).min(Vec3::splat(1e9)) * 1.4);
    let curve = |x: f32| (x * (x + 0.024_578_6) - 0.000_090_537) / (x * (0.983_729 * x + 0.432_951) + 0.238_081);
    times(&BACK, Vec3 { x: curve(v.x), y: curve(v.y), z: curve(v.z) }).max(Vec3::splat(0.0)).min(Vec3::splat(1.0))
}

/// The curve of sRGB.
fn to_srgb(v: f32) -> f32 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}
