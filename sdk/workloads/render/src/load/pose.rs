//! The scene at one moment.

use gltf::json::animation::Property;
use rayon::prelude::*;

use super::{
    SceneFile,
    file::Source,
    mesh::Mesh,
    nodes::{Local, Node, Tree},
    shape::{Places, Shape},
};
use crate::{
    error::{RenderError, Result},
    math::Transform,
    scene::{Instance, Material, Scene, Triangle},
};

/// How each mesh comes into the scene.
pub(super) struct Plan {
    /// By mesh, its place in [`Scene::meshes`] if it is placed there by instances.
    pub shared: Vec<Option<u32>>,
    /// Those meshes, each in its own space.
    pub meshes: Vec<Vec<Triangle>>,
}

impl Plan {
    /// Meshes that are placed more than once, do not change and give no light become instances; all others are placed
    /// triangle by triangle.
    pub(super) fn new(source: &Source<'_>, tree: &Tree, meshes: &[Mesh], materials: &[Material]) -> Result<Self> {
        let mut placed = vec![0usize; meshes.len()];
        let mut rigid = vec![true; meshes.len()];
        for node in tree.shown.iter().map(|i| &tree.nodes[*i]) {
            let Some(mesh) = node.mesh else { continue };
            placed[mesh] += node.instances.as_ref().map_or(1, Vec::len);
            rigid[mesh] &= node.skin.is_none();
        }
        let mut plan = Self { shared: vec![None; meshes.len()], meshes: Vec::new() };
        let triangle = size_of::<Triangle>();
        for (index, mesh) in meshes.iter().enumerate() {
            let count = mesh.primitives.iter().map(|p| p.triangles.len()).sum::<usize>();
            let lit = |material: u32| materials.get(material as usize).is_some_and(|m| m.emissive.largest() > 0.0);
            let still = rigid[index] && mesh.targets == 0 && !mesh.primitives.iter().any(|p| lit(p.material));
            if still && placed[index] > 1 {
                // Once here and once in a pose.
                source.budget.take(count, 2 * triangle, "meshes")?;
                plan.shared[index] = Some(plan.meshes.len() as u32);
                let mut triangles = Vec::with_capacity(count);
                for primitive in &mesh.primitives {
                    let whole = Places::Whole(Transform::IDENTITY);
                    if !Shape::rest(primitive).place(primitive, &whole, 0, &mut triangles) {
                        return Err(source.broken(format!("mesh {index} has a position that is too far away")));
                    }
                }
                plan.meshes.push(triangles);
                source.budget.take(placed[index], size_of::<Instance>(), "instances")?;
            } else {
                source.budget.take(count.saturating_mul(placed[index]), triangle, "triangles in their places")?;
            }
        }
        Ok(plan)
    }
}

/// What one node gives to the scene.
#[derive(Default)]
struct Part {
    triangles: Vec<Triangle>,
    instances: Vec<Instance>,
}

impl SceneFile {
    /// The scene as an animation shows it at a time in seconds, or as it stands in the file without one. Before an
    /// animation's start and after its end, its first and last values hold.
    ///
    /// # Errors
    /// If there is no such animation, the time is not finite, or something stands where nothing can.
    pub fn pose(&self, animation: Option<usize>, time: f32) -> Result<Scene> {
        let tree = &self.tree;
        let mut locals: Vec<Local> = tree.nodes.iter().map(|node| node.local).collect();
        let mut weights: Vec<Option<Vec<f32>>> = vec![None; tree.nodes.len()];
        if let Some(index) = animation {
            let clip = self.clips.get(index).ok_or_else(|| {
                let have = self.clips.len();
                RenderError::Setting(format!("animation {index} of {have} in {}", self.path.display()))
            })?;
            if !time.is_finite() {
                return Err(RenderError::Setting(format!("a time of {time} seconds")));
            }
            for track in &clip.tracks {
                let value = track.value(time);
                if track.property == Property::MorphTargetWeights {
                    weights[track.node] = Some(value);
                } else if let Local::Parts { translation, rotation, scale } = &mut locals[track.node] {
                    match track.property {
                        Property::Translation => translation.copy_from_slice(&value),
                        Property::Rotation => rotation.copy_from_slice(&value),
                        _ => scale.copy_from_slice(&value),
                    }
                }
            }
        }
        let places = tree.places(&locals);
        if let Some(node) = tree.shown.iter().find(|i| !places[**i].columns.iter().all(|c| c.is_finite())) {
            return Err(self.broken(format!("the transform of node {node} is not finite")));
        }
        let mut scene = Scene {
            meshes: self.plan.meshes.clone(),
            materials: self.materials.clone(),
            textures: self.textures.clone(),
            ..Scene::default()
        };
        let parts: Vec<Part> = tree
            .shown
            .par_iter()
            .map(|index| self.part(*index, &tree.nodes[*index], &places, weights[*index].as_deref()))
            .collect::<Result<_>>()?;
        scene.triangles.reserve_exact(parts.iter().map(|p| p.triangles.len()).sum());
        for part in parts {
            scene.triangles.extend(part.triangles);
            scene.instances.extend(part.instances);
        }
        for index in &tree.shown {
            let (node, place) = (&tree.nodes[*index], &places[*index]);
            if let Some(lens) = node.camera.map(|camera| &self.lenses[camera]) {
                let camera = lens.place(place).ok_or_else(|| self.broken(format!("camera at node {index} is flat")))?;
                scene.cameras.push((node.name.clone().or_else(|| lens.name.clone()), camera));
            }
            scene.lights.extend(node.light.and_then(|light| self.lamps[light].place(place)));
        }
        Ok(scene)
    }

    fn part(&self, index: usize, node: &Node, places: &[Transform], weights: Option<&[f32]>) -> Result<Part> {
        let mut part = Part::default();
        let Some(number) = node.mesh else { return Ok(part) };
        let (mesh, here, object) = (&self.meshes[number], places[index], index as u32);
        let stands: Vec<Transform> = match &node.instances {
            Some(instances) => instances.iter().map(|instance| here.after(instance)).collect(),
            None => vec![here],
        };
        let far = || self.broken(format!("node {index} puts a vertex too far away"));
        let mut baked = Vec::new();
        for place in stands {
            match self.plan.shared[number] {
                Some(mesh) if has_inverse(&place) => {
                    if !place.columns.iter().all(|c| c.to_array().iter().all(|v| v.abs() <= super::mesh::MAX_POSITION))
                    {
                        return Err(far());
                    }
                    part.instances.push(Instance { mesh, place, object });
                }
                _ => baked.push(place),
            }
        }
        let weights = weights.unwrap_or(if node.weights.is_empty() { &mesh.weights } else { &node.weights });
        let joints: Option<Vec<Transform>> = node.skin.map(|skin| {
            let joints = self.tree.skins[skin].joints.iter();
            joints.map(|(joint, inverse)| places[*joint].after(inverse)).collect()
        });
        for primitive in mesh.primitives.iter().filter(|_| !baked.is_empty()) {
            let shape = Shape::new(primitive, weights);
            for place in &baked {
                let places = match &joints {
                    // A skin's joints say where the mesh is, whatever its node says.
                    Some(joints) if !primitive.joints.is_empty() => Places::skinned(primitive, joints),
                    _ => Places::Whole(*place),
                };
                if !shape.place(primitive, &places, object, &mut part.triangles) {
                    return Err(far());
                }
            }
        }
        Ok(part)
    }
}

/// Whether rays can be taken back through a transform.
fn has_inverse(place: &Transform) -> bool {
    let [a, b, c, _] = place.columns;
    let volume = a.cross(b).dot(c).abs();
    volume > 1e-12 * a.length() * b.length() * c.length() && volume > f32::MIN_POSITIVE
}
