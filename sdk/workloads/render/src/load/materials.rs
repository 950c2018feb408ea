//! Materials and the textures they use.

use std::collections::HashMap;

use gltf::{material::AlphaMode, texture::WrappingMode};

use super::{Source, images};
use crate::{
    error::{RenderError, Result},
    math::Vec3,
    scene::{Alpha, Encoding, Material, Scene, Texture, TextureUse, Wrap},
};

/// What of an image a material reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    /// Colours, which files hold in the curve of sRGB.
    Colour,
    /// Linear numbers.
    Data,
    /// The alpha channel.
    Opacity,
}

/// Reads all materials; the first one in `scene` is the default material.
pub(super) fn read(source: &Source<'_>, scene: &mut Scene) -> Result<()> {
    scene.materials.push(Material::default());
    let mut loader = Loader { source, decoded: HashMap::new(), made: HashMap::new(), textures: Vec::new() };
    for material in source.document.materials() {
        let converted = loader.material(&material)?;
        scene.materials.push(converted);
    }
    scene.textures = loader.textures;
    Ok(())
}

struct Loader<'a> {
    source: &'a Source<'a>,
    /// Decoded images by image index.
    decoded: HashMap<usize, image::RgbaImage>,
    /// Finished textures by texture index and use.
    made: HashMap<(usize, Use), u32>,
    textures: Vec<Texture>,
}

impl Loader<'_> {
    fn material(&mut self, m: &gltf::Material<'_>) -> Result<Material> {
        let pbr = m.pbr_metallic_roughness();
        let [r, g, b, opacity] = pbr.base_color_factor();
        let alpha = match m.alpha_mode() {
            AlphaMode::Opaque => Alpha::Opaque,
            AlphaMode::Mask => Alpha::Mask(m.alpha_cutoff().unwrap_or(0.5)),
            AlphaMode::Blend => Alpha::Blend,
        };
        let base = pbr.base_color_texture().map(|info| info.texture());
        let strength = m.emissive_strength().unwrap_or(1.0);
        let material = Material {
            base: Vec3 { x: r, y: g, z: b },
            opacity,
            metallic: pbr.metallic_factor(),
            roughness: pbr.roughness_factor(),
            emissive: Vec3::from(m.emissive_factor()) * strength,
            alpha,
            opacity_texture: match (&base, alpha) {
                (Some(texture), Alpha::Mask(_) | Alpha::Blend) => {
                    Some(TextureUse::plain(self.texture(texture, Use::Opacity)?))
                }
                _ => None,
            },
            base_texture: base.map(|texture| self.texture(&texture, Use::Colour).map(TextureUse::plain)).transpose()?,
            surface_texture: pbr
                .metallic_roughness_texture()
                .map(|info| self.texture(&info.texture(), Use::Data).map(TextureUse::plain))
                .transpose()?,
            emissive_texture: m
                .emissive_texture()
                .map(|info| self.texture(&info.texture(), Use::Colour).map(TextureUse::plain))
                .transpose()?,
            ..Material::default()
        };
        let numbers = [r, g, b, opacity, material.metallic, material.roughness, strength, material.emissive.largest()];
        if numbers.iter().any(|v| !v.is_finite() || *v < 0.0) {
            let index = m.index().unwrap_or_default();
            return Err(self.source.broken(format!("material {index} has a factor that is negative or not finite")));
        }
        Ok(material)
    }

    fn texture(&mut self, texture: &gltf::Texture<'_>, usage: Use) -> Result<u32> {
        let key = (texture.index(), usage);
        if let Some(index) = self.made.get(&key) {
            return Ok(*index);
        }
        let image = texture.source();
        if !self.decoded.contains_key(&image.index()) {
            let pixels = images::decode(self.source, &image)?;
            self.decoded.insert(image.index(), pixels);
        }
        let pixels = &self.decoded[&image.index()];
        let wrap = |mode| match mode {
            WrappingMode::Repeat => Wrap::Repeat,
            WrappingMode::ClampToEdge => Wrap::Clamp,
            WrappingMode::MirroredRepeat => Wrap::Mirror,
        };
        let texel = |p: &image::Rgba<u8>| match usage {
            Use::Colour => Encoding::Root.pack([p[0], p[1], p[2]].map(from_srgb)),
            Use::Data => Encoding::Root.pack([p[0], p[1], p[2]].map(|v| f32::from(v) / 255.0)),
            Use::Opacity => Encoding::Root.pack([f32::from(p[3]) / 255.0; 3]),
        };
        let made = Texture {
            width: pixels.width(),
            height: pixels.height(),
            wrap: [wrap(texture.sampler().wrap_s()), wrap(texture.sampler().wrap_t())],
            nearest: false,
            encoding: Encoding::Root,
            texels: pixels.pixels().map(texel).collect(),
        };
        let index = self.textures.len() as u32;
        if index >= images::MAX_TEXTURES {
            return Err(RenderError::TooLarge(format!("more than {} textures", images::MAX_TEXTURES)));
        }
        self.textures.push(made);
        self.made.insert(key, index);
        Ok(index)
    }
}

/// The linear value of a channel in the curve of sRGB.
fn from_srgb(value: u8) -> f32 {
    let v = f32::from(value) / 255.0;
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}
