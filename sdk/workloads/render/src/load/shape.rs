//! Vertices at a moment: morphed, placed by a node or by joints, and made into triangles.

use std::borrow::Cow;

use super::{
    mesh::{MAX_POSITION, Primitive, Tangents},
    tangents::{self, Face},
};
use crate::{
    math::{Transform, Vec3},
    scene::{TextureUse, Triangle},
};

/// The vertices of a primitive with its morph targets applied, in the space of the mesh.
pub(super) struct Shape<'a> {
    positions: Cow<'a, [[f32; 3]]>,
    normals: Option<Cow<'a, [[f32; 3]]>>,
    tangents: ShapeTangents<'a>,
}

enum ShapeTangents<'a> {
    None,
    Vertices(Cow<'a, [[f32; 4]]>),
    Corners(Cow<'a, [[[f32; 4]; 3]]>),
}

/// What takes vertices to the world.
pub(super) enum Places {
    /// The same for all.
    Whole(Transform),
    /// One for each vertex.
    Vertices(Vec<Transform>),
}

impl Places {
    fn of(&self, vertex: usize) -> &Transform {
        match self {
            Self::Whole(place) => place,
            Self::Vertices(places) => &places[vertex],
        }
    }

    /// The mean of joints' places by each vertex's weights.
    pub(super) fn skinned(primitive: &Primitive, joints: &[Transform]) -> Self {
        let blend = |vertex: usize| {
            let pairs = primitive.joints.iter().flat_map(|(j, w)| j[vertex].into_iter().zip(w[vertex]));
            let (mut sum, mut total) = (Transform { columns: [Vec3::default(); 4] }, 0.0);
            for (joint, weight) in pairs.filter(|(_, weight)| *weight > 0.0) {
                let place = joints.get(joint as usize).unwrap_or(&Transform::IDENTITY);
                for (sum, column) in sum.columns.iter_mut().zip(place.columns) {
                    *sum = *sum + column * weight;
                }
                total += weight;
            }
            if total > 0.0 {
                Transform { columns: sum.columns.map(|c| c * (1.0 / total)) }
            } else {
                joints.first().copied().unwrap_or(Transform::IDENTITY)
            }
        };
        Self::Vertices((0..primitive.positions.len()).map(blend).collect())
    }
}

impl<'a> Shape<'a> {
    /// Without morph targets.
    pub(super) fn rest(primitive: &'a Primitive) -> Self {
        let tangents = match &primitive.tangents {
            Tangents::File(tangents) => ShapeTangents::Vertices(Cow::Borrowed(tangents)),
            Tangents::Made(tangents) => ShapeTangents::Corners(Cow::Borrowed(tangents)),
            Tangents::None | Tangents::Later(_) => ShapeTangents::None,
        };
        let normals = primitive.normals.as_deref().map(Cow::Borrowed);
        Self { positions: Cow::Borrowed(&primitive.positions), normals, tangents }
    }

    /// With each morph target added as far as its weight says.
    pub(super) fn new(primitive: &'a Primitive, weights: &[f32]) -> Self {
        let mut shape = Self::rest(primitive);
        for (target, weight) in primitive.targets.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
            let add = |values: &mut [f32], by: &[f32; 3]| {
                for (value, by) in values.iter_mut().zip(by) {
                    *value += by * weight;
                }
            };
            if let Some(by) = &target.positions {
                shape.positions.to_mut().iter_mut().zip(by.iter()).for_each(|(p, by)| add(p, by));
            }
            if let (Some(normals), Some(by)) = (&mut shape.normals, &target.normals) {
                normals.to_mut().iter_mut().zip(by.iter()).for_each(|(n, by)| add(n, by));
            }
            if let (ShapeTangents::Vertices(tangents), Some(by)) = (&mut shape.tangents, &target.tangents) {
                tangents.to_mut().iter_mut().zip(by.iter()).for_each(|(t, by)| add(t, by));
            }
        }
        if let Tangents::Later(texture) = &primitive.tangents {
            let made = tangents::generate(&shape.faces(primitive, texture));
            shape.tangents = ShapeTangents::Corners(Cow::Owned(made));
        }
        shape
    }

    /// What tangents are made of, with texture coordinates as the texture reads them.
    pub(super) fn faces(&self, primitive: &Primitive, texture: &TextureUse) -> Vec<Face> {
        let uvs = primitive.uvs[usize::from(texture.set.min(1))].as_deref();
        let face = |triangle: &[u32; 3]| {
            let corners = triangle.map(|i| i as usize);
            let positions = corners.map(|i| Vec3::from(self.positions[i]));
            let [a, b, c] = positions;
            let flat = (b - a).cross(c - a).unit().unwrap_or_default();
            let normals = corners.map(|i| {
                let normal = self.normals.as_deref().and_then(|normals| Vec3::from(normals[i]).unit());
                normal.unwrap_or(flat)
            });
            let uv = |i: usize| {
                let [u, v] = uvs.map_or([0.0; 2], |uvs| uvs[i]);
                texture.map.map(|row| row[0] * u + row[1] * v + row[2])
            };
            Face { positions, normals, uvs: corners.map(uv) }
        };
        primitive.triangles.iter().map(face).collect()
    }

    /// Adds the triangles, placed, except those without area. `false` if a position leaves the bounds of the world.
    #[must_use]
    pub(super) fn place(&self, primitive: &Primitive, places: &Places, object: u32, out: &mut Vec<Triangle>) -> bool {
        for (t, corners) in primitive.triangles.iter().enumerate() {
            // A mirror turns the winding, by which the front is known.
            let order = if places.of(corners[0] as usize).mirrors() { [0, 2, 1] } else { [0, 1, 2] };
            let corners = order.map(|i| corners[i] as usize);
            let positions = corners.map(|i| places.of(i).point(self.positions[i].into()));
            if !positions.iter().flat_map(|p| p.to_array()).all(|c| c.abs() <= MAX_POSITION) {
                return false;
            }
            let flat = Triangle::flat(positions, primitive.material);
            let Some(front) = flat.cross().unit() else { continue };
            let normal = |i: usize| {
                let normal = self.normals.as_deref().and_then(|n| places.of(i).normal(n[i].into()).unit());
                normal.unwrap_or(front)
            };
            let tangent = |at: usize| {
                let vertex = corners[at];
                match &self.tangents {
                    ShapeTangents::None => [0.0; 4],
                    ShapeTangents::Vertices(tangents) => placed_tangent(tangents[vertex], places.of(vertex)),
                    ShapeTangents::Corners(tangents) => placed_tangent(tangents[t][order[at]], places.of(vertex)),
                }
            };
            out.push(Triangle {
                normals: corners.map(normal),
                tangents: [0, 1, 2].map(tangent),
                uvs: primitive.uvs.each_ref().map(|uvs| corners.map(|i| uvs.as_ref().map_or([0.0; 2], |uvs| uvs[i]))),
                colors: corners.map(|i| primitive.colors.as_ref().map_or([1.0; 4], |colors| colors[i])),
                object,
                ..flat
            });
        }
        true
    }
}

/// A tangent in the world; zero if it has no direction there. A mirror turns the sign of the bitangent.
fn placed_tangent([x, y, z, w]: [f32; 4], place: &Transform) -> [f32; 4] {
    let Some(along) = place.direction(Vec3 { x, y, z }).unit() else { return [0.0; 4] };
    [along.x, along.y, along.z, if (w < 0.0) == place.mirrors() { 1.0 } else { -1.0 }]
}
