//! A scene as one buffer for the kernel.

mod materials;

use bytemuck::{Pod, Zeroable, bytes_of, cast_slice};

use self::materials::Materials;
use crate::{
    bvh::Bvh,
    environment::Environment,
    error::{RenderError, Result},
    layout::{self, SkyCell},
    lights::{Lights, alias_table},
    scene::{Alpha, Scene, Triangle},
};

/// Most cells along a side of the table by which the sky is sampled.
const SKY_CELLS: u32 = 128;

impl Scene {
    /// Builds the tree over the scene's triangles.
    ///
    /// # Errors
    /// If there are too many.
    pub fn tree(&self) -> Result<Bvh> {
        Bvh::build(&self.triangles, |t| self.is_masked(t))
    }

    fn is_masked(&self, triangle: &Triangle) -> bool {
        self.materials[triangle.material as usize].alpha != Alpha::Opaque
    }
}

/// A scene in the kernel's layout.
pub struct Packed {
    /// The scene buffer.
    pub bytes: Vec<u8>,
    /// Roughly how bright a white surface of the scene is.
    pub typical_radiance: f32,
}

/// Packs the scene under its environment.
///
/// # Errors
/// If it is too large for the kernel.
pub fn pack(scene: &Scene, tree: &Bvh, environment: &Environment) -> Result<Packed> {
    let (low, high) = scene.bounds();
    let diagonal = (high - low).length();
    let lights = Lights::collect(scene, environment, &tree.order, (diagonal * 0.5).max(1e-3));
    let sun = environment.sun.filter(|_| lights.sun_density > 0.0);
    let solid = |radius: f32| std::f32::consts::TAU * (1.0 - radius.cos());
    let mut out = Sections { bytes: vec![0; size_of::<layout::Header>()] };
    let attributes: Vec<_> = tree.order.iter().map(|i| attributes(&scene.triangles[*i as usize])).collect();
    let mut materials = Materials::pack(scene, &smooth_materials(scene), &lights.material_density)?;
    materials.add_energies(scene, &mut out)?;
    let cells = sky_cells(environment, lights.sky_select);
    let farthest = low.max(-low).max(high.max(-high)).largest();
    let header = layout::Header {
        nodes: out.add(&tree.nodes)?,
        triangles: out.add(&tree.triangles)?,
        attributes: out.add(&attributes)?,
        materials: out.add(&materials.records)?,
        textures: out.add(&materials.textures)?,
        texels: out.add(&materials.texels)?,
        lights: out.add(&lights.records)?,
        alias: out.add(&lights.alias)?,
        light_count: lights.records.len() as u32,
        sky: out.add(&environment.pack())?,
        sky_size: environment.size,
        sky_cells: if cells.1.is_empty() { 0 } else { out.add(&cells.1)? },
        cells_side: cells.0,
        sky_select: lights.sky_select,
        epsilon: (2e-5 * diagonal + 4e-6 * farthest).max(1e-7),
        sun_density: lights.sun_density,
        sun_axis: sun.map_or([0.0; 3], |s| s.towards.to_array()),
        sun_cosine: sun.map_or(2.0, |s| s.radius.cos()),
        sun_radiance: sun.map_or([0.0; 3], |s| (s.irradiance * (1.0 / solid(s.radius))).to_array()),
        energy: materials.energy,
    };
    out.bytes[..size_of::<layout::Header>()].copy_from_slice(bytes_of(&header));
    Ok(Packed { bytes: out.bytes, typical_radiance: lights.typical_radiance })
}

fn too_large(what: &str) -> RenderError {
    RenderError::TooLarge(format!("the {what} exceed what the kernel can address"))
}

/// Sections one after the other, each starting at a multiple of 16 bytes.
struct Sections {
    bytes: Vec<u8>,
}

impl Sections {
    /// Appends a section and returns its place in units of 16 bytes. An empty one still takes 16 bytes.
    fn add<T: Pod>(&mut self, items: &[T]) -> Result<u32> {
        let place = u32::try_from(self.bytes.len() / 16).map_err(|_| too_large("buffers"))?;
        self.bytes.extend_from_slice(cast_slice(items));
        let filled = self.bytes.len().next_multiple_of(16).max((place as usize + 1) * 16);
        self.bytes.resize(filled, 0);
        Ok(place)
    }
}

/// Per material, whether any of its triangles has corner normals that differ from the plane's.
fn smooth_materials(scene: &Scene) -> Vec<bool> {
    let mut smooth = vec![false; scene.materials.len()];
    for triangle in &scene.triangles {
        let flat = triangle.cross().unit().unwrap_or_default();
        smooth[triangle.material as usize] |= triangle.normals.iter().any(|n| n.dot(flat).abs() < 0.9999);
    }
    smooth
}

fn attributes(triangle: &Triangle) -> layout::Attributes {
    layout::Attributes {
        normals: triangle.normals.map(|n| n.to_array()),
        uvs: triangle.uvs[0],
        material: triangle.material,
    }
}

/// The table by which the sky is sampled: its side and its cells; nothing for a sky that is not.
fn sky_cells(environment: &Environment, select: f32) -> (u32, Vec<SkyCell>) {
    if select <= 0.0 {
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

const _: () = assert!(size_of::<layout::Frame>() == 64 && size_of::<layout::Header>() == 96);

/// The frame buffer: the frame's numbers, then one camera per frame.
#[must_use]
pub fn pack_frame(frame: &layout::Frame, cameras: &[layout::Camera]) -> Vec<u8> {
    let mut bytes = bytes_of(frame).to_vec();
    bytes.extend_from_slice(cast_slice(cameras));
    bytes
}

/// A frame record of zeros, to be filled in.
#[must_use]
pub fn empty_frame() -> layout::Frame {
    layout::Frame::zeroed()
}
