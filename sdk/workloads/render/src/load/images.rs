//! Decoding of the images of a scene (PNG and JPEG).

use std::io::Cursor;

use super::{Source, read_uri};
use crate::error::{RenderError, Result};

/// Most textures of a scene.
pub(super) const MAX_TEXTURES: u32 = 4_096;
/// Longest side of an image.
const MAX_SIDE: u32 = 16_384;
/// Most memory that decoding an image may take, in bytes.
const MAX_MEMORY: u64 = 1 << 30;

/// The pixels of an image of the scene.
pub(super) fn decode(source: &Source<'_>, image: &gltf::Image<'_>) -> Result<image::RgbaImage> {
    let data;
    let bytes = match image.source() {
        gltf::image::Source::View { view, .. } => source.view_bytes(&view)?,
        gltf::image::Source::Uri { uri, .. } => {
            data = read_uri(source, uri)?;
            &data
        }
    };
    decode_bytes(bytes, &format!("{}: image {}", source.path.display(), image.index()))
}

fn decode_bytes(bytes: &[u8], name: &str) -> Result<image::RgbaImage> {
    let failed = |reason: String| RenderError::Image { name: name.into(), reason };
    let mut reader =
        image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| failed(e.to_string()))?;
    match reader.format() {
        Some(image::ImageFormat::Png | image::ImageFormat::Jpeg) => {}
        other => return Err(failed(format!("expected a PNG or JPEG, found {other:?}"))),
    }
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let pixels = reader.decode().map_err(|e| failed(e.to_string()))?.into_rgba8();
    if pixels.width() == 0 || pixels.height() == 0 {
        return Err(failed("the image is empty".into()));
    }
    Ok(pixels)
}
