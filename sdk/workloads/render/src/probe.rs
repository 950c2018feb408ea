//! Rays against a scene on the client, to find a camera and what it is sharp at.

use crate::{
    bvh::{Bounds, Bvh},
    error::Result,
    math::{Transform, Vec3},
    scene::Scene,
};

/// Entries of the stack of a tree that no kernel walks.
const ANY_STACK: usize = usize::MAX;

/// A scene that rays can be shot at.
pub struct Probe<'a> {
    scene: &'a Scene,
    world: Bvh,
    meshes: Vec<Bvh>,
    /// Each instance's box and the map to its mesh.
    places: Vec<(Bounds, Transform)>,
}

impl<'a> Probe<'a> {
    /// # Errors
    /// If the scene has too many triangles.
    pub fn new(scene: &'a Scene) -> Result<Self> {
        let tree = |triangles| Bvh::build(triangles, ANY_STACK, |_| false);
        let meshes = scene.meshes.iter().map(|mesh| tree(mesh)).collect::<Result<Vec<_>>>()?;
        let place = |instance: &crate::Instance| {
            let back = instance.place.inverse();
            let bounds = meshes[instance.mesh as usize].bounds.placed(&instance.place);
            back.map_or((Bounds::EMPTY, Transform::IDENTITY), |back| (bounds, back))
        };
        let places = scene.instances.iter().map(place).collect();
        Ok(Self { scene, world: tree(&scene.triangles)?, meshes, places })
    }

    /// Distance of the nearest surface along a ray, and its normal, not normalised.
    pub fn closest(&self, origin: Vec3, direction: Vec3) -> Option<(f32, Vec3)> {
        let mean = |normals: [Vec3; 3]| normals[0] + normals[1] + normals[2];
        let hit = self.world.closest(origin, direction, f32::MAX);
        let mut best = hit.map(|hit| (hit.t, mean(self.scene.triangles[hit.triangle as usize].normals)));
        for (instance, (bounds, back)) in self.scene.instances.iter().zip(&self.places) {
            let limit = best.map_or(f32::MAX, |(t, _)| t);
            if !bounds.meets(origin, direction, limit) {
                continue;
            }
            let tree = &self.meshes[instance.mesh as usize];
            if let Some(hit) = tree.closest(back.point(origin), back.direction(direction), limit) {
                let normals = self.scene.meshes[instance.mesh as usize][hit.triangle as usize].normals;
                best = Some((hit.t, instance.place.normal(mean(normals))));
            }
        }
        best
    }
}
