//! Decoding of the images of a scene (PNG, JPEG and WebP), each once, into the textures that are made of it.

use std::{borrow::Cow, collections::HashMap, io::Cursor, sync::Arc};

use gltf::json::{texture::MagFilter, texture::WrappingMode, validation::Checked};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbaImage};
use rayon::prelude::*;

use super::{extensions::webp_source, file::Source};
use crate::{
    error::{RenderError, Result},
    scene::{Encoding, Texture, Wrap},
};

/// Most textures of a scene.
const MAX_TEXTURES: usize = 4_096;
/// Longest side of an image.
const MAX_SIDE: u32 = 16_384;

/// What of an image a material reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Channels {
    /// Colours, which files hold in the curve of sRGB.
    Colour,
    /// Linear numbers.
    Data,
    /// The alpha channel, as every channel of the texture.
    Alpha,
}

/// A texture to be made of an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Wanted {
    image: usize,
    channels: Channels,
    wrap: [Wrap; 2],
    nearest: bool,
}

/// The textures that materials asked for.
pub(super) struct Textures<'a> {
    pub source: &'a Source<'a>,
    wanted: Vec<Wanted>,
    places: HashMap<Wanted, u32>,
}

impl<'a> Textures<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self { source, wanted: Vec::new(), places: HashMap::new() }
    }

    /// The index that a texture of the file will have when read as `channels`. `owner` names who reads it in errors.
    pub(super) fn place(&mut self, texture: usize, channels: Channels, owner: &str) -> Result<u32> {
        let root = &self.source.root;
        let broken = |reason: &str| self.source.broken(format!("{owner} uses texture {texture}, which {reason}"));
        let found = root.textures.get(texture).ok_or_else(|| broken("does not exist"))?;
        let sampler = found.sampler.and_then(|s| root.samplers.get(s.value())).cloned().unwrap_or_default();
        let plain = (found.source.value() < root.images.len()).then_some(found.source.value());
        let image = plain.or_else(|| webp_source(found)).filter(|i| *i < root.images.len());
        let wrap = |mode| match mode {
            Checked::Valid(WrappingMode::ClampToEdge) => Wrap::Clamp,
            Checked::Valid(WrappingMode::MirroredRepeat) => Wrap::Mirror,
            _ => Wrap::Repeat,
        };
        let wanted = Wanted {
            image: image.ok_or_else(|| broken("has no image of a format that is read"))?,
            channels,
            wrap: [wrap(sampler.wrap_s), wrap(sampler.wrap_t)],
            nearest: sampler.mag_filter == Some(Checked::Valid(MagFilter::Nearest)),
        };
        if let Some(place) = self.places.get(&wanted) {
            return Ok(*place);
        }
        let place = self.wanted.len();
        if place >= MAX_TEXTURES {
            return Err(RenderError::TooLarge(format!("more than {MAX_TEXTURES} textures")));
        }
        self.wanted.push(wanted);
        self.places.insert(wanted, place as u32);
        Ok(place as u32)
    }

    /// Decodes the images, several at a time, and makes the textures.
    pub(super) fn read(self) -> Result<Vec<Texture>> {
        let mut uses: HashMap<usize, Vec<usize>> = HashMap::new();
        for (place, wanted) in self.wanted.iter().enumerate() {
            uses.entry(wanted.image).or_default().push(place);
        }
        let mut uses: Vec<_> = uses.into_iter().collect();
        uses.sort_unstable();
        let mut files = Vec::with_capacity(uses.len());
        for (image, places) in uses {
            let bytes = self.bytes(image)?;
            let name = format!("{}: image {image}", self.source.path.display());
            let decoder = decoder(&bytes, &name)?;
            let (width, height) = decoder.dimensions();
            // Rows as decoded and as RGBA, then each texture while it grows and when it is shared.
            let pixel = usize::from(decoder.color_type().bytes_per_pixel()) + 4 + 8 * places.len();
            self.source.budget.take(width as usize * height as usize, pixel, &name)?;
            drop(decoder);
            files.push((name, bytes, places));
        }
        let decoded: Vec<_> = files
            .par_iter()
            .map(|(name, bytes, places)| {
                let pixels = DynamicImage::from_decoder(decoder(bytes, name)?);
                let pixels = pixels.map_err(|e| failed(name, e.to_string()))?.into_rgba8();
                Ok(places.iter().map(|place| (*place, texture(&pixels, &self.wanted[*place]))).collect::<Vec<_>>())
            })
            .collect::<Result<_>>()?;
        let mut textures: Vec<_> = decoded.into_iter().flatten().collect();
        textures.sort_unstable_by_key(|(place, _)| *place);
        Ok(textures.into_iter().map(|(_, texture)| texture).collect())
    }

    /// The encoded bytes of an image.
    fn bytes(&self, image: usize) -> Result<Cow<'a, [u8]>> {
        let found = &self.source.root.images[image];
        match (&found.uri, found.buffer_view) {
            (Some(uri), _) => self.source.uri(uri).map(Cow::Owned),
            (None, Some(view)) => {
                self.source.view_bytes(&self.source.root.buffer_views[view.value()]).map(Cow::Borrowed)
            }
            (None, None) => Err(self.source.broken(format!("image {image} has neither data nor a URI"))),
        }
    }
}

fn failed(name: &str, reason: String) -> RenderError {
    RenderError::Image { name: name.into(), reason }
}

/// A decoder that has read the image's header.
fn decoder<'a>(bytes: &'a [u8], name: &str) -> Result<impl ImageDecoder + 'a> {
    let failed = |reason: String| failed(name, reason);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| failed(e.to_string()))?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) => {}
        other => return Err(failed(format!("expected a PNG, JPEG or WebP, found {other:?}"))),
    }
    // What the pixels take is counted by the caller; this is for what decoders take beside them.
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| failed(e.to_string()))?;
    match decoder.dimensions() {
        (0, _) | (_, 0) => Err(failed("the image is empty".into())),
        (width, height) if width > MAX_SIDE || height > MAX_SIDE => {
            Err(failed(format!("the image has {width} x {height} pixels, at most {MAX_SIDE} a side")))
        }
        _ => Ok(decoder),
    }
}

fn texture(pixels: &RgbaImage, wanted: &Wanted) -> Texture {
    let encoding = if wanted.channels == Channels::Colour { Encoding::Root } else { Encoding::Linear };
    // The code of each byte in a channel of a texel.
    let codes: [u32; 256] = std::array::from_fn(|byte| {
        let value = byte as f32 / 255.0;
        encoding.pack([if wanted.channels == Channels::Colour { from_srgb(value) } else { value }, 0.0, 0.0])
    });
    let code = |byte: u8| codes[usize::from(byte)];
    let texel = |p: &image::Rgba<u8>| {
        let [r, g, b] = if wanted.channels == Channels::Alpha { [p[3]; 3] } else { [p[0], p[1], p[2]] };
        code(r) | code(g) << 10 | code(b) << 20
    };
    let texels: Arc<[u32]> = pixels.pixels().map(texel).collect();
    let (width, height) = pixels.dimensions();
    Texture { width, height, wrap: wanted.wrap, nearest: wanted.nearest, encoding, texels }
}

/// The linear value of a channel in the curve of sRGB.
fn from_srgb(v: f32) -> f32 {
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}
