//! Tangents where a file has none, after MikkTSpace (Mikkelsen 2008, "Simulation of wrinkled surfaces revisited"), with
//! which normal maps are baked: at each corner the mean, by angle, of the directions in which u grows on the faces that
//! share the vertex and hang together around it.
//!
//! Faces are grouped with a union-find rather than by recursion, so that the cost grows with n log n for any mesh.

use std::collections::HashMap;

use crate::math::{Vec3, vec3};

/// A triangle that wants tangents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub positions: [Vec3; 3],
    pub normals: [Vec3; 3],
    pub uvs: [[f32; 2]; 3],
}

/// Memory that [`generate`] takes for a face, roughly, in bytes.
pub(super) const MEMORY: usize = 512;

/// How u and v run on a face.
#[derive(Clone, Copy)]
struct Chart {
    /// The direction in which u grows; zero where the face has no area in space or in texture coordinates.
    along: Vec3,
    /// Whether u, v and the face's normal are a right hand; `None` until a neighbour decides it.
    preserves: Option<bool>,
    /// The face has no area and takes no part.
    flat: bool,
}

/// Tangents of the corners of each face, with the sign of the bitangent for texture coordinates whose v grows downwards.
pub(super) fn generate(faces: &[Face]) -> Vec<[[f32; 4]; 3]> {
    let vertices = weld(faces);
    let mut charts: Vec<Chart> = faces.iter().map(chart).collect();
    let pairs = neighbours(&vertices, &charts);
    spread(&mut charts, &pairs);

    let mut groups = Groups::new(faces.len() * 3);
    for pair in &pairs {
        let [a, b] = pair.map(|edge| charts[edge as usize / 3].preserves);
        if a.is_some() && a == b {
            let [a, b] = pair.map(|edge| [edge, next(edge)]);
            // The edges run against each other.
            groups.join(a[0], b[1]);
            groups.join(a[1], b[0]);
        }
    }

    let mut sums = vec![Vec3::default(); faces.len() * 3];
    for (f, (face, chart)) in faces.iter().zip(&charts).enumerate() {
        for i in 0..3 {
            sums[groups.root((f * 3 + i) as u32) as usize] =
                sums[groups.root((f * 3 + i) as u32) as usize] + contribution(face, chart, i);
        }
    }
    // Corners of faces without area take what another face has at the vertex.
    let mut at_vertex: HashMap<u32, u32> = HashMap::new();
    for corner in 0..vertices.len() as u32 {
        let root = groups.root(corner);
        if sums[root as usize].unit().is_some() {
            at_vertex.entry(vertices[corner as usize]).or_insert(corner);
        }
    }
    let tangent = |corner: u32, normal: Vec3, groups: &mut Groups| {
        let mut from = corner;
        if sums[groups.root(corner) as usize].unit().is_none() {
            from = at_vertex.get(&vertices[corner as usize]).copied().unwrap_or(corner);
        }
        let along = sums[groups.root(from) as usize].unit().unwrap_or_else(|| across(normal));
        let preserves = charts[from as usize / 3].preserves.unwrap_or(false);
        [along.x, along.y, along.z, if preserves { -1.0 } else { 1.0 }]
    };
    faces
        .iter()
        .enumerate()
        .map(|(f, face)| [0, 1, 2].map(|i| tangent((f * 3 + i) as u32, face.normals[i], &mut groups)))
        .collect()
}

/// The corner after this one on its face.
const fn next(corner: u32) -> u32 {
    if corner % 3 == 2 { corner - 2 } else { corner + 1 }
}

/// Any unit vector across another.
fn across(normal: Vec3) -> Vec3 {
    let axis = if normal.x.abs() < 0.8 { vec3(1.0, 0.0, 0.0) } else { vec3(0.0, 1.0, 0.0) };
    projected(axis, normal).unwrap_or(axis)
}

/// The unit vector of what of `v` is across `normal`.
fn projected(v: Vec3, normal: Vec3) -> Option<Vec3> {
    (v - normal * normal.dot(v)).unit()
}

/// The number of each corner's vertex: equal for equal positions, normals and texture coordinates.
fn weld(faces: &[Face]) -> Vec<u32> {
    let mut numbers: HashMap<[u32; 8], u32> = HashMap::new();
    let mut vertices = Vec::with_capacity(faces.len() * 3);
    for face in faces {
        for i in 0..3 {
            let ([x, y, z], [l, m, n]) = (face.positions[i].to_array(), face.normals[i].to_array());
            let [u, v] = face.uvs[i];
            // Adding zero makes both zeros one.
            let key = [x, y, z, l, m, n, u, v].map(|c| (c + 0.0).to_bits());
            let fresh = numbers.len() as u32;
            vertices.push(*numbers.entry(key).or_insert(fresh));
        }
    }
    vertices
}

fn chart(face: &Face) -> Chart {
    let [a, b, c] = face.positions;
    if a == b || b == c || c == a {
        return Chart { along: Vec3::default(), preserves: None, flat: true };
    }
    let [s, t, w] = face.uvs;
    let (du, dv) = ([t[0] - s[0], w[0] - s[0]], [t[1] - s[1], w[1] - s[1]]);
    let area = du[0] * dv[1] - dv[0] * du[1];
    let preserves = area > 0.0;
    let (along, up) = ((b - a) * dv[1] - (c - a) * dv[0], (c - a) * du[0] - (b - a) * du[1]);
    match (along.unit(), up.unit()) {
        (Some(along), Some(_)) if area.abs() > f32::MIN_POSITIVE => {
            Chart { along: if preserves { along } else { -along }, preserves: Some(preserves), flat: false }
        }
        _ => Chart { along: Vec3::default(), preserves: None, flat: false },
    }
}

/// Pairs of edges, each named by the corner where it starts, along which two faces meet with the same side up.
fn neighbours(vertices: &[u32], charts: &[Chart]) -> Vec<[u32; 2]> {
    let mut edges: Vec<(u32, u32, u32)> = (0..vertices.len() as u32)
        .filter(|corner| !charts[*corner as usize / 3].flat)
        .map(|corner| {
            let (a, b) = (vertices[corner as usize], vertices[next(corner) as usize]);
            (a.min(b), a.max(b), corner)
        })
        .collect();
    edges.sort_unstable();
    let mut pairs = Vec::with_capacity(edges.len() / 2);
    for run in edges.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let corners = |forward: bool| {
            let runs = move |edge: &&(u32, u32, u32)| (vertices[edge.2 as usize] == edge.0) == forward;
            run.iter().filter(runs).map(|edge| edge.2)
        };
        pairs.extend(corners(true).zip(corners(false)).map(|(a, b)| [a, b]));
    }
    pairs
}

/// Gives faces without area in texture coordinates the hand of a neighbour, so that groups reach through them.
fn spread(charts: &mut [Chart], pairs: &[[u32; 2]]) {
    let mut beside = vec![[u32::MAX; 3]; charts.len()];
    for [a, b] in pairs {
        beside[*a as usize / 3][*a as usize % 3] = b / 3;
        beside[*b as usize / 3][*b as usize % 3] = a / 3;
    }
    let decided = |chart: &Chart| chart.preserves.is_some();
    let mut open: Vec<usize> = (0..charts.len()).filter(|f| decided(&charts[*f])).collect();
    let mut at = 0;
    while let Some(face) = open.get(at).copied() {
        at += 1;
        for other in beside[face] {
            let hand = charts[face].preserves;
            if let Some(chart) = charts.get_mut(other as usize).filter(|chart| chart.preserves.is_none()) {
                chart.preserves = hand;
                open.push(other as usize);
            }
        }
    }
}

/// What a face adds to the tangent at one of its corners.
fn contribution(face: &Face, chart: &Chart, i: usize) -> Vec3 {
    let normal = face.normals[i];
    let Some(along) = projected(chart.along, normal) else { return Vec3::default() };
    let here = face.positions[i];
    let side = |j: usize| projected(face.positions[(i + j) % 3] - here, normal).unwrap_or_default();
    along * side(1).dot(side(2)).clamp(-1.0, 1.0).acos()
}

/// Corners that share a tangent.
struct Groups {
    parents: Vec<u32>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parents: (0..count as u32).collect() }
    }

    fn root(&mut self, mut corner: u32) -> u32 {
        while self.parents[corner as usize] != corner {
            let above = self.parents[self.parents[corner as usize] as usize];
            self.parents[corner as usize] = above;
            corner = above;
        }
        corner
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number becomes the root, so that the order of joining does not matter.
        self.parents[a.max(b) as usize] = a.min(b);
    }
}
