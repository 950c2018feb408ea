//! Records of materials and textures. Mirrors `kernels/material.cuh`; change both together.

use bytemuck::{Pod, Zeroable};

/// [`Texture::flags`] from bit 0 for u and from bit 2 for v: the texture repeats, its border continues, it is mirrored.
pub const WRAP_REPEAT: u32 = 0;
pub const WRAP_CLAMP: u32 = 1;
pub const WRAP_MIRROR: u32 = 2;
/// The nearest texel is taken.
pub const TEXTURE_NEAREST: u32 = 16;
/// Texels hold values themselves, not their square roots.
pub const TEXTURE_LINEAR: u32 = 32;
/// The second set of coordinates is read.
pub const TEXTURE_SECOND_SET: u32 = 64;
/// The map is not the identity.
pub const TEXTURE_MAPPED: u32 = 128;

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Texture {
    pub first: u32,
    pub width: u32,
    pub height: u32,
    pub flags: u32,
    pub map: [[f32; 3]; 2],
    pub pad: [u32; 2],
}

/// [`Material::flags`]: the base colour is light.
pub const UNLIT: u32 = 2;
pub const NORMAL_MAP: u32 = 4;
pub const SPECULAR_TEXTURES: u32 = 8;
pub const TRANSMISSION: u32 = 16;
pub const COAT: u32 = 32;
pub const SHEEN: u32 = 64;
pub const ANISOTROPY: u32 = 128;
pub const FILM: u32 = 256;

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Material {
    pub base: [f32; 3],
    pub opacity: f32,
    pub emissive: [f32; 3],
    pub cutoff: f32,
    pub metallic: f32,
    pub roughness: f32,
    pub light_density: f32,
    pub flags: u32,
    pub base_texture: u32,
    pub opacity_texture: u32,
    pub surface_texture: u32,
    pub emissive_texture: u32,
    pub mirror: [f32; 3],
    pub specular: f32,
    pub specular_texture: u32,
    pub specular_color_texture: u32,
    pub transmission_texture: u32,
    pub normal_texture: u32,
    pub normal_scale: f32,
    pub ior: f32,
    pub transmission: f32,
    pub refraction: u32,
    pub absorption: [f32; 3],
    pub coat: f32,
    pub coat_roughness: f32,
    pub coat_normal_scale: f32,
    pub coat_texture: u32,
    pub coat_roughness_texture: u32,
    pub sheen: [f32; 3],
    pub sheen_roughness: f32,
    pub sheen_texture: u32,
    pub sheen_roughness_texture: u32,
    pub coat_normal_texture: u32,
    pub anisotropy: f32,
    pub anisotropy_cosine: f32,
    pub anisotropy_sine: f32,
    pub anisotropy_texture: u32,
    pub film: f32,
    pub film_ior: f32,
    pub film_thin: f32,
    pub film_thick: f32,
    pub film_texture: u32,
    pub film_thickness_texture: u32,
    pub stretched: u32,
    pub pad: [u32; 2],
}

const _: () = assert!(size_of::<Texture>() == 48 && size_of::<Material>() == 224);
