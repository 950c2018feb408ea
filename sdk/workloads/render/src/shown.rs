//! Picture files read back, as they look on a screen: what a movie is made of.

use std::{io::Cursor, path::Path};

use exr::prelude::{ReadChannels, ReadLayers};

use crate::{
    error::{RenderError, Result},
    image::Image,
    load::read_file,
    settings::Exposure,
};

/// A picture of 8-bit sRGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row from the top.
    pub pixels: Vec<u8>,
}

impl Shown {
    /// Reads a file that [`Image::save`] or [`Layers::save`](crate::Layers::save) wrote. The light of an EXR is mapped as it
    /// would have been for a PNG; what is a PNG already is taken as it is.
    ///
    /// # Errors
    /// If the file cannot be read or decoded.
    pub fn open(path: &Path, exposure: Exposure) -> Result<Self> {
        let bytes = read_file(path)?;
        let broken = |reason: String| RenderError::Image { name: path.display().to_string(), reason };
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("exr")) {
            let picture = image::load_from_memory(&bytes).map_err(|e| broken(e.to_string()))?.into_rgb8();
            let (width, height) = (picture.width() as usize, picture.height() as usize);
            return Ok(Self { width, height, pixels: picture.into_raw() });
        }
        let read = exr::prelude::read()
            .no_deep_data()
            .largest_resolution_level()
            .rgb_channels(
                |size, _| Image::black(size.width(), size.height()),
                |image, at, (r, g, b): (f32, f32, f32)| image.pixels[at.y() * image.width + at.x()] = [r, g, b],
            )
            .first_valid_layer()
            .all_attributes()
            .from_buffered(Cursor::new(bytes));
        let image = read.map_err(|e| broken(e.to_string()))?.layer_data.channel_data.pixels;
        Ok(Self { width: image.width, height: image.height, pixels: image.tone_mapped(exposure) })
    }
}
