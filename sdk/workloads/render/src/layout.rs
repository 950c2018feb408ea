//! The bytes of the kernel's two input buffers. Mirrors `kernels/layout.cuh`; change both together.

use bytemuck::{Pod, Zeroable};

mod material;

pub use self::material::*;

/// Version of this layout.
pub const LAYOUT_VERSION: u32 = 1;
/// A child reference that is a leaf.
pub const LEAF: u32 = 1 << 31;
/// A leaf that holds alpha-tested triangles.
pub const MASKED: u32 = 1 << 30;
/// Most triangles in a leaf.
pub const MAX_LEAF: usize = 8;
/// Most triangles of a scene: leaves have 27 bits for the first one.
pub const MAX_TRIANGLES: usize = 1 << 27;
/// Entries of the kernel's traversal stack.
pub const STACK: usize = 64;
/// No triangle.
pub const NONE: u32 = u32::MAX;
/// Fixed-point units per 1.0 in the sums.
pub const FIXED_ONE: f64 = 16_777_216.0;
/// Largest value of a single sample.
pub const FIXED_MAX: f32 = 65_504.0;

/// Start of the frame buffer; one [`Camera`] per frame follows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Frame {
    pub version: u32,
    pub width: u32,
    pub height: u32,
    pub tile: u32,
    pub tiles_x: u32,
    pub tiles_y: u32,
    pub samples: u32,
    pub samples_per_unit: u32,
    pub ranges: u32,
    pub seed_low: u32,
    pub seed_high: u32,
    pub max_bounces: u32,
    pub clamp: f32,
    pub blur: f32,
    pub pad: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Camera {
    pub origin: [f32; 3],
    pub parallel: u32,
    pub right: [f32; 3],
    pub pad0: u32,
    pub up: [f32; 3],
    pub pad1: u32,
    pub forward: [f32; 3],
    pub pad2: u32,
}

/// Start of the scene buffer. Sections are given in units of 16 bytes from its start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub struct Header {
    pub nodes: u32,
    pub triangles: u32,
    pub attributes: u32,
    pub materials: u32,
    pub textures: u32,
    pub texels: u32,
    pub lights: u32,
    pub alias: u32,
    pub light_count: u32,
    pub sky: u32,
    pub sky_size: u32,
    pub sky_cells: u32,
    pub cells_side: u32,
    pub sky_select: f32,
    pub epsilon: f32,
    pub sun_density: f32,
    pub sun_axis: [f32; 3],
    pub sun_cosine: f32,
    pub sun_radiance: [f32; 3],
    pub energy: u32,
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
pub struct Attributes {
    pub normals: [[f32; 3]; 3],
    pub uvs: [[f32; 2]; 3],
    pub material: u32,
}

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
