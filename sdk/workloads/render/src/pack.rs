//! A scene in its poses as one buffer for the kernel.

mod attributes;
mod geometry;
mod materials;

use bytemuck::{Pod, bytes_of, cast_slice};
use tessera_protocol::hash::{Digest, sha256};

pub use self::geometry::{Geometry, Placed};
use self::materials::Materials;
use crate::{
    bvh::Bounds,
    environment::{Environment, Sun},
    error::{RenderError, Result},
    layout::{self, SkyCell},
    lights::{Brightness, Lights, alias_table},
    scene::Scene,
};

/// Most cells along a side of the table by which the sky is sampled.
const SKY_CELLS: u32 = 128;

/// What differs between poses.
pub struct Pose {
    /// Where rays start.
    pub root: u32,
    /// Its lights.
    pub lights: Lights,
    /// The box around all of it.
    pub bounds: Bounds,
}

/// What all poses share besides geometry, in the kernel's layout.
pub struct Shared {
    materials: Materials,
    sky: Vec<u32>,
    sky_size: u32,
    cells: (u32, Vec<SkyCell>),
    sun: Option<Sun>,
}

impl Shared {
    /// Packs materials and environment.
    ///
    /// # Errors
    /// If textures are too large.
    pub fn pack(scene: &Scene, environment: &Environment, brightness: &Brightness) -> Result<Self> {
        Ok(Self {
            materials: Materials::pack(scene, &brightness.material_densities())?,
            sky: environment.pack(),
            sky_size: environment.size,
            cells: sky_cells(environment),
            sun: environment.sun,
        })
    }

    /// Names everything in it that decides about samples.
    pub fn digest(&self) -> Digest {
        let sun = self.sun.map_or([0.0; 7], |s| {
            let (d, e) = (s.towards, s.irradiance);
            [d.x, d.y, d.z, e.x, e.y, e.z, s.radius]
        });
        sha256(&[
            cast_slice(&self.materials.records),
            cast_slice(&self.materials.textures),
            cast_slice(&self.materials.texels),
            cast_slice(&self.sky),
            cast_slice(&self.cells.1),
            bytes_of(&sun),
        ])
    }
}

/// The scene buffer.
///
/// # Errors
/// If it is too large for the kernel.
pub fn pack(shared: &Shared, geometry: &Geometry, poses: &[Pose]) -> Result<Vec<u8>> {
    let mut out = Sections { bytes: vec![0; size_of::<layout::Pose>() * poses.len()] };
    let common = layout::Pose {
        nodes: out.add(&geometry.nodes)?,
        triangles: out.add(&geometry.triangles)?,
        attributes: out.add(&geometry.attributes)?,
        extras: out.add(&geometry.extras)?,
        instances: out.add(&geometry.instances)?,
        materials: out.add(&shared.materials.records)?,
        textures: out.add(&shared.materials.textures)?,
        texels: out.add(&shared.materials.texels)?,
        energy: out.add(&shared.materials.energies.bytes)?,
        sky: out.add(&shared.sky)?,
        sky_size: shared.sky_size,
        sky_cells: out.add(&shared.cells.1)?,
        cells_side: shared.cells.0,
        ..layout::Pose::default()
    };
    for (i, pose) in poses.iter().enumerate() {
        let sun = shared.sun.filter(|_| pose.lights.sun_density > 0.0);
        let mut header = layout::Pose {
            lights: out.add(&pose.lights.records)?,
            alias: out.add(&pose.lights.alias)?,
            light_count: pose.lights.records.len() as u32,
            root: pose.root,
            sky_select: pose.lights.sky_select,
            epsilon: (2e-5 * pose.bounds.diagonal() + 4e-6 * pose.bounds.reach()).max(1e-7),
            sun_density: pose.lights.sun_density,
            light_scale: pose.lights.scale,
            sun_axis: sun.map_or([0.0; 3], |s| s.towards.to_array()),
            sun_cosine: sun.map_or(2.0, |s| s.radius.cos()),
            sun_radiance: sun.map_or([0.0; 3], |s| s.radiance().to_array()),
            ..common
        };
        let at = i * size_of::<layout::Pose>();
        header.start_from((at / 16) as u32);
        if pose.lights.sky_select <= 0.0 {
            header.sky_cells = 0;
        }
        out.bytes[at..at + size_of::<layout::Pose>()].copy_from_slice(bytes_of(&header));
    }
    Ok(out.bytes)
}

pub fn too_large(what: &str) -> RenderError {
    RenderError::TooLarge(format!("the {what} exceed what the kernel can address"))
}

/// Sections one after the other, each starting at a multiple of 16 bytes.
pub struct Sections {
    pub bytes: Vec<u8>,
}

impl Sections {
    /// Appends a section and returns its place in units of 16 bytes. An empty one still takes 16 bytes.
    ///
    /// # Errors
    /// If the buffer becomes too large.
    pub fn add<T: Pod>(&mut self, items: &[T]) -> Result<u32> {
        let place = u32::try_from(self.bytes.len() / 16).map_err(|_| too_large("buffers"))?;
        self.bytes.extend_from_slice(cast_slice(items));
        let filled = self.bytes.len().next_multiple_of(16).max((place as usize + 1) * 16);
        self.bytes.resize(filled, 0);
        Ok(place)
    }
}

/// The table by which the sky is sampled: its side and its cells; nothing for a sky that is not.
fn sky_cells(environment: &Environment) -> (u32, Vec<SkyCell>) {
    if !environment.peaked {
        return (0, Vec::new());
    }
    let side = environment.size.min(SKY_CELLS);
    let mut weights = environment.cell_weights(side);
    let total: f64 = weights.iter().sum();
    // Every direction stays possible.
    let floor = total * 0.01 / weights.len() as f64;
    weights.iter_mut().for_each(|w| *w += floor);
    let total: f64 = weights.iter().sum();
    let count = weights.len() as f64;
    let density = |i: usize| (weights[i] / total * count) as f32;
    let cells = alias_table(&weights)
        .iter()
        .enumerate()
        .map(|(i, entry)| SkyCell {
            keep: entry.keep,
            alias: entry.alias,
            density: density(i),
            alias_density: density(entry.alias as usize),
        })
        .collect();
    (side, cells)
}
