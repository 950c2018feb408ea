//! A scene in memory: triangles in world space, materials, textures, lights, cameras.

use crate::math::Vec3;

/// What a picture is made of.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// All triangles, in world space.
    pub triangles: Vec<Triangle>,
    /// Materials that triangles name by index.
    pub materials: Vec<Material>,
    /// Textures that materials name by index.
    pub textures: Vec<Texture>,
    /// Lights besides emissive triangles.
    pub lights: Vec<PunctualLight>,
    /// Cameras with their names.
    pub cameras: Vec<(Option<String>, Camera)>,
}

/// A triangle in world space.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// Corners.
    pub positions: [Vec3; 3],
    /// Unit normals at the corners.
    pub normals: [Vec3; 3],
    /// Texture coordinates at the corners.
    pub uvs: [[f32; 2]; 3],
    /// Index of the material.
    pub material: u32,
}

impl Triangle {
    /// The plane's normal; its length is twice the area.
    #[must_use]
    pub fn cross(&self) -> Vec3 {
        let [a, b, c] = self.positions;
        (b - a).cross(c - a)
    }

    /// Area.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.cross().length() * 0.5
    }
}

/// A metallic-roughness material.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Material {
    /// Linear base colour.
    pub base: Vec3,
    /// Opacity factor, which only [`Alpha::Mask`] and [`Alpha::Blend`] read.
    pub opacity: f32,
    /// 0: dielectric, 1: metal.
    pub metallic: f32,
    /// 0: smooth, 1: rough.
    pub roughness: f32,
    /// Linear radiance.
    pub emissive: Vec3,
    /// What opacity means.
    pub alpha: Alpha,
    /// Texture multiplied to the base colour.
    pub base_texture: Option<u32>,
    /// Texture whose first channel is multiplied to the opacity.
    pub opacity_texture: Option<u32>,
    /// Texture whose second channel is multiplied to roughness and whose third to metallic.
    pub surface_texture: Option<u32>,
    /// Texture multiplied to the radiance.
    pub emissive_texture: Option<u32>,
}

impl Default for Material {
    fn default() -> Self {
        Self {
            base: Vec3::splat(1.0),
            opacity: 1.0,
            metallic: 1.0,
            roughness: 1.0,
            emissive: Vec3::splat(0.0),
            alpha: Alpha::Opaque,
            base_texture: None,
            opacity_texture: None,
            surface_texture: None,
            emissive_texture: None,
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

/// How texture coordinates outside of 0..1 are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrap {
    /// The texture repeats.
    #[default]
    Repeat,
    /// Its border continues.
    Clamp,
    /// It repeats, every other time mirrored.
    Mirror,
}

/// An image with linear values, packed for the kernel by [`Texture::pack`].
#[derive(Clone, Debug)]
pub struct Texture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Wrapping along u and v.
    pub wrap: [Wrap; 2],
    /// Texels row by row from the top.
    pub texels: Vec<u32>,
}

impl Texture {
    /// A linear colour of 0..1 as a texel: ten bits a channel, of the square root of the value.
    #[must_use]
    pub fn pack(rgb: [f32; 3]) -> u32 {
        let bits = rgb.map(|c| (c.clamp(0.0, 1.0).sqrt() * 1023.0).round() as u32);
        bits[0] | bits[1] << 10 | bits[2] << 20
    }

    /// The linear colour of a texel.
    #[must_use]
    pub fn unpack(texel: u32) -> Vec3 {
        let channel = |shift: u32| ((texel >> shift & 1023) as f32 / 1023.0).powi(2);
        Vec3 { x: channel(0), y: channel(10), z: channel(20) }
    }

    /// Mean linear colour.
    #[must_use]
    pub fn mean(&self) -> Vec3 {
        let sum = self.texels.iter().fold([0f64; 3], |s, t| {
            let c = Self::unpack(*t);
            [s[0] + f64::from(c.x), s[1] + f64::from(c.y), s[2] + f64::from(c.z)]
        });
        let n = self.texels.len().max(1) as f64;
        Vec3 { x: (sum[0] / n) as f32, y: (sum[1] / n) as f32, z: (sum[2] / n) as f32 }
    }
}

/// A light without extent (KHR_lights_punctual).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PunctualLight {
    /// Light from a point.
    Point {
        /// Where.
        position: Vec3,
        /// Power per solid angle.
        intensity: Vec3,
        /// Distance at which it ends.
        range: Option<f32>,
    },
    /// Light from a point into a cone.
    Spot {
        /// Where.
        position: Vec3,
        /// Unit direction of the cone's axis.
        axis: Vec3,
        /// Power per solid angle.
        intensity: Vec3,
        /// Distance at which it ends.
        range: Option<f32>,
        /// Cosine of the angle from which it fades.
        cos_inner: f32,
        /// Cosine of the angle at which it ends.
        cos_outer: f32,
    },
    /// Parallel light.
    Directional {
        /// Unit direction towards the light.
        towards: Vec3,
        /// Power per area across the light.
        irradiance: Vec3,
    },
}

/// Where the picture is taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// The eye.
    pub position: Vec3,
    /// Unit vector to the right of the picture.
    pub right: Vec3,
    /// Unit vector to its top.
    pub up: Vec3,
    /// Unit vector of the view.
    pub forward: Vec3,
    /// Perspective or parallel.
    pub projection: Projection,
}

/// How a camera maps the world to the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Projection {
    /// A pinhole; the vertical angle of view in radians.
    Perspective(f32),
    /// Parallel rays; half of the picture's height in the world.
    Orthographic(f32),
}

impl Camera {
    /// A perspective camera at `eye` that looks at `target` with the vertical angle `yfov` (radians), +y up.
    /// `None` if the two points coincide.
    #[must_use]
    pub fn look_at(eye: Vec3, target: Vec3, yfov: f32) -> Option<Self> {
        let forward = (target - eye).unit()?;
        let sky =
            if forward.y.abs() > 0.9999 { Vec3 { x: 0.0, y: 0.0, z: -1.0 } } else { Vec3 { x: 0.0, y: 1.0, z: 0.0 } };
        let right = forward.cross(sky).unit()?;
        Some(Self {
            position: eye,
            right,
            up: right.cross(forward),
            forward,
            projection: Projection::Perspective(yfov),
        })
    }
}

impl Scene {
    /// Smallest and largest coordinates; both zero for a scene without triangles.
    #[must_use]
    pub fn bounds(&self) -> (Vec3, Vec3) {
        let mut points = self.triangles.iter().flat_map(|t| t.positions);
        let Some(first) = points.next() else { return (Vec3::default(), Vec3::default()) };
        points.fold((first, first), |(low, high), p| (low.min(p), high.max(p)))
    }

    /// Whether anything in the scene gives light.
    #[must_use]
    pub fn is_lit(&self) -> bool {
        !self.lights.is_empty()
            || self
                .triangles
                .iter()
                .any(|t| self.materials.get(t.material as usize).is_some_and(|m| m.emissive.largest() > 0.0))
    }
}
