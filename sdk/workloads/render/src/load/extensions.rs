//! The JSON of glTF's extensions, with the defaults that they define.

use gltf::json::{self, Value};
use serde::{Deserialize, de::DeserializeOwned};

use super::file::Source;
use crate::error::Result;

/// Extensions by name.
pub(super) type Extensions = serde_json::Map<String, Value>;

impl Source<'_> {
    /// An extension's object, if it is there. `owner` names whose it is in errors.
    pub(super) fn extension<T: DeserializeOwned>(
        &self,
        extensions: Option<&Extensions>,
        name: &str,
        owner: &str,
    ) -> Result<Option<T>> {
        let value = extensions.and_then(|all| all.get(name));
        let read = |value: &Value| T::deserialize(value).map_err(|e| self.broken(format!("{owner}: {name}: {e}")));
        value.map(read).transpose()
    }
}

/// The image of a texture that only EXT_texture_webp names.
pub(super) fn webp_source(texture: &json::Texture) -> Option<usize> {
    let value = texture.extensions.as_ref()?.others.get("EXT_texture_webp")?.get("source")?;
    value.as_u64().and_then(|source| source.try_into().ok())
}

/// A reference to a texture.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub index: usize,
    #[serde(default)]
    pub tex_coord: u32,
    /// Only of normal textures.
    #[serde(default = "one")]
    pub scale: f32,
    #[serde(default)]
    pub extensions: Extensions,
}

const fn one() -> f32 {
    1.0
}

impl From<&json::texture::Info> for Reference {
    fn from(info: &json::texture::Info) -> Self {
        let extensions = info.extensions.as_ref().map(|e| e.others.clone()).unwrap_or_default();
        Self { index: info.index.value(), tex_coord: info.tex_coord, scale: 1.0, extensions }
    }
}

impl From<&json::material::NormalTexture> for Reference {
    fn from(info: &json::material::NormalTexture) -> Self {
        let extensions = info.extensions.as_ref().map(|e| e.others.clone()).unwrap_or_default();
        Self { index: info.index.value(), tex_coord: info.tex_coord, scale: info.scale, extensions }
    }
}

/// An extension's object whose members are all optional.
macro_rules! object {
    ($name:ident { $($member:ident: $kind:ty = $default:expr),* $(,)? }) => {
        #[derive(Debug, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub(super) struct $name {
            $(pub $member: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($member: $default,)* }
            }
        }
    };
}

object!(TextureTransform {
    offset: [f32; 2] = [0.0; 2],
    rotation: f32 = 0.0,
    scale: [f32; 2] = [1.0; 2],
    tex_coord: Option<u32> = None,
});
object!(EmissiveStrength { emissive_strength: f32 = 1.0 });
object!(Unlit {});
object!(Ior { ior: f32 = 1.5 });
object!(Specular {
    specular_factor: f32 = 1.0,
    specular_texture: Option<Reference> = None,
    specular_color_factor: [f32; 3] = [1.0; 3],
    specular_color_texture: Option<Reference> = None,
});
object!(Transmission {
    transmission_factor: f32 = 0.0,
    transmission_texture: Option<Reference> = None,
});
object!(Volume {
    thickness_factor: f32 = 0.0,
    attenuation_distance: f32 = f32::INFINITY,
    attenuation_color: [f32; 3] = [1.0; 3],
});
object!(Clearcoat {
    clearcoat_factor: f32 = 0.0,
    clearcoat_texture: Option<Reference> = None,
    clearcoat_roughness_factor: f32 = 0.0,
    clearcoat_roughness_texture: Option<Reference> = None,
    clearcoat_normal_texture: Option<Reference> = None,
});
object!(Sheen {
    sheen_color_factor: [f32; 3] = [0.0; 3],
    sheen_color_texture: Option<Reference> = None,
    sheen_roughness_factor: f32 = 0.0,
    sheen_roughness_texture: Option<Reference> = None,
});
object!(Anisotropy {
    anisotropy_strength: f32 = 0.0,
    anisotropy_rotation: f32 = 0.0,
    anisotropy_texture: Option<Reference> = None,
});
object!(Iridescence {
    iridescence_factor: f32 = 0.0,
    iridescence_texture: Option<Reference> = None,
    iridescence_ior: f32 = 1.3,
    iridescence_thickness_minimum: f32 = 100.0,
    iridescence_thickness_maximum: f32 = 400.0,
    iridescence_thickness_texture: Option<Reference> = None,
});

/// EXT_mesh_gpu_instancing: accessors by attribute.
#[derive(Debug, Deserialize)]
pub(super) struct Instancing {
    pub attributes: InstancingAttributes,
}

/// Attributes of instances that place them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct InstancingAttributes {
    pub translation: Option<usize>,
    pub rotation: Option<usize>,
    pub scale: Option<usize>,
}
