//! Tangents that files do not have.

mod support;

use bevy_mikktspace::{Geometry, TangentSpace, generate_tangents};
use serde_json::json;
use support::{
    file::{File, pixel},
    load,
};
use tessera_render::{Scene, Triangle, Vec3};

/// A bumpy ball whose texture coordinates have a seam, are mirrored on one half, and have no area in one row of faces.
struct Ball {
    corners: Vec<([f32; 3], [f32; 3], [f32; 2])>,
}

impl Ball {
    fn new() -> Self {
        const ROWS: usize = 9;
        const COLUMNS: usize = 14;
        let vertex = |row: usize, column: usize| {
            let (v, u) = (row as f32 / ROWS as f32, column as f32 / COLUMNS as f32);
            let (polar, azimuth) = (0.3 + 2.5 * v, std::f32::consts::TAU * (column % COLUMNS) as f32 / COLUMNS as f32);
            let bump = 1.0 + 0.2 * (azimuth * 3.0).sin() * (polar * 2.0).cos();
            let d = [polar.sin() * azimuth.cos(), polar.cos(), polar.sin() * azimuth.sin()];
            let mirrored = if u < 0.5 { u * 2.0 } else { 2.0 - u * 2.0 };
            (d.map(|c| c * bump), d, [mirrored, if row < 2 { 0.1 } else { v }])
        };
        let mut corners = Vec::new();
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                let at = [(0, 0), (0, 1), (1, 1), (0, 0), (1, 1), (1, 0)];
                corners.extend(at.map(|(down, right)| vertex(row + down, column + right)));
            }
        }
        Self { corners }
    }

    fn file(&self, material: serde_json::Value) -> File {
        let mut file = File::new(json!([{"mesh": 0}]), 1);
        let positions = file.floats("VEC3", &self.corners.iter().flat_map(|c| c.0).collect::<Vec<_>>());
        let normals = file.floats("VEC3", &self.corners.iter().flat_map(|c| c.1).collect::<Vec<_>>());
        let uvs = file.floats("VEC2", &self.corners.iter().flat_map(|c| c.2).collect::<Vec<_>>());
        let attributes = json!({"POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs});
        file.push("meshes", json!({"primitives": [{"attributes": attributes, "material": 0}]}));
        file.texture("image/png", &pixel([128, 128, 255, 255], image::ImageFormat::Png));
        file.push("materials", material);
        file
    }
}

/// What the reference makes of the ball.
struct Reference<'a> {
    ball: &'a Ball,
    tangents: Vec<Option<[f32; 4]>>,
}

impl Geometry for Reference<'_> {
    fn num_faces(&self) -> usize {
        self.ball.corners.len() / 3
    }

    fn num_vertices_of_face(&self, _face: usize) -> usize {
        3
    }

    fn position(&self, face: usize, vert: usize) -> [f32; 3] {
        self.ball.corners[face * 3 + vert].0
    }

    fn normal(&self, face: usize, vert: usize) -> [f32; 3] {
        Vec3::from(self.ball.corners[face * 3 + vert].1).unit().unwrap().to_array()
    }

    fn tex_coord(&self, face: usize, vert: usize) -> [f32; 2] {
        self.ball.corners[face * 3 + vert].2
    }

    fn set_tangent(&mut self, tangent_space: Option<TangentSpace>, face: usize, vert: usize) {
        self.tangents[face * 3 + vert] = tangent_space.map(|t| t.tangent_encoded());
    }
}

fn tangents(scene: &Scene) -> Vec<[f32; 4]> {
    scene.triangles.iter().flat_map(|t| t.tangents).collect()
}

fn along(t: [f32; 4]) -> Vec3 {
    Vec3 { x: t[0], y: t[1], z: t[2] }
}

#[test]
fn tangents_are_those_of_mikktspace() {
    let ball = Ball::new();
    let scene = load(&ball.file(json!({"normalTexture": {"index": 0}})).glb()).unwrap();
    let ours = tangents(&scene);
    let mut reference = Reference { ball: &ball, tangents: vec![None; ball.corners.len()] };
    generate_tangents(&mut reference).unwrap();
    assert_eq!(ours.len(), reference.tangents.len());
    let mut compared = 0;
    for (i, (ours, theirs)) in ours.iter().zip(&reference.tangents).enumerate() {
        assert!((along(*ours).length() - 1.0).abs() < 1e-4 && ours[3].abs() == 1.0, "{ours:?}");
        // On faces without area in texture coordinates any direction is as good as another.
        let [a, b, c] = [0, 1, 2].map(|corner| ball.corners[i / 3 * 3 + corner].2);
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        let Some(theirs) = theirs.filter(|_| area != 0.0) else { continue };
        assert!(along(*ours).dot(along(theirs)) > 0.9999, "{ours:?} for {theirs:?}");
        // glTF's v grows downwards: the bitangent points up the image.
        assert_eq!(ours[3], -theirs[3]);
        compared += 1;
    }
    assert!(compared > ours.len() * 3 / 4, "{compared} of {}", ours.len());
}

#[test]
fn tangents_follow_textures_that_need_them() {
    let ball = Ball::new();
    let none = load(&ball.file(json!({})).glb()).unwrap();
    assert!(tangents(&none).iter().all(|t| *t == [0.0; 4]));
    let plain = tangents(&load(&ball.file(json!({"normalTexture": {"index": 0}})).glb()).unwrap());
    let coat = json!({"extensions": {"KHR_materials_clearcoat": {
        "clearcoatFactor": 1, "clearcoatNormalTexture": {"index": 0, "scale": 0.5}
    }}});
    assert_eq!(tangents(&load(&ball.file(coat).glb()).unwrap()), plain);
    let anisotropic = json!({"extensions": {"KHR_materials_anisotropy": {"anisotropyStrength": 1}}});
    assert_eq!(tangents(&load(&ball.file(anisotropic).glb()).unwrap()), plain);
    // Texture coordinates turned by half a turn turn the tangents.
    let turn = json!({"KHR_texture_transform": {"rotation": std::f32::consts::PI}});
    let turned = json!({"normalTexture": {"index": 0, "extensions": turn}});
    let turned = tangents(&load(&ball.file(turned).glb()).unwrap());
    let opposite = turned.iter().zip(&plain).filter(|(a, b)| along(**a).dot(along(**b)) < -0.99 && a[3] == b[3]);
    assert!(opposite.count() > plain.len() * 3 / 4);
}

#[test]
fn tangents_of_files_are_placed() {
    let mut file = File::new(json!([{"mesh": 0, "scale": [2, 3, -1]}]), 1);
    let positions = file.floats("VEC3", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let normals = file.floats("VEC3", &[0.0, 0.0, 1.0].repeat(3));
    let tangents = file.floats("VEC4", &[0.0, 1.0, 0.0, 1.0].repeat(3));
    let attributes = json!({"POSITION": positions, "NORMAL": normals, "TANGENT": tangents});
    file.push("meshes", json!({"primitives": [{"attributes": attributes, "material": 0}]}));
    file.push("materials", json!({"normalTexture": {"index": 0}}));
    file.texture("image/png", &pixel([128, 128, 255, 255], image::ImageFormat::Png));
    let triangle: Triangle = load(&file.glb()).unwrap().triangles[0];
    assert_eq!(triangle.tangents, [[0.0, 1.0, 0.0, -1.0]; 3], "a mirror turns the hand");
    // Without normals the file's tangents mean nothing, and are made along u.
    let attributes = &mut file.json["meshes"][0]["primitives"][0]["attributes"];
    attributes.as_object_mut().unwrap().remove("NORMAL");
    let uvs = file.floats("VEC2", &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    file.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = json!(uvs);
    file.json["nodes"][0] = json!({"mesh": 0});
    let triangle: Triangle = load(&file.glb()).unwrap().triangles[0];
    assert_eq!(triangle.tangents, [[1.0, 0.0, 0.0, -1.0]; 3]);
}
