//! Materials: the metallic-roughness surface of glTF 2.0 with its ratified extensions.

use super::TextureUse;
use crate::math::Vec3;

/// A material. A texture's value is multiplied to the factor before it; a `None` layer does not exist.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Material {
    /// Linear base colour; vertex colours are multiplied to it.
    pub base: Vec3,
    /// Texture multiplied to the base colour.
    pub base_texture: Option<TextureUse>,
    /// Opacity factor, which only [`Alpha::Mask`] and [`Alpha::Blend`] read.
    pub opacity: f32,
    /// Texture whose first channel is multiplied to the opacity.
    pub opacity_texture: Option<TextureUse>,
    /// What opacity means.
    pub alpha: Alpha,
    /// 0: dielectric, 1: metal.
    pub metallic: f32,
    /// 0: smooth, 1: rough.
    pub roughness: f32,
    /// Texture whose second channel is multiplied to roughness and whose third to metallic.
    pub surface_texture: Option<TextureUse>,
    /// Linear radiance, strength included.
    pub emissive: Vec3,
    /// Texture multiplied to the radiance.
    pub emissive_texture: Option<TextureUse>,
    /// Bends the shading normal.
    pub normal: Option<NormalMap>,
    /// The surface gives its base colour as light and scatters none (KHR_materials_unlit).
    pub unlit: bool,
    /// Index of refraction of the dielectric (KHR_materials_ior); 0: reflects everything.
    pub ior: f32,
    /// Strength of the dielectric's reflection (KHR_materials_specular).
    pub specular: f32,
    /// Texture whose first channel is multiplied to the strength.
    pub specular_texture: Option<TextureUse>,
    /// Colour of the dielectric's reflection at normal incidence.
    pub specular_color: Vec3,
    /// Texture multiplied to that colour.
    pub specular_color_texture: Option<TextureUse>,
    /// Share of light that enters the surface and leaves on the other side (KHR_materials_transmission).
    pub transmission: f32,
    /// Texture whose first channel is multiplied to the transmission.
    pub transmission_texture: Option<TextureUse>,
    /// What the body behind the surface does to light; `None`: the surface is thin and does not refract.
    pub volume: Option<Volume>,
    /// A coat over everything else (KHR_materials_clearcoat).
    pub clearcoat: Option<Clearcoat>,
    /// Fibres over the base (KHR_materials_sheen).
    pub sheen: Option<Sheen>,
    /// A highlight that is longer along one direction (KHR_materials_anisotropy).
    pub anisotropy: Option<Anisotropy>,
    /// A thin film under the coat (KHR_materials_iridescence).
    pub iridescence: Option<Iridescence>,
}

/// A texture of normals in tangent space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalMap {
    /// The texture, [`Encoding::Linear`](super::Encoding::Linear): 0..1 means -1..1.
    pub texture: TextureUse,
    /// Scales x and y.
    pub scale: f32,
}

/// KHR_materials_volume. Paths are traced through the body, so the thickness for rasterisers is not kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// Absorption per world unit and channel: -ln(attenuation colour) / attenuation distance.
    pub absorption: Vec3,
}

/// KHR_materials_clearcoat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clearcoat {
    /// 0: none, 1: whole.
    pub factor: f32,
    /// Texture whose first channel is multiplied to the factor.
    pub texture: Option<TextureUse>,
    /// Roughness of the coat.
    pub roughness: f32,
    /// Texture whose second channel is multiplied to the roughness.
    pub roughness_texture: Option<TextureUse>,
    /// Normals of the coat, which does not use those of the base.
    pub normal: Option<NormalMap>,
}

/// KHR_materials_sheen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sheen {
    /// Linear colour.
    pub color: Vec3,
    /// Texture multiplied to the colour.
    pub color_texture: Option<TextureUse>,
    /// Roughness of the fibres.
    pub roughness: f32,
    /// Texture whose first channel is multiplied to the roughness (the loader moves alpha there).
    pub roughness_texture: Option<TextureUse>,
}

/// KHR_materials_anisotropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anisotropy {
    /// 0..1.
    pub strength: f32,
    /// Angle from the tangent, counter-clockwise, in radians.
    pub rotation: f32,
    /// Texture: direction in the first two channels (0..1 means -1..1), strength in the third.
    pub texture: Option<TextureUse>,
}

/// KHR_materials_iridescence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iridescence {
    /// 0: none, 1: whole.
    pub factor: f32,
    /// Texture whose first channel is multiplied to the factor.
    pub texture: Option<TextureUse>,
    /// Index of refraction of the film.
    pub ior: f32,
    /// Thickness in nanometres where the texture is 0, and where it is 1 (or there is none).
    pub thickness: [f32; 2],
    /// Texture whose second channel picks the thickness between the two.
    pub thickness_texture: Option<TextureUse>,
}

impl Default for Material {
    fn default() -> Self {
        Self {
            base: Vec3::splat(1.0),
            base_texture: None,
            opacity: 1.0,
            opacity_texture: None,
            alpha: Alpha::Opaque,
            metallic: 1.0,
            roughness: 1.0,
            surface_texture: None,
            emissive: Vec3::splat(0.0),
            emissive_texture: None,
            normal: None,
            unlit: false,
            ior: 1.5,
            specular: 1.0,
            specular_texture: None,
            specular_color: Vec3::splat(1.0),
            specular_color_texture: None,
            transmission: 0.0,
            transmission_texture: None,
            volume: None,
            clearcoat: None,
            sheen: None,
            anisotropy: None,
            iridescence: None,
        }
    }
}

/// What the opacity of a surface means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alpha {
    /// Nothing: the surface is opaque.
    Opaque,
    /// There is no surface where the opacity is below this.
    Mask(f32),
    /// A ray passes with probability 1 - opacity.
    Blend,
}
