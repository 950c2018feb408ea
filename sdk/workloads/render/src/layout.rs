//! The bytes of the kernel's two input buffers. Mirrors `kernels/layout.cuh`; change both together.

use bytemuck::{Pod, Zeroable};

mod material;

pub use self::material::*;

/// Version of this layout.
pub const LAYOUT_VERSION: u32 = 2;
/// A child reference that is a leaf.
pub const LEAF: u32 = 1 << 31;
/// A leaf that holds alpha-tested triangles.
pub const MASKED: u32 = 1 << 30;
/// Most triangles in a leaf: the eighth count marks instances.
pub const MAX_LEAF: usize = 7;
/// Most triangles of a scene, those that stand in several leaves counted for each: leaves have 27 bits for the first one.
pub const MAX_TRIANGLES: usize = 1 << 27;
/// Entries of the kernel's traversal stack.
pub const STACK: usize = 96;
/// No triangle.
pub const NONE: u32 = u32::MAX;
/// Fixed-point units per 1.0 in the sums.
pub const FIXED_ONE: f64 = 16_777_216.0;
/// Largest value of a single sample.
pub const FIXED_MAX: f32 = 65_504.0;

/// Parts of one in the sums of albedo and normals.
pub const GUIDE_ONE: f64 = 4_096.0;
/// [`Frame::outputs`]: the sum of squares,
pub const MOMENT: u32 = 1;
/// and what is known of the surface that is seen.
pub const SURFACE: u32 = 2;
/// A child reference that is an instance.
pub const INSTANCE: u32 = 0xb800_0000;
/// In the upper half of the last word of [`Attributes::normals`]: corner normals differ from the plane's.
pub const SMOOTH_CORNERS: u32 = 0x10000;

/// Start of the frame buffer. Sections are given in units of 16 bytes from its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Frame {
    pub version: u32,
    pub width: u32,
    pub height: u32,
    pub tile: u32,
    pub tiles_x: u32,
    pub samples_per_unit: u32,
    pub slices: u32,
    pub outputs: u32,
    pub seed_low: u32,
    pub seed_high: u32,
    pub max_bounces: u32,
    pub blur: f32,
    pub part_count: u32,
    pub parts: u32,
    pub cameras: u32,
    pub lists: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Part {
    pub first_unit: u32,
    pub number: u32,
    pub camera: u32,
    pub tiles: u32,
    pub list: u32,
    pub first_sample: u32,
    pub end_sample: u32,
    pub clamp: f32,
    pub scale: f32,
    pub pad: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Camera {
    pub origin: [f32; 3],
    pub pose: u32,
    pub right: [f32; 3],
    pub lens_x: f32,
    pub up: [f32; 3],
    pub lens_y: f32,
    pub forward: [f32; 3],
    pub focus: f32,
}

/// A pose of the scene, of which the scene buffer starts with one for each.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Pose {
    pub nodes: u32,
    pub triangles: u32,
    pub attributes: u32,
    pub extras: u32,
    pub instances: u32,
    pub materials: u32,
    pub textures: u32,
    pub texels: u32,
    pub lights: u32,
    pub alias: u32,
    pub light_count: u32,
    pub root: u32,
    pub sky: u32,
    pub sky_size: u32,
    pub sky_cells: u32,
    pub cells_side: u32,
    pub sky_select: f32,
    pub epsilon: f32,
    pub sun_density: f32,
    pub light_scale: f32,
    pub sun_axis: [f32; 3],
    pub sun_cosine: f32,
    pub sun_radiance: [f32; 3],
    pub energy: u32,
    pub pad: [u32; 4],
}

impl Pose {
    /// Makes the places of sections, which are from the start of the buffer, relative to `place`.
    pub fn start_from(&mut self, place: u32) {
        for section in [
            &mut self.nodes,
            &mut self.triangles,
            &mut self.attributes,
            &mut self.extras,
            &mut self.instances,
            &mut self.materials,
            &mut self.textures,
            &mut self.texels,
            &mut self.lights,
            &mut self.alias,
            &mut self.sky,
            &mut self.sky_cells,
            &mut self.energy,
        ] {
            *section -= place;
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Node {
    /// min x, max x, min y, max y, min z, max z of the four children.
    pub bounds: [[f32; 4]; 6],
    pub child: [u32; 4],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Triangle {
    pub rows: [[f32; 4]; 3],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Instance {
    pub inverse: [[f32; 4]; 3],
    pub forward: [[f32; 3]; 3],
    pub root: u32,
    pub object: u32,
    pub order: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Attributes {
    pub normals: [u32; 5],
    pub material: u32,
    pub object: u32,
    pub order: u32,
    pub uvs: [[f32; 2]; 3],
    pub extras: u32,
    pub pad: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Extras {
    pub uvs: [[f32; 2]; 3],
    pub tangents: [u32; 3],
    pub colors: [[u32; 2]; 3],
    pub pad: u32,
}

const _: () = assert!(
    size_of::<Frame>() == 64
        && size_of::<Part>() == 48
        && size_of::<Camera>() == 64
        && size_of::<Pose>() == 128
        && size_of::<Node>() == 112
        && size_of::<Instance>() == 96
        && size_of::<Attributes>() == 64
        && size_of::<Extras>() == 64
);

pub const LIGHT_TRIANGLE: u32 = 0;
pub const LIGHT_POINT: u32 = 1;
pub const LIGHT_SPOT: u32 = 2;
pub const LIGHT_DIRECTIONAL: u32 = 3;
pub const LIGHT_SUN: u32 = 4;
pub const LIGHT_SKY: u32 = 5;

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Light {
    pub a: [f32; 3],
    pub kind: u32,
    pub b: [f32; 3],
    pub p: f32,
    pub c: [f32; 3],
    pub triangle: u32,
    pub power: [f32; 3],
    pub select: f32,
}

/// An entry of a light's alias table.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Alias {
    pub keep: f32,
    pub alias: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct SkyCell {
    pub keep: f32,
    pub alias: u32,
    pub density: f32,
    pub alias_density: f32,
}
