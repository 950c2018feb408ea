//! Materials and textures in the kernel's layout.

use std::collections::{HashMap, hash_map::Entry};

use bytemuck::cast_slice;

use super::Sections;
use crate::{
    energy,
    error::Result,
    layout::{self, Material as Record},
    scene::{Alpha, Encoding, Material, NormalMap, Scene, Texture, TextureUse, Wrap},
};

/// How far an index of refraction must differ from 1 to bend light: less cannot be told from rounding.
const LEAST_BEND: f32 = 0.005;

/// All materials of a scene, and what they read.
pub struct Materials {
    /// Records in the scene's order.
    pub records: Vec<Record>,
    /// Textures as materials use them.
    pub textures: Vec<layout::Texture>,
    /// The texels of all textures.
    pub texels: Vec<u32>,
    /// Tables of energies: first those that every scene has, then those that records name by their place.
    pub energies: Sections,
}

impl Materials {
    /// Packs the materials. `densities` says with which density over area light sampling picks a point of each, before
    /// it is scaled by that of the pose.
    ///
    /// # Errors
    /// If the textures have too many texels.
    pub fn pack(scene: &Scene, densities: &[f32]) -> Result<Self> {
        let mut texels = Vec::with_capacity(scene.textures.iter().map(|t| t.texels.len()).sum());
        let mut firsts = Vec::with_capacity(scene.textures.len());
        for texture in &scene.textures {
            firsts.push(u32::try_from(texels.len()).map_err(|_| super::too_large("textures"))?);
            texels.extend_from_slice(&texture.texels);
        }
        let mut uses = Uses { textures: &scene.textures, firsts, records: Vec::new() };
        let records = scene
            .materials
            .iter()
            .zip(densities)
            .map(|(m, density)| Record { flags: flags(m), light_density: *density, ..record(m, &mut uses) })
            .collect();
        let energies = Sections { bytes: Vec::new() };
        let mut materials = Self { records, textures: uses.records, texels, energies };
        materials.add_energies(scene)?;
        Ok(materials)
    }

    /// Adds the tables by which the materials keep their energy, and tells the records where.
    fn add_energies(&mut self, scene: &Scene) -> Result<()> {
        let out = &mut self.energies;
        let common = energy::common();
        let bytes = [cast_slice(&common.glossy), cast_slice::<_, u8>(&common.sheen)].concat();
        out.add(&bytes)?;
        // One table for each index and each strength that occurs.
        let (mut refracting, mut stretched) = (HashMap::new(), HashMap::new());
        for (record, material) in self.records.iter_mut().zip(&scene.materials) {
            if record.flags & layout::TRANSMISSION != 0 && refracts(material) {
                record.refraction = once(out, &mut refracting, material.ior, energy::refracting)?;
            }
            if record.flags & layout::ANISOTROPY != 0 {
                // A texture of strengths has one table, for its mean.
                let texture = material.anisotropy.and_then(|a| a.texture);
                let mean = texture.map_or(1.0, |t| scene.textures[t.texture as usize].mean().z);
                let strength = record.anisotropy * mean;
                record.stretched = once(out, &mut stretched, strength, energy::anisotropic)?;
            }
        }
        Ok(())
    }
}

/// The place of the table of a number, which is added where it is not `known`.
fn once(
    out: &mut Sections,
    known: &mut HashMap<u32, u32>,
    number: f32,
    table: fn(f64) -> Vec<[f32; 2]>,
) -> Result<u32> {
    Ok(match known.entry(number.to_bits()) {
        Entry::Occupied(known) => *known.get(),
        Entry::Vacant(new) => *new.insert(out.add(&table(f64::from(number)))?),
    })
}

/// Records of textures as they are used, each once.
struct Uses<'a> {
    textures: &'a [Texture],
    /// First texel of each texture.
    firsts: Vec<u32>,
    records: Vec<layout::Texture>,
}

impl Uses<'_> {
    /// Index + 1 of the record of a use; 0 for none.
    fn of(&mut self, usage: Option<TextureUse>) -> u32 {
        let Some(usage) = usage else { return 0 };
        let texture = &self.textures[usage.texture as usize];
        let wrap = texture.wrap.map(|w| match w {
            Wrap::Repeat => layout::WRAP_REPEAT,
            Wrap::Clamp => layout::WRAP_CLAMP,
            Wrap::Mirror => layout::WRAP_MIRROR,
        });
        let bit = |is: bool, bit: u32| if is { bit } else { 0 };
        let record = layout::Texture {
            first: self.firsts[usage.texture as usize],
            width: texture.width,
            height: texture.height,
            flags: wrap[0]
                | wrap[1] << 2
                | bit(texture.nearest, layout::TEXTURE_NEAREST)
                | bit(texture.encoding == Encoding::Linear, layout::TEXTURE_LINEAR)
                | bit(usage.set == 1, layout::TEXTURE_SECOND_SET)
                | bit(usage.map != TextureUse::plain(0).map, layout::TEXTURE_MAPPED),
            map: usage.map,
            pad: [0; 2],
        };
        let place = self.records.iter().position(|r| *r == record).unwrap_or_else(|| {
            self.records.push(record);
            self.records.len() - 1
        });
        place as u32 + 1
    }

    /// The use of a texture of normals, and its scale.
    fn normals(&mut self, normals: Option<NormalMap>) -> (u32, f32) {
        normals.map_or((0, 1.0), |n| (self.of(Some(n.texture)), n.scale))
    }
}

/// Whether light that passes the surface is bent: not in thin sheets, nor where both sides are the same.
fn refracts(m: &Material) -> bool {
    m.volume.is_some() && m.ior > 0.0 && (m.ior - 1.0).abs() > LEAST_BEND
}

/// Which parts of its record the kernel reads.
fn flags(m: &Material) -> u32 {
    [
        (m.unlit, layout::UNLIT),
        (m.normal.is_some(), layout::NORMAL_MAP),
        (m.specular_texture.or(m.specular_color_texture).is_some(), layout::SPECULAR_TEXTURES),
        (m.transmission > 0.0 && m.metallic < 1.0, layout::TRANSMISSION),
        (m.clearcoat.is_some_and(|c| c.factor > 0.0), layout::COAT),
        (m.sheen.is_some_and(|s| s.color.largest() > 0.0), layout::SHEEN),
        (m.anisotropy.is_some_and(|a| a.strength > 0.0), layout::ANISOTROPY),
        (m.iridescence.is_some_and(|i| i.factor > 0.0), layout::FILM),
    ]
    .iter()
    .fold(0, |flags, (is, bit)| if *is { flags | bit } else { flags })
}

fn record(m: &Material, uses: &mut Uses<'_>) -> Record {
    let (normal_texture, normal_scale) = uses.normals(m.normal);
    // An index of 0 reflects everything (KHR_materials_ior).
    let root = if m.ior > 0.0 { (m.ior - 1.0) / (m.ior + 1.0) } else { 1.0 };
    let mut record = Record {
        base: m.base.to_array(),
        opacity: m.opacity,
        emissive: m.emissive.to_array(),
        cutoff: match m.alpha {
            Alpha::Opaque => 0.0,
            Alpha::Mask(cutoff) => cutoff.min(1.0),
            Alpha::Blend => 2.0,
        },
        metallic: m.metallic.min(1.0),
        roughness: m.roughness.min(1.0),
        base_texture: uses.of(m.base_texture),
        opacity_texture: uses.of(m.opacity_texture),
        surface_texture: uses.of(m.surface_texture),
        emissive_texture: uses.of(m.emissive_texture),
        mirror: (m.specular_color * (root * root)).to_array(),
        specular: m.specular.min(1.0),
        specular_texture: uses.of(m.specular_texture),
        specular_color_texture: uses.of(m.specular_color_texture),
        transmission_texture: uses.of(m.transmission_texture),
        normal_texture,
        normal_scale,
        ior: m.ior,
        transmission: m.transmission.min(1.0),
        absorption: m.volume.map_or([0.0; 3], |v| v.absorption.to_array()),
        ..bytemuck::Zeroable::zeroed()
    };
    if let Some(coat) = &m.clearcoat {
        record.coat = coat.factor.min(1.0);
        record.coat_roughness = coat.roughness.min(1.0);
        record.coat_texture = uses.of(coat.texture);
        record.coat_roughness_texture = uses.of(coat.roughness_texture);
        (record.coat_normal_texture, record.coat_normal_scale) = uses.normals(coat.normal);
    }
    if let Some(sheen) = &m.sheen {
        record.sheen = sheen.color.to_array().map(|c| c.min(1.0));
        record.sheen_roughness = sheen.roughness.min(1.0);
        record.sheen_texture = uses.of(sheen.color_texture);
        record.sheen_roughness_texture = uses.of(sheen.roughness_texture);
    }
    if let Some(anisotropy) = &m.anisotropy {
        record.anisotropy = anisotropy.strength.min(1.0);
        (record.anisotropy_sine, record.anisotropy_cosine) = anisotropy.rotation.sin_cos();
        record.anisotropy_texture = uses.of(anisotropy.texture);
    }
    if let Some(film) = &m.iridescence {
        record.film = film.factor.min(1.0);
        record.film_ior = film.ior;
        [record.film_thin, record.film_thick] = film.thickness;
        record.film_texture = uses.of(film.texture);
        record.film_thickness_texture = uses.of(film.thickness_texture);
    }
    record
}
