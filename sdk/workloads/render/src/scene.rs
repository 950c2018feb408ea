//! A scene in memory: triangles, materials, textures, lights, cameras, at one moment.

mod camera;
mod light;
mod material;
mod texture;

pub use self::{
    camera::{Camera, Projection},
    light::PunctualLight,
    material::{Alpha, Anisotropy, Clearcoat, Iridescence, Material, NormalMap, Sheen, Volume},
    texture::{Encoding, Texture, TextureUse, Wrap},
};
use crate::math::{Transform, Vec3};

/// What a picture is made of.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Triangles in world space.
    pub triangles: Vec<Triangle>,
    /// Meshes that are placed more than once, each in a space of its own. None of them gives light.
    pub meshes: Vec<Vec<Triangle>>,
    /// Where those meshes stand.
    pub instances: Vec<Instance>,
    /// Materials that triangles name by index.
    pub materials: Vec<Material>,
    /// Textures that materials name by index.
    pub textures: Vec<Texture>,
    /// Lights besides emissive triangles.
    pub lights: Vec<PunctualLight>,
    /// Cameras with their names.
    pub cameras: Vec<(Option<String>, Camera)>,
}

/// A mesh in its place.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    /// Index of the mesh.
    pub mesh: u32,
    /// From the space of the mesh to the world.
    pub place: Transform,
    /// Number of the object, as in [`Triangle::object`], which holds instead of that of its triangles.
    pub object: u32,
}

/// A triangle.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    /// Corners.
    pub positions: [Vec3; 3],
    /// Unit normals at the corners.
    pub normals: [Vec3; 3],
    /// Unit tangents at the corners, and the sign of the bitangent n × t. Zero where no material needs them.
    pub tangents: [[f32; 4]; 3],
    /// Two sets of texture coordinates, by corner.
    pub uvs: [[[f32; 2]; 3]; 2],
    /// Linear colour and opacity by corner, multiplied to the material's.
    pub colors: [[f32; 4]; 3],
    /// Index of the material.
    pub material: u32,
    /// Number of the object that it belongs to: the index of the node in the file.
    pub object: u32,
}

impl Triangle {
    /// A flat triangle without texture coordinates, counter-clockwise seen from its front.
    #[must_use]
    pub fn flat(positions: [Vec3; 3], material: u32) -> Self {
        let [a, b, c] = positions;
        let normal = (b - a).cross(c - a).unit().unwrap_or_default();
        Self {
            positions,
            normals: [normal; 3],
            tangents: [[0.0; 4]; 3],
            uvs: [[[0.0; 2]; 3]; 2],
            colors: [[1.0; 4]; 3],
            material,
            object: 0,
        }
    }

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

impl Scene {
    /// Smallest and largest coordinates; both zero for a scene without triangles. Instances count with the boxes around
    /// their meshes.
    #[must_use]
    pub fn bounds(&self) -> (Vec3, Vec3) {
        let boxes: Vec<_> = self.meshes.iter().map(|mesh| extent(mesh.iter().flat_map(|t| t.positions))).collect();
        let corners = self.instances.iter().flat_map(|instance| {
            let found = boxes.get(instance.mesh as usize).copied().flatten();
            found
                .into_iter()
                .flat_map(|(low, high)| {
                    let choose =
                        move |i: u32, bit: u32, low: f32, high: f32| if i >> bit & 1 == 0 { low } else { high };
                    (0..8).map(move |i| Vec3 {
                        x: choose(i, 0, low.x, high.x),
                        y: choose(i, 1, low.y, high.y),
                        z: choose(i, 2, low.z, high.z),
                    })
                })
                .map(|corner| instance.place.point(corner))
        });
        extent(self.triangles.iter().flat_map(|t| t.positions).chain(corners)).unwrap_or_default()
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

/// Smallest and largest coordinates of points.
fn extent(mut points: impl Iterator<Item = Vec3>) -> Option<(Vec3, Vec3)> {
    let first = points.next()?;
    Some(points.fold((first, first), |(low, high), p| (low.min(p), high.max(p))))
}
