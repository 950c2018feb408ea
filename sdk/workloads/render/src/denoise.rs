//! Removing the noise of finished pictures, as a job of its own: one unit a picture.

use bytemuck::{Pod, Zeroable, bytes_of, cast_slice};
use rayon::prelude::*;
use tessera_front_end::{Blob, BufferIndex, Inputs, PlanWriter, PreparedJob, at, number};
use tessera_protocol::spec::{Arg, FrontEnd};

use crate::{
    error::{RenderError, Result},
    image::Image,
    layers::Layers,
};

/// The kernels, in the reproducible profile. Built by `scripts/build-kernels`.
pub const DENOISE_MODULE: &str = include_str!("../kernels/denoise.ptx");
/// Name of this front end in job specifications.
pub const DENOISE_FRONT_END: &str = "denoise";
/// Wavelets; the last one's pixels are 2^(n - 1) apart.
const WAVELETS: u32 = 5;
/// Difference of luminance, in standard errors, over which the weight of a neighbour falls by e.
const SPREAD: f32 = 4.0;
/// Threads of a block.
const BLOCK: u32 = 64;

/// Start of the input; the pixels of each picture follow.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Head {
    width: u32,
    height: u32,
    spread: f32,
    pad: u32,
}

/// As in the kernel.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Pixel {
    light: [f32; 3],
    variance: f32,
    albedo: [f32; 3],
    depth: f32,
    normal: [f32; 3],
    slope: f32,
}

/// A job that removes noise, ready to be posted.
#[derive(Clone, Debug)]
pub struct DenoiseJob {
    /// Ready to be posted, or to be run here. Unit `i` is the picture of this place in what was given.
    pub prepared: PreparedJob,
    width: usize,
    height: usize,
}

impl DenoiseJob {
    /// The picture that a unit's output holds.
    ///
    /// # Errors
    /// If the output has another length.
    pub fn image(&self, output: &[u8]) -> Result<Image> {
        let expected = self.prepared.spec.output_len();
        if output.len() as u64 != expected {
            return Err(RenderError::Merge(format!("a picture of {} bytes, expected {expected}", output.len())));
        }
        let pixels = bytemuck::pod_collect_to_vec(output);
        Ok(Image { width: self.width, height: self.height, pixels })
    }
}

/// Makes the job that removes the noise of some pictures of equal size. They must have been rendered with both kinds of
/// [`Aovs`](crate::Aovs): their errors say how much to smooth, their surfaces where not to.
///
/// # Errors
/// If there are no pictures, they differ in size, or one has no surfaces.
pub fn prepare_denoise(pictures: &[Layers]) -> Result<DenoiseJob> {
    let refused = |reason: &str| Err(RenderError::Setting(format!("cannot remove noise: {reason}")));
    let Some(first) = pictures.first() else { return refused("there are no pictures") };
    let (width, height) = (first.image.width, first.image.height);
    if pictures.iter().any(|layers| (layers.image.width, layers.image.height) != (width, height)) {
        return refused("the pictures differ in size");
    }
    if pictures.iter().any(|layers| layers.alpha.iter().all(|alpha| *alpha == 0.0)) {
        return refused("a picture has no surfaces: render it with them");
    }
    let count = width * height;
    let sides = (u32::try_from(width), u32::try_from(height), u32::try_from(count * pictures.len()));
    let (Ok(across), Ok(down), Ok(_)) = sides else { return refused("the pictures are too large") };
    let head = Head { width: across, height: down, spread: SPREAD, pad: 0 };
    let mut input = bytes_of(&head).to_vec();
    for layers in pictures {
        let pixels: Vec<Pixel> = (0..count).into_par_iter().map(|i| pixel(layers, i)).collect();
        input.extend_from_slice(cast_slice(&pixels));
    }
    let mut inputs = Inputs::default();
    let mut writer = PlanWriter::default();
    let noisy = writer.input(inputs.add("pictures", Blob::of(&input.into())));
    let mut light = || writer.zeros(count as u64 * 16);
    let light = [light(), light()];
    let clean = writer.zeros(count as u64 * 12);
    launches(&mut writer, (count as u32).div_ceil(BLOCK), noisy, light, clean);
    let front_end = FrontEnd { name: DENOISE_FRONT_END.into(), data: Vec::new() };
    let prepared = inputs.job(DENOISE_MODULE, writer.finish(clean), pictures.len() as u64, front_end)?;
    Ok(DenoiseJob { prepared, width, height })
}

/// The kernels in order, over this many blocks. Light goes back and forth between two buffers.
fn launches(
    writer: &mut PlanWriter,
    blocks: u32,
    noisy: BufferIndex,
    [mut from, mut to]: [BufferIndex; 2],
    clean: BufferIndex,
) {
    let mut launch = |kernel: &str, args| writer.launch(kernel, [blocks, 1, 1], [BLOCK, 1, 1], args);
    launch("split", vec![at(noisy, 0), at(from, 0), Arg::Unit32]);
    for wavelet in 0..WAVELETS {
        launch("smooth", vec![at(noisy, 0), at(from, 0), at(to, 0), Arg::Unit32, number(1 << wavelet)]);
        (from, to) = (to, from);
    }
    launch("join", vec![at(noisy, 0), at(from, 0), at(clean, 0), Arg::Unit32]);
}

/// What the kernel needs of a pixel.
fn pixel(layers: &Layers, i: usize) -> Pixel {
    let (width, height) = (layers.image.width, layers.image.height);
    let (x, y) = (i % width, i / width);
    let seen = layers.alpha[i] > 0.0;
    let step = |there: bool, j: usize| {
        let known = there && layers.alpha[j] > 0.0;
        known.then(|| (layers.depth[j] - layers.depth[i]).abs())
    };
    // Along each axis the smaller step: the other one may cross an edge.
    let slope = |a: Option<f32>, b: Option<f32>| match (a, b) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b).unwrap_or(0.0),
    };
    let across = slope(step(x > 0, i.saturating_sub(1)), step(x + 1 < width, (i + 1).min(width * height - 1)));
    let last = width * height - 1;
    let down = slope(step(y > 0, i.saturating_sub(width)), step(y + 1 < height, (i + width).min(last)));
    Pixel {
        light: layers.image.pixels[i],
        variance: layers.error[i] * layers.error[i],
        albedo: if seen { layers.albedo[i].map(|a| a.max(1e-6)) } else { [0.0; 3] },
        depth: layers.depth[i],
        normal: crate::Vec3::from(layers.normal[i]).unit().unwrap_or_default().to_array(),
        slope: across.max(down),
    }
}
