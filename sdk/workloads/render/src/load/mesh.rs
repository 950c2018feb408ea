//! Triangles out of mesh primitives.

use gltf::mesh::{Mode, Semantic};

use super::Source;
use crate::{
    error::Result,
    math::{Transform, Vec3},
    scene::{Scene, Triangle},
};

/// Adds the triangles of a mesh, placed in the world, to the scene.
pub(super) fn read(source: &Source<'_>, mesh: &gltf::Mesh<'_>, place: &Transform, scene: &mut Scene) -> Result<()> {
    for primitive in mesh.primitives() {
        let name = || format!("mesh {} primitive {}", mesh.index(), primitive.index());
        let triangles = matches!(primitive.mode(), Mode::Triangles | Mode::TriangleStrip | Mode::TriangleFan);
        let Some(positions) = primitive.get(&Semantic::Positions).filter(|_| triangles) else {
            continue; // points and lines have no surface; nor has a primitive without positions
        };
        let positions: Vec<Vec3> = source.floats::<3>(&positions)?.into_iter().map(|p| place.point(p.into())).collect();
        if positions.iter().any(|p| !p.is_finite()) {
            return Err(source.broken(format!("{} has a position that is not finite", name())));
        }
        let normals = primitive.get(&Semantic::Normals).map(|a| source.floats::<3>(&a)).transpose()?;
        let uvs = primitive.get(&Semantic::TexCoords(0)).map(|a| source.floats::<2>(&a)).transpose()?;
        for (what, len) in [("normals", normals.as_ref().map(Vec::len)), ("uvs", uvs.as_ref().map(Vec::len))] {
            if let Some(len) = len.filter(|len| *len != positions.len()) {
                return Err(source.broken(format!("{} has {} positions but {len} {what}", name(), positions.len())));
            }
        }
        let indices = match primitive.indices() {
            Some(accessor) => source.indices(&accessor)?,
            None => (0..positions.len() as u32).collect(),
        };
        if let Some(index) = indices.iter().find(|i| **i as usize >= positions.len()) {
            return Err(source.broken(format!("{} has index {index} but {} vertices", name(), positions.len())));
        }
        // Materials start with the default one.
        let material = primitive.material().index().map_or(0, |i| i as u32 + 1);
        for corners in corners(primitive.mode(), &indices) {
            let corners = corners.map(|i| i as usize);
            let mut triangle = Triangle::flat(corners.map(|i| positions[i]), material);
            triangle.uvs[0] = uvs.as_ref().map_or([[0.0; 2]; 3], |uvs| corners.map(|i| uvs[i]));
            let Some(flat) = triangle.cross().unit() else {
                continue; // no area
            };
            let flat = if place.mirrors() { -flat } else { flat };
            triangle.normals = match &normals {
                Some(normals) => corners.map(|i| place.normal(normals[i].into()).unit().unwrap_or(flat)),
                None => [flat; 3],
            };
            scene.triangles.push(triangle);
        }
    }
    Ok(())
}

/// The corners of each triangle of a primitive.
fn corners(mode: Mode, indices: &[u32]) -> Vec<[u32; 3]> {
    match mode {
        Mode::TriangleStrip => {
            let turn = |(i, w): (usize, &[u32])| if i % 2 == 0 { [w[0], w[1], w[2]] } else { [w[1], w[0], w[2]] };
            indices.windows(3).enumerate().map(turn).collect()
        }
        Mode::TriangleFan => {
            let first = indices.first().copied().unwrap_or(0);
            indices.get(1..).unwrap_or(&[]).windows(2).map(|w| [first, w[0], w[1]]).collect()
        }
        _ => indices.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect(),
    }
}
