//! Materials.

use gltf::json::{self, material::AlphaMode, validation::Checked};

use super::{
    extensions::{self, Extensions, Reference},
    file::Source,
    images::{Channels, Textures},
};
use crate::{
    error::Result,
    math::Vec3,
    scene::{Alpha, Anisotropy, Clearcoat, Iridescence, Material, NormalMap, Sheen, Texture, TextureUse, Volume},
};

/// Largest number in a map of texture coordinates.
pub(super) const MAX_COORDINATE: f32 = 1e6;

/// What meshes need to know of a material besides itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// The file's sets of texture coordinates that become a triangle's two.
    pub sets: [u32; 2],
    /// The texture that needs tangents, if any.
    pub tangents: Option<TextureUse>,
}

/// Materials, textures and needs; the first material is the default one.
pub(super) struct Materials {
    pub materials: Vec<Material>,
    pub needs: Vec<Needs>,
    pub textures: Vec<Texture>,
}

/// Reads all materials and the textures that they use.
pub(super) fn read(source: &Source<'_>) -> Result<Materials> {
    let (mut materials, mut needs) = (vec![Material::default()], vec![Needs { sets: [0, 1], tangents: None }]);
    let mut textures = Textures::new(source);
    for (index, material) in source.root.materials.iter().enumerate() {
        let owner = format!("material {index}");
        let mut reader = Reader { owner: &owner, textures: &mut textures, sets: Vec::new() };
        let mut converted = reader.material(material)?;
        let sets = reader.assign_sets(&mut converted)?;
        needs.push(Needs { sets, tangents: tangent_texture(&converted) });
        materials.push(converted);
    }
    Ok(Materials { materials, needs, textures: textures.read()? })
}

/// Whose coordinates tangents follow.
fn tangent_texture(material: &Material) -> Option<TextureUse> {
    let coat = material.clearcoat.and_then(|coat| coat.normal);
    let normal = material.normal.or(coat).map(|map| map.texture);
    // An anisotropic material without a texture still needs a direction.
    normal.or_else(|| material.anisotropy.map(|a| a.texture.or(material.base_texture).unwrap_or(TextureUse::plain(0))))
}

struct Reader<'r, 'a> {
    owner: &'r str,
    textures: &'r mut Textures<'a>,
    /// The file's sets of texture coordinates in the order in which they are used; uses name them by place here.
    sets: Vec<u32>,
}

impl Reader<'_, '_> {
    fn material(&mut self, m: &json::Material) -> Result<Material> {
        let extensions = m.extensions.as_ref().map(|e| &e.others);
        let pbr = &m.pbr_metallic_roughness;
        let [r, g, b, opacity] = pbr.base_color_factor.0;
        let alpha = match m.alpha_mode {
            Checked::Valid(AlphaMode::Mask) => Alpha::Mask(self.number(m.alpha_cutoff.map_or(0.5, |c| c.0))?),
            Checked::Valid(AlphaMode::Blend) => Alpha::Blend,
            _ => Alpha::Opaque,
        };
        let base = pbr.base_color_texture.as_ref().map(Reference::from);
        let strength = self.get::<extensions::EmissiveStrength>(extensions, "KHR_materials_emissive_strength")?;
        let strength = self.number(strength.unwrap_or_default().emissive_strength)?;
        let emissive = self.numbers(m.emissive_factor.0)? * strength;
        self.number(emissive.largest())?;
        let surface = pbr.metallic_roughness_texture.as_ref().map(Reference::from);
        let material = Material {
            base: self.shares([r, g, b])?,
            base_texture: self.texture(base.as_ref(), Channels::Colour)?,
            opacity: self.share(opacity)?,
            opacity_texture: self.texture(base.as_ref().filter(|_| alpha != Alpha::Opaque), Channels::Alpha)?,
            alpha,
            metallic: self.share(pbr.metallic_factor.0)?,
            roughness: self.share(pbr.roughness_factor.0)?,
            surface_texture: self.texture(surface.as_ref(), Channels::Data)?,
            emissive,
            emissive_texture: self
                .texture(m.emissive_texture.as_ref().map(Reference::from).as_ref(), Channels::Colour)?,
            normal: self.normal(m.normal_texture.as_ref().map(Reference::from).as_ref())?,
            unlit: self.get::<extensions::Unlit>(extensions, "KHR_materials_unlit")?.is_some(),
            ..Material::default()
        };
        self.layers(material, extensions)
    }

    /// Adds what extensions say of the dielectric and of layers.
    fn layers(&mut self, mut material: Material, extensions: Option<&Extensions>) -> Result<Material> {
        let m = &mut material;
        m.ior = self.number(self.get::<extensions::Ior>(extensions, "KHR_materials_ior")?.unwrap_or_default().ior)?;
        if m.ior != 0.0 && m.ior < 1.0 {
            return Err(self.broken(format!("an index of refraction of {}", m.ior)));
        }
        if let Some(specular) = self.get::<extensions::Specular>(extensions, "KHR_materials_specular")? {
            m.specular = self.share(specular.specular_factor)?;
            m.specular_texture = self.texture(specular.specular_texture.as_ref(), Channels::Alpha)?;
            m.specular_color = self.numbers(specular.specular_color_factor)?;
            m.specular_color_texture = self.texture(specular.specular_color_texture.as_ref(), Channels::Colour)?;
        }
        if let Some(through) = self.get::<extensions::Transmission>(extensions, "KHR_materials_transmission")? {
            m.transmission = self.share(through.transmission_factor)?;
            m.transmission_texture = self.texture(through.transmission_texture.as_ref(), Channels::Data)?;
        }
        if let Some(volume) = self.get::<extensions::Volume>(extensions, "KHR_materials_volume")? {
            let color = self.shares(volume.attenuation_color)?;
            let distance = volume.attenuation_distance;
            if distance.is_nan() || distance <= 0.0 {
                return Err(self.broken(format!("an attenuation distance of {distance}")));
            }
            // Black would mean no light at any distance; this leaves a millionth.
            let absorption = color.to_array().map(|c| self.number(-c.max(1e-6).ln() / distance));
            let [x, y, z] = absorption;
            // Without a thickness the surface is that of nothing solid.
            let solid = self.number(volume.thickness_factor)? > 0.0;
            m.volume = solid.then_some(Volume { absorption: Vec3 { x: x?, y: y?, z: z? } });
        }
        if let Some(coat) = self.get::<extensions::Clearcoat>(extensions, "KHR_materials_clearcoat")? {
            let clearcoat = Clearcoat {
                factor: self.share(coat.clearcoat_factor)?,
                texture: self.texture(coat.clearcoat_texture.as_ref(), Channels::Data)?,
                roughness: self.share(coat.clearcoat_roughness_factor)?,
                roughness_texture: self.texture(coat.clearcoat_roughness_texture.as_ref(), Channels::Data)?,
                normal: self.normal(coat.clearcoat_normal_texture.as_ref())?,
            };
            m.clearcoat = (clearcoat.factor > 0.0).then_some(clearcoat);
        }
        if let Some(sheen) = self.get::<extensions::Sheen>(extensions, "KHR_materials_sheen")? {
            let fibres = Sheen {
                color: self.shares(sheen.sheen_color_factor)?,
                color_texture: self.texture(sheen.sheen_color_texture.as_ref(), Channels::Colour)?,
                roughness: self.share(sheen.sheen_roughness_factor)?,
                roughness_texture: self.texture(sheen.sheen_roughness_texture.as_ref(), Channels::Alpha)?,
            };
            m.sheen = (fibres.color.largest() > 0.0).then_some(fibres);
        }
        if let Some(along) = self.get::<extensions::Anisotropy>(extensions, "KHR_materials_anisotropy")? {
            let anisotropy = Anisotropy {
                strength: self.share(along.anisotropy_strength)?,
                rotation: self.finite(along.anisotropy_rotation)?,
                texture: self.texture(along.anisotropy_texture.as_ref(), Channels::Data)?,
            };
            m.anisotropy = (anisotropy.strength > 0.0).then_some(anisotropy);
        }
        if let Some(film) = self.get::<extensions::Iridescence>(extensions, "KHR_materials_iridescence")? {
            let iridescence = Iridescence {
                factor: self.share(film.iridescence_factor)?,
                texture: self.texture(film.iridescence_texture.as_ref(), Channels::Data)?,
                ior: self.number(film.iridescence_ior)?.max(1.0),
                thickness: [
                    self.number(film.iridescence_thickness_minimum)?,
                    self.number(film.iridescence_thickness_maximum)?,
                ],
                thickness_texture: self.texture(film.iridescence_thickness_texture.as_ref(), Channels::Data)?,
            };
            m.iridescence = (iridescence.factor > 0.0).then_some(iridescence);
        }
        Ok(material)
    }

    fn broken(&self, reason: String) -> crate::error::RenderError {
        self.textures.source.broken(format!("{} has {reason}", self.owner))
    }

    fn get<T: serde::de::DeserializeOwned>(&self, extensions: Option<&Extensions>, name: &str) -> Result<Option<T>> {
        self.textures.source.extension(extensions, name, self.owner)
    }

    fn finite(&self, value: f32) -> Result<f32> {
        if value.is_finite() { Ok(value) } else { Err(self.broken("a factor that is not finite".into())) }
    }

    fn number(&self, value: f32) -> Result<f32> {
        let finite = self.finite(value)?;
        // Negative zero becomes zero.
        if finite >= 0.0 { Ok(finite + 0.0) } else { Err(self.broken(format!("a negative factor {value}"))) }
    }

    fn numbers(&self, values: [f32; 3]) -> Result<Vec3> {
        let [x, y, z] = values.map(|v| self.number(v));
        Ok(Vec3 { x: x?, y: y?, z: z? })
    }

    /// A number of 0 to 1; exporters round up a little.
    fn share(&self, value: f32) -> Result<f32> {
        Ok(self.number(value)?.min(1.0))
    }

    fn shares(&self, values: [f32; 3]) -> Result<Vec3> {
        Ok(self.numbers(values)?.min(Vec3::splat(1.0)))
    }

    fn normal(&mut self, reference: Option<&Reference>) -> Result<Option<NormalMap>> {
        let scale = self.finite(reference.map_or(1.0, |r| r.scale))?;
        Ok(self.texture(reference, Channels::Data)?.map(|texture| NormalMap { texture, scale }))
    }

    fn texture(&mut self, reference: Option<&Reference>, channels: Channels) -> Result<Option<TextureUse>> {
        let Some(reference) = reference else { return Ok(None) };
        let texture = self.textures.place(reference.index, channels, self.owner)?;
        let transform =
            self.get::<extensions::TextureTransform>(Some(&reference.extensions), "KHR_texture_transform")?;
        let transform = transform.unwrap_or_default();
        // Counter-clockwise in the image, whose v points down: from u towards -v. (The GLSL in the extension's text lists
        // the matrix by rows where the language takes columns; its last example and its test model turn this way.)
        let (sin, cos) = transform.rotation.sin_cos();
        let ([x, y], [u, v]) = (transform.scale, transform.offset);
        let map = [[cos * x, sin * y, u], [-sin * x, cos * y, v]];
        if !map.iter().flatten().all(|m| m.abs() <= MAX_COORDINATE) {
            return Err(self.broken(format!("a texture transform beyond {MAX_COORDINATE}")));
        }
        let set = transform.tex_coord.unwrap_or(reference.tex_coord);
        let place = self.sets.iter().position(|s| *s == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        // A material has less than 256 textures.
        Ok(Some(TextureUse { texture, set: place as u8, map }))
    }

    /// Lets uses name one of a triangle's two sets, which are the file's first two wherever those do.
    fn assign_sets(&self, material: &mut Material) -> Result<[u32; 2]> {
        let sets = match self.sets[..] {
            _ if self.sets.iter().all(|s| *s < 2) => [0, 1],
            [a] => [a, 0],
            [a, b] => [a, b],
            _ => return Err(self.broken(format!("textures on the sets of coordinates {:?}, at most two", self.sets))),
        };
        for texture in uses(material) {
            let set = self.sets[usize::from(texture.set)];
            texture.set = u8::from(set != sets[0]);
        }
        Ok(sets)
    }
}

/// All uses of textures in a material.
fn uses(m: &mut Material) -> Vec<&mut TextureUse> {
    let mut plain = vec![
        &mut m.base_texture,
        &mut m.opacity_texture,
        &mut m.surface_texture,
        &mut m.emissive_texture,
        &mut m.specular_texture,
        &mut m.specular_color_texture,
        &mut m.transmission_texture,
    ];
    let mut normals = vec![&mut m.normal];
    if let Some(coat) = &mut m.clearcoat {
        plain.extend([&mut coat.texture, &mut coat.roughness_texture]);
        normals.push(&mut coat.normal);
    }
    if let Some(sheen) = &mut m.sheen {
        plain.extend([&mut sheen.color_texture, &mut sheen.roughness_texture]);
    }
    if let Some(anisotropy) = &mut m.anisotropy {
        plain.push(&mut anisotropy.texture);
    }
    if let Some(film) = &mut m.iridescence {
        plain.extend([&mut film.texture, &mut film.thickness_texture]);
    }
    let normals = normals.into_iter().flatten().map(|map| &mut map.texture);
    plain.into_iter().flatten().chain(normals).collect()
}
