//! A picture with everything that is known of its pixels, as one EXR file.

use std::{fs, io::Cursor, path::Path};

use exr::{
    meta::MetaData,
    prelude::{
        AnyChannel, AnyChannels, Encoding, FlatSamples, Image as ExrImage, Layer, LayerAttributes, ReadChannels,
        ReadLayers, SmallVec, WritableImage,
    },
};

use crate::{
    error::{RenderError, Result},
    image::{Image, encode_failed, write_whole},
};

/// Most numbers of a file that is read: pixels times channels.
const MAX_NUMBERS: usize = 1 << 30;

/// A picture and its layers, row by row from the top. Where something is not known it is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// Linear light.
    pub image: Image,
    /// Share of light that the surface scatters, by channel.
    pub albedo: Vec<[f32; 3]>,
    /// Mean normal, in the world.
    pub normal: Vec<[f32; 3]>,
    /// Mean distance along the view of what is not the background.
    pub depth: Vec<f32>,
    /// Share of the pixel that is not the background.
    pub alpha: Vec<f32>,
    /// Number of the object that the first sample met, plus 1.
    pub object: Vec<u32>,
    /// Standard error of the pixel's luminance.
    pub error: Vec<f32>,
    /// Samples.
    pub samples: Vec<u32>,
}

impl Layers {
    /// Layers that are zero, under a picture.
    #[must_use]
    pub fn empty(image: Image) -> Self {
        let count = image.pixels.len();
        Self {
            image,
            albedo: vec![[0.0; 3]; count],
            normal: vec![[0.0; 3]; count],
            depth: vec![0.0; count],
            alpha: vec![0.0; count],
            object: vec![0; count],
            error: vec![0.0; count],
            samples: vec![0; count],
        }
    }

    /// One OpenEXR file with a channel for each number: `R`, `G`, `B`, `A` and `Z` as programs expect them, the others under
    /// the name of their layer.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn to_exr(&self) -> Result<Vec<u8>> {
        let floats = |name: &str, values: Vec<f32>| AnyChannel::new(name, FlatSamples::F32(values));
        let numbers = |name: &str, values: &[u32]| AnyChannel::new(name, FlatSamples::U32(values.to_vec()));
        let third = |values: &[[f32; 3]], c: usize| values.iter().map(|v| v[c]).collect::<Vec<f32>>();
        let mut list = SmallVec::new();
        for (c, (name, axis)) in ["R", "G", "B"].into_iter().zip(["X", "Y", "Z"]).enumerate() {
            list.push(floats(name, third(&self.image.pixels, c)));
            list.push(floats(&format!("albedo.{name}"), third(&self.albedo, c)));
            list.push(floats(&format!("normal.{axis}"), third(&self.normal, c)));
        }
        list.push(floats("A", self.alpha.clone()));
        list.push(floats("Z", self.depth.clone()));
        list.push(floats("error.Y", self.error.clone()));
        list.push(numbers("object.id", &self.object));
        list.push(numbers("samples.count", &self.samples));
        let layer = Layer::new(
            (self.image.width, self.image.height),
            LayerAttributes::default(),
            Encoding::FAST_LOSSLESS,
            AnyChannels::sort(list),
        );
        let mut bytes = Cursor::new(Vec::new());
        ExrImage::from_layer(layer)
            .write()
            // In order, so that equal pictures are equal files.
            .non_parallel()
            .to_buffered(&mut bytes)
            .map_err(|e| encode_failed("EXR", &e))?;
        Ok(bytes.into_inner())
    }

    /// Reads what [`Layers::to_exr`] made, or another file with the same channels. `name` is used in errors.
    ///
    /// # Errors
    /// If it is no OpenEXR file, is larger than 2^30 numbers, or lacks a channel.
    pub fn from_exr(bytes: &[u8], name: &str) -> Result<Self> {
        let bad = |reason: String| RenderError::Image { name: name.into(), reason };
        let broken = |e: exr::error::Error| bad(format!("cannot be read as OpenEXR: {e}"));
        // Before anything of the size that the file claims is allocated.
        for header in MetaData::read_from_buffered(bytes, false).map_err(broken)?.headers {
            let numbers = header.layer_size.area().saturating_mul(header.channels.list.len());
            if numbers > MAX_NUMBERS {
                return Err(bad(format!("{numbers} numbers, at most {MAX_NUMBERS} can be read")));
            }
        }
        let reader = exr::prelude::read().no_deep_data().largest_resolution_level().all_channels();
        let file = reader.first_valid_layer().all_attributes().from_buffered(Cursor::new(bytes)).map_err(broken)?;
        let (width, height) = (file.layer_data.size.width(), file.layer_data.size.height());
        let channels = &file.layer_data.channel_data.list;
        let samples = |channel: &str| {
            let found = channels.iter().find(|found| found.name.eq(channel)).map(|found| &found.sample_data);
            let missing = || bad(format!("has no channel {channel} of all pixels; render it with `--aovs`"));
            found.filter(|samples| samples.len() == width * height).ok_or_else(missing)
        };
        let floats = |channel: &str| Ok::<Vec<f32>, RenderError>(samples(channel)?.values_as_f32().collect());
        let numbers = |channel: &str| match samples(channel)? {
            FlatSamples::U32(numbers) => Ok(numbers.clone()),
            _ => Err(bad(format!("channel {channel} holds no whole numbers; render it with `--aovs`"))),
        };
        let thirds = |a: &str, b: &str, c: &str| {
            let (a, b, c) = (floats(a)?, floats(b)?, floats(c)?);
            Ok::<Vec<_>, RenderError>(a.into_iter().zip(b).zip(c).map(|((a, b), c)| [a, b, c]).collect())
        };
        Ok(Self {
            image: Image { width, height, pixels: thirds("R", "G", "B")? },
            albedo: thirds("albedo.R", "albedo.G", "albedo.B")?,
            normal: thirds("normal.X", "normal.Y", "normal.Z")?,
            depth: floats("Z")?,
            alpha: floats("A")?,
            object: numbers("object.id")?,
            error: floats("error.Y")?,
            samples: numbers("samples.count")?,
        })
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// As [`Layers::from_exr`], and if there is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| RenderError::File { action: "read", path: path.into(), source })?;
        Self::from_exr(&bytes, &path.display().to_string())
    }

    /// Writes the EXR file to `path`. It appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_exr()?)
    }
}
