//! What shading needs of triangles, in the kernel's layout.

use crate::{
    layout::{self, SMOOTH_CORNERS},
    scene::Triangle,
};

/// A triangle's record, and the numbers that only some triangles have. `order` is its number in its mesh.
pub fn attributes(triangle: &Triangle, order: u32) -> (layout::Attributes, Option<layout::Extras>) {
    let flat = triangle.cross().unit().unwrap_or_default();
    let smooth = triangle.normals.iter().any(|n| n.dot(flat).abs() < 0.9999);
    let halves: Vec<u32> =
        triangle.normals.iter().flat_map(|n| n.to_array().map(|v| signed(v, 32_767.0) & 0xffff)).collect();
    let mut normals: [u32; 5] =
        std::array::from_fn(|i| halves[i * 2] | halves.get(i * 2 + 1).map_or(0, |high| high << 16));
    normals[4] |= if smooth { SMOOTH_CORNERS } else { 0 };
    let record = layout::Attributes {
        normals,
        material: triangle.material,
        object: triangle.object,
        order,
        uvs: triangle.uvs[0],
        extras: 0,
        pad: 0,
    };
    let plain = triangle.uvs[1].as_flattened().iter().all(|v| *v == 0.0)
        && triangle.tangents.iter().all(|t| t[3] == 0.0)
        && triangle.colors.as_flattened().iter().all(|v| *v == 1.0);
    (record, (!plain).then(|| extras(triangle)))
}

fn extras(triangle: &Triangle) -> layout::Extras {
    let tangent = |t: [f32; 4]| {
        let sign = if t[3] == 0.0 {
            0
        } else if t[3] > 0.0 {
            1
        } else {
            2
        };
        let bits = |v: f32| signed(v, 511.0) & 0x3ff;
        bits(t[0]) | bits(t[1]) << 10 | bits(t[2]) << 20 | sign << 30
    };
    let color = |c: [f32; 4]| {
        let bits = c.map(|v| (v.clamp(0.0, 1.0) * 65_535.0).round() as u32);
        [bits[0] | bits[1] << 16, bits[2] | bits[3] << 16]
    };
    layout::Extras {
        uvs: triangle.uvs[1],
        tangents: triangle.tangents.map(tangent),
        colors: triangle.colors.map(color),
        pad: 0,
    }
}

/// A number of -1..1 as a whole number of up to `one`, in two's complement.
fn signed(v: f32, one: f32) -> u32 {
    (v.clamp(-1.0, 1.0) * one).round() as i32 as u32
}
