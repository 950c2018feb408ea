//! A picture with everything that is known of its pixels, as one EXR file.

use std::{io::Cursor, path::Path};

use exr::prelude::{
    AnyChannel, AnyChannels, Encoding, FlatSamples, Image as ExrImage, Layer, LayerAttributes, SmallVec, WritableImage,
};

use crate::{
    error::Result,
    image::{Image, encode_failed, write_whole},
};

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

    /// Writes the EXR file to `path`. It appears whole or not at all.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_exr()?)
    }
}
