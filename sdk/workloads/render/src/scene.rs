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
use crate::{
    bvh::Bounds,
    math::{Transform, Vec3},
};

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
        let around = |triangles: &[Triangle]| triangles.iter().fold(Bounds::EMPTY, |b, t| b.with(Bounds::of(t)));
        let meshes: Vec<Bounds> = self.meshes.iter().map(|mesh| around(mesh)).collect();
        let placed = self.instances.iter().map(|instance| meshes[instance.mesh as usize].placed(&instance.place));
        let all = placed.fold(around(&self.triangles), Bounds::with);
        if all.is_empty() { (Vec3::default(), Vec3::default()) } else { (all.low, all.high) }
    }

    /// Whether there is nothing to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let shown = |instance: &Instance| !self.meshes[instance.mesh as usize].is_empty();
        self.triangles.is_empty() && !self.instances.iter().any(shown)
    }

    /// Whether a triangle needs an alpha test.
    pub(crate) fn is_masked(&self, triangle: &Triangle) -> bool {
        self.materials[triangle.material as usize].alpha != Alpha::Opaque
    }

    /// Whether anything in the scene gives light.
    #[must_use]
    pub fn is_lit(&self) -> bool {
        !self.lights.is_empty()
            || self
                .triangles
                .iter()
                .chain(self.meshes.iter().flatten())
                .any(|t| self.materials.get(t.material as usize).is_some_and(|m| m.emissive.largest() > 0.0))
    }
}
