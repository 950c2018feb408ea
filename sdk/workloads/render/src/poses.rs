//! Poses of a scene, told apart by their content; what is equal in all of them is stored once.

use std::collections::{BTreeMap, BTreeSet};

use tessera_protocol::hash::{Digest, sha256};

use crate::{
    error::{RenderError, Result},
    math::Vec3,
    scene::{Instance, PunctualLight, Scene, Triangle},
};

/// What a pose consists of, by its digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Of all of it but materials and textures.
    pub digest: Digest,
    /// Of the triangles of each object, with the number of the first and how many follow each other.
    pub runs: BTreeMap<(u32, u32), Digest>,
    /// Of each mesh.
    pub meshes: Vec<Digest>,
    /// How many triangles stand in the world.
    pub triangles: usize,
}

impl Content {
    pub fn of(scene: &Scene) -> Self {
        let mut runs = BTreeMap::new();
        let mut first = 0;
        for run in scene.triangles.chunk_by(|a, b| a.object == b.object) {
            runs.insert((first, run.len() as u32), digest(run));
            first += run.len() as u32;
        }
        let meshes: Vec<Digest> = scene.meshes.iter().map(|mesh| digest(mesh)).collect();
        let mut rest: Vec<u8> = Vec::new();
        runs.values().chain(&meshes).for_each(|digest| rest.extend(digest));
        scene.instances.iter().for_each(|instance| write_instance(&mut rest, instance));
        scene.lights.iter().for_each(|light| write_light(&mut rest, light));
        Self { digest: sha256(&[&rest]), runs, meshes, triangles: scene.triangles.len() }
    }
}

/// Checks that a pose has the materials of another.
///
/// # Errors
/// If it has not.
pub fn same_materials(a: &Scene, b: &Scene) -> Result<()> {
    let textures = a.textures.len() == b.textures.len()
        && a.textures
            .iter()
            .zip(&b.textures)
            .all(|(a, b)| std::sync::Arc::ptr_eq(&a.texels, &b.texels) || a.texels == b.texels);
    if a.materials == b.materials && textures {
        return Ok(());
    }
    Err(RenderError::Setting("the poses of the scene have different materials".into()))
}

/// Which triangles of the world, by number, are the same in all poses.
pub struct Resting(BTreeSet<(u32, u32)>);

impl Resting {
    /// What the poses have in common.
    pub fn of<'a>(poses: impl IntoIterator<Item = &'a Content>) -> Self {
        let mut poses = poses.into_iter();
        let Some(first) = poses.next() else { return Self(BTreeSet::new()) };
        let mut common: BTreeMap<(u32, u32), Digest> = first.runs.clone();
        for pose in poses {
            common.retain(|run, digest| pose.runs.get(run) == Some(digest));
        }
        Self(common.into_keys().collect())
    }

    /// The numbers of a pose's triangles that rest, and of those that move.
    pub fn divide(&self, content: &Content) -> [Vec<u32>; 2] {
        let mut parts = [Vec::new(), Vec::new()];
        for run in content.runs.keys() {
            parts[usize::from(!self.0.contains(run))].extend(run.0..run.0 + run.1);
        }
        parts
    }
}

fn digest(triangles: &[Triangle]) -> Digest {
    let mut bytes = Vec::with_capacity(triangles.len() * 232);
    for triangle in triangles {
        let vectors = triangle.positions.iter().chain(&triangle.normals);
        vectors.for_each(|v| write(&mut bytes, &v.to_array()));
        write(&mut bytes, triangle.tangents.as_flattened());
        write(&mut bytes, triangle.uvs.as_flattened().as_flattened());
        write(&mut bytes, triangle.colors.as_flattened());
        bytes.extend(triangle.material.to_le_bytes());
        bytes.extend(triangle.object.to_le_bytes());
    }
    sha256(&[&bytes])
}

fn write(bytes: &mut Vec<u8>, numbers: &[f32]) {
    numbers.iter().for_each(|v| bytes.extend(v.to_bits().to_le_bytes()));
}

fn write_instance(bytes: &mut Vec<u8>, instance: &Instance) {
    instance.place.columns.iter().for_each(|column| write(bytes, &column.to_array()));
    bytes.extend(instance.mesh.to_le_bytes());
    bytes.extend(instance.object.to_le_bytes());
}

fn write_light(bytes: &mut Vec<u8>, light: &PunctualLight) {
    let mut vectors = |kind: f32, vectors: &[Vec3], numbers: &[f32]| {
        write(bytes, &[kind]);
        vectors.iter().for_each(|v| write(bytes, &v.to_array()));
        write(bytes, numbers);
    };
    match *light {
        PunctualLight::Point { position, intensity, range } => {
            vectors(0.0, &[position, intensity], &[range.unwrap_or(0.0)]);
        }
        PunctualLight::Spot { position, axis, intensity, range, cos_inner, cos_outer } => {
            vectors(1.0, &[position, axis, intensity], &[range.unwrap_or(0.0), cos_inner, cos_outer]);
        }
        PunctualLight::Directional { towards, irradiance } => vectors(2.0, &[towards, irradiance], &[]),
    }
}
