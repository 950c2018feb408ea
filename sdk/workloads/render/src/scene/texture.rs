//! Textures, and how materials use them.

use std::sync::Arc;

use crate::math::Vec3;

/// How texture coordinates outside of 0..1 are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wrap {
    /// The texture repeats.
    #[default]
    Repeat,
    /// Its border continues.
    Clamp,
    /// It repeats, every other time mirrored.
    Mirror,
}

/// How the channels of a texel become linear values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Ten bits a channel, of the square root of the value: for colours.
    #[default]
    Root,
    /// Ten bits a channel, of the value itself: for numbers, normals among them.
    Linear,
}

/// An image with linear values, packed for the kernel by [`Encoding::pack`].
#[derive(Clone, Debug)]
pub struct Texture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Wrapping along u and v.
    pub wrap: [Wrap; 2],
    /// Whether the nearest texel is taken rather than a blend of four.
    pub nearest: bool,
    /// How texels are encoded.
    pub encoding: Encoding,
    /// Texels row by row from the top, shared between copies of the scene.
    pub texels: Arc<[u32]>,
}

impl Encoding {
    /// Linear values of 0..1 as a texel.
    #[must_use]
    pub fn pack(self, rgb: [f32; 3]) -> u32 {
        let bits = rgb.map(|c| {
            let c = c.clamp(0.0, 1.0);
            let coded = if self == Self::Root { c.sqrt() } else { c };
            (coded * 1023.0).round() as u32
        });
        bits[0] | bits[1] << 10 | bits[2] << 20
    }

    /// The linear values of a texel.
    #[must_use]
    pub fn unpack(self, texel: u32) -> Vec3 {
        let channel = |shift: u32| {
            let coded = (texel >> shift & 1023) as f32 / 1023.0;
            if self == Self::Root { coded * coded } else { coded }
        };
        Vec3 { x: channel(0), y: channel(10), z: channel(20) }
    }
}

impl Texture {
    /// Mean linear colour.
    #[must_use]
    pub fn mean(&self) -> Vec3 {
        let sum = self.texels.iter().fold([0f64; 3], |s, t| {
            let c = self.encoding.unpack(*t);
            [s[0] + f64::from(c.x), s[1] + f64::from(c.y), s[2] + f64::from(c.z)]
        });
        let n = self.texels.len().max(1) as f64;
        Vec3 { x: (sum[0] / n) as f32, y: (sum[1] / n) as f32, z: (sum[2] / n) as f32 }
    }
}

/// A texture as a material reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextureUse {
    /// Index of the texture in the scene.
    pub texture: u32,
    /// Which of a triangle's two sets of coordinates.
    pub set: u8,
    /// Rows of the map from the set's (u, v, 1) to the texture's coordinates (KHR_texture_transform).
    pub map: [[f32; 3]; 2],
}

impl TextureUse {
    /// The texture as it is, on the first set of coordinates.
    #[must_use]
    pub const fn plain(texture: u32) -> Self {
        Self { texture, set: 0, map: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] }
    }
}
