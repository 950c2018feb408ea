//! The tree of nodes: what they hold and where it stands.

use gltf::json;

use super::{accessor::Numbers, extensions::Instancing, file::Source, mesh::Mesh};
use crate::{
    error::Result,
    math::{Transform, vec3},
};

/// A node.
pub(super) struct Node {
    pub name: Option<String>,
    pub local: Local,
    pub mesh: Option<usize>,
    pub skin: Option<usize>,
    pub camera: Option<usize>,
    pub light: Option<usize>,
    /// Weights of the mesh's morph targets; empty where the mesh's own hold.
    pub weights: Vec<f32>,
    /// Places within the node at which its mesh stands (EXT_mesh_gpu_instancing).
    pub instances: Option<Vec<Transform>>,
}

/// Where a node stands within its parent.
#[derive(Clone, Copy)]
pub(super) enum Local {
    Matrix(Transform),
    Parts { translation: [f32; 3], rotation: [f32; 4], scale: [f32; 3] },
}

impl Local {
    pub(super) fn transform(&self) -> Transform {
        let (translation, rotation, scale) = match *self {
            Self::Matrix(transform) => return transform,
            Self::Parts { translation, rotation, scale } => (translation, rotation, scale),
        };
        let length = rotation.iter().map(|q| q * q).sum::<f32>().sqrt();
        let [x, y, z, w] =
            if length > 1e-15 && length.is_finite() { rotation.map(|q| q / length) } else { [0.0, 0.0, 0.0, 1.0] };
        let axes = [
            vec3(1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + z * w), 2.0 * (x * z - y * w)),
            vec3(2.0 * (x * y - z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + x * w)),
            vec3(2.0 * (x * z + y * w), 2.0 * (y * z - x * w), 1.0 - 2.0 * (x * x + y * y)),
        ];
        let [sx, sy, sz] = scale;
        Transform { columns: [axes[0] * sx, axes[1] * sy, axes[2] * sz, translation.into()] }
    }
}

/// Joints of a skin: nodes, and the map from the mesh to each joint's space.
pub(super) struct Skin {
    pub joints: Vec<(usize, Transform)>,
}

/// Nodes in an order in which parents come before children.
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    pub skins: Vec<Skin>,
    /// All nodes with their parents.
    order: Vec<(usize, Option<usize>)>,
    /// The nodes of the scene that is shown, depth first.
    pub shown: Vec<usize>,
}

impl Tree {
    /// Reads nodes and skins.
    pub(super) fn read(source: &Source<'_>, meshes: &[Mesh]) -> Result<Self> {
        let root = &source.root;
        let nodes = root.nodes.iter().enumerate().map(|(i, n)| node(source, i, n, meshes)).collect::<Result<_>>()?;
        let skins = root.skins.iter().enumerate().map(|(i, s)| skin(source, i, s)).collect::<Result<_>>()?;
        let mut parents = vec![None; root.nodes.len()];
        for (parent, child) in root.nodes.iter().enumerate().flat_map(|(i, n)| children(n).map(move |c| (i, c))) {
            if parents[child].replace(parent).is_some() {
                return Err(source.broken(format!("node {child} has two parents")));
            }
        }
        let tops = (0..parents.len()).filter(|i| parents[*i].is_none());
        let order: Vec<_> = descend(root, tops).into_iter().map(|i| (i, parents[i])).collect();
        if order.len() < parents.len() {
            return Err(source.broken("nodes are each other's parents"));
        }
        let scene = root.scene.map_or(0, |scene| scene.value());
        let scene = root.scenes.get(scene).ok_or_else(|| source.broken("the file has no scene"))?;
        let mut seen = vec![false; parents.len()];
        for top in scene.nodes.iter().map(|top| top.value()) {
            if parents[top].is_some() || std::mem::replace(&mut seen[top], true) {
                return Err(source.broken(format!("node {top} is not only a root of the scene")));
            }
        }
        let shown = descend(root, scene.nodes.iter().map(|top| top.value()));
        let tree = Self { nodes, skins, order, shown };
        tree.check_skins(source, meshes)?;
        Ok(tree)
    }

    /// Where each node stands in the world.
    pub(super) fn places(&self, locals: &[Local]) -> Vec<Transform> {
        let mut places = vec![Transform::IDENTITY; locals.len()];
        for (node, parent) in &self.order {
            let local = locals[*node].transform();
            places[*node] = parent.map_or(local, |parent| places[parent].after(&local));
        }
        places
    }

    /// Vertices must name joints that their skin has.
    fn check_skins(&self, source: &Source<'_>, meshes: &[Mesh]) -> Result<()> {
        for index in &self.shown {
            let node = &self.nodes[*index];
            let (Some(mesh), Some(skin)) = (node.mesh, node.skin) else { continue };
            let joints = self.skins[skin].joints.len();
            source.budget.take(joints, size_of::<Transform>(), "joints")?;
            for primitive in &meshes[mesh].primitives {
                // The place of each vertex, and its shape.
                let memory = size_of::<Transform>() + size_of::<[f32; 10]>();
                source.budget.take(primitive.positions.len(), memory, "a skinned mesh")?;
                let used = primitive.joints.iter().flat_map(|(j, w)| j.iter().flatten().zip(w.iter().flatten()));
                let most = used.filter(|(_, w)| **w > 0.0).map(|(j, _)| *j).reduce(f32::max);
                if let Some(joint) = most.filter(|joint| *joint as usize >= joints) {
                    return Err(source.broken(format!("mesh {mesh} names joint {joint} of {joints} of skin {skin}")));
                }
            }
        }
        Ok(())
    }
}

fn children(node: &json::Node) -> impl DoubleEndedIterator<Item = usize> {
    node.children.iter().flatten().map(|child| child.value())
}

/// Nodes and what is below them, each before its children. A node with one parent at most is met once.
fn descend(root: &json::Root, tops: impl DoubleEndedIterator<Item = usize>) -> Vec<usize> {
    let mut open: Vec<usize> = tops.rev().collect();
    let mut found = Vec::new();
    while let Some(node) = open.pop() {
        found.push(node);
        open.extend(children(&root.nodes[node]).rev());
    }
    found
}

fn node(source: &Source<'_>, index: usize, node: &json::Node, meshes: &[Mesh]) -> Result<Node> {
    let extensions = node.extensions.as_ref();
    let local = match &node.matrix {
        Some(m) => Local::Matrix(Transform::from_columns(m)),
        None => Local::Parts {
            translation: node.translation.unwrap_or_default(),
            rotation: node.rotation.unwrap_or_default().0,
            scale: node.scale.unwrap_or([1.0; 3]),
        },
    };
    if !local.transform().columns.iter().all(|c| c.is_finite()) {
        return Err(source.broken(format!("the transform of node {index} is not finite")));
    }
    let mesh = node.mesh.map(|mesh| mesh.value());
    let weights = node.weights.clone().unwrap_or_default();
    if let Some(mesh) = mesh {
        source.check_weights(&weights, meshes[mesh].targets, &format!("node {index}"))?;
    }
    Ok(Node {
        name: node.name.clone(),
        local,
        mesh,
        skin: node.skin.map(|skin| skin.value()),
        camera: node.camera.map(|camera| camera.value()),
        light: extensions.and_then(|e| e.khr_lights_punctual.as_ref()).map(|light| light.light.value()),
        weights,
        instances: instances(source, index, node)?,
    })
}

fn instances(source: &Source<'_>, index: usize, node: &json::Node) -> Result<Option<Vec<Transform>>> {
    let owner = format!("node {index}");
    let extensions = node.extensions.as_ref().map(|e| &e.others);
    let found = source.extension::<Instancing>(extensions, "EXT_mesh_gpu_instancing", &owner)?;
    let Some(Instancing { attributes }) = found else { return Ok(None) };
    let vectors = |accessor: Option<usize>| accessor.map(|i| source.floats::<3>(i)).transpose();
    let (translations, scales) = (vectors(attributes.translation)?, vectors(attributes.scale)?);
    let rotations = attributes.rotation.map(|i| source.floats::<4>(i)).transpose()?;
    let counts = [
        translations.as_deref().map(<[_]>::len),
        rotations.as_deref().map(<[_]>::len),
        scales.as_deref().map(<[_]>::len),
    ];
    let count = counts.iter().flatten().copied().max().unwrap_or(0);
    if counts.iter().flatten().any(|other| *other != count) {
        return Err(source.broken(format!("{owner} has instances with attributes of different lengths")));
    }
    source.budget.take(count, 2 * size_of::<Transform>(), &owner)?;
    fn at<const N: usize>(numbers: Option<&Numbers<N>>, i: usize, or: [f32; N]) -> [f32; N] {
        numbers.map_or(or, |numbers| numbers[i])
    }
    let place = |i| {
        let translation = at(translations.as_ref(), i, [0.0; 3]);
        let rotation = at(rotations.as_ref(), i, [0.0, 0.0, 0.0, 1.0]);
        Local::Parts { translation, rotation, scale: at(scales.as_ref(), i, [1.0; 3]) }.transform()
    };
    Ok(Some((0..count).map(place).collect()))
}

fn skin(source: &Source<'_>, index: usize, skin: &json::Skin) -> Result<Skin> {
    let inverses = skin.inverse_bind_matrices.map(|i| source.floats::<16>(i.value())).transpose()?;
    if inverses.as_deref().is_some_and(|inverses| inverses.len() < skin.joints.len()) {
        return Err(source.broken(format!("skin {index} has more joints than inverse bind matrices")));
    }
    let inverse = |i: usize| inverses.as_ref().map_or(Transform::IDENTITY, |m| Transform::from_columns(&m[i]));
    let joints = skin.joints.iter().enumerate().map(|(i, joint)| (joint.value(), inverse(i))).collect();
    Ok(Skin { joints })
}
