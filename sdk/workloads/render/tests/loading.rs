//! Scenes from files: what is read, and what is refused.

mod support;

use std::path::Path;

use support::{floats, glb, load, square};
use tessera_render::{Alpha, CameraChoice, Projection, PunctualLight, Scene, Settings, prepare, vec3};

/// The message with which a file is refused.
fn refused(bytes: &[u8]) -> String {
    load(bytes).expect_err("the file must be refused").to_string()
}

#[test]
fn indexed_triangles_get_flat_normals() {
    let scene = load(&square(|json| json)).unwrap();
    assert_eq!(scene.triangles.len(), 2);
    assert_eq!(scene.triangles[1].positions, [vec3(-1.0, -1.0, 0.0), vec3(1.0, 1.0, 0.0), vec3(-1.0, 1.0, 0.0)]);
    assert!(scene.triangles.iter().all(|t| t.normals == [vec3(0.0, 0.0, 1.0); 3]));
}

#[test]
fn triangles_without_indices_and_strips() {
    let plain = square(|json| json.replace(r#", "indices": 1"#, ""));
    assert_eq!(load(&plain).unwrap().triangles.len(), 1, "four vertices are one triangle and a rest");
    let strip = square(|json| json.replace(r#""indices": 1"#, r#""mode": 5"#));
    let scene = load(&strip).unwrap();
    assert_eq!(scene.triangles.len(), 2);
    assert_eq!(scene.triangles[1].positions[0], vec3(1.0, 1.0, 0.0), "every other triangle is turned");
}

#[test]
fn transforms_of_nested_nodes_apply() {
    let nodes = r#""nodes": [
        {"children": [1], "translation": [10, 0, 0], "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, 0.70710678, 0, 0.70710678]}
    ]"#;
    let scene = load(&square(|json| json.replace(r#""nodes": [{"mesh": 0}]"#, nodes))).unwrap();
    let corner = scene.triangles[0].positions[1];
    assert!((corner - vec3(10.0, -2.0, -2.0)).length() < 1e-5, "{corner:?}");
    assert!((scene.triangles[0].normals[0] - vec3(1.0, 0.0, 0.0)).length() < 1e-5);
}

#[test]
fn materials_cameras_and_lights() {
    let change = |json: String| {
        json.replace(r#""indices": 1"#, r#""indices": 1, "material": 0"#)
            .replace(
                r#""nodes": [{"mesh": 0}]"#,
                r#""nodes": [
                    {"mesh": 0, "children": [1, 2]},
                    {"camera": 0, "name": "eye", "translation": [0, 0, 5]},
                    {"extensions": {"KHR_lights_punctual": {"light": 0}}, "translation": [0, 3, 0]}
                ],
                "cameras": [{"type": "orthographic", "orthographic": {"xmag": 2, "ymag": 1.5, "znear": 0.1, "zfar": 9}}],
                "extensionsUsed": ["KHR_lights_punctual", "KHR_materials_emissive_strength"],
                "extensionsRequired": ["KHR_lights_punctual"],
                "extensions": {"KHR_lights_punctual": {"lights": [
                    {"type": "spot", "intensity": 7, "color": [1, 0.5, 0], "spot": {"outerConeAngle": 0.5}}
                ]}},
                "materials": [{
                    "alphaMode": "MASK", "alphaCutoff": 0.25, "emissiveFactor": [1, 0, 0],
                    "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 4}},
                    "pbrMetallicRoughness": {"baseColorFactor": [0.1, 0.2, 0.3, 0.4], "metallicFactor": 0, "roughnessFactor": 0.5}
                }]"#,
            )
    };
    let scene = load(&square(change)).unwrap();
    let material = scene.materials[scene.triangles[0].material as usize];
    assert_eq!((material.base, material.opacity), (vec3(0.1, 0.2, 0.3), 0.4));
    assert_eq!((material.alpha, material.emissive), (Alpha::Mask(0.25), vec3(4.0, 0.0, 0.0)));
    assert_eq!((material.metallic, material.roughness), (0.0, 0.5));
    let (name, camera) = &scene.cameras[0];
    assert_eq!((name.as_deref(), camera.projection), (Some("eye"), Projection::Orthographic(1.5)));
    assert_eq!((camera.position, camera.forward), (vec3(0.0, 0.0, 5.0), vec3(0.0, 0.0, -1.0)));
    let PunctualLight::Spot { position, axis, intensity, .. } = scene.lights[0] else { panic!("{:?}", scene.lights) };
    assert_eq!((position, axis, intensity), (vec3(0.0, 3.0, 0.0), vec3(0.0, 0.0, -1.0), vec3(7.0, 3.5, 0.0)));
}

#[test]
fn textures_become_linear() {
    let mut png = Vec::new();
    let image = image::RgbaImage::from_pixel(2, 1, image::Rgba([255, 128, 0, 255]));
    image.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let mut data = floats(&[-1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 1.0, 0.0]);
    data.extend(&png);
    let json = format!(
        r#"{{"asset": {{"version": "2.0"}}, "scenes": [{{"nodes": [0]}}], "nodes": [{{"mesh": 0}}],
        "meshes": [{{"primitives": [{{"attributes": {{"POSITION": 0}}, "material": 0}}]}}],
        "materials": [{{"pbrMetallicRoughness": {{"baseColorTexture": {{"index": 0}}}}}}],
        "textures": [{{"source": 0}}], "images": [{{"bufferView": 1, "mimeType": "image/png"}}],
        "accessors": [{{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [-1,-1,0], "max": [1,1,0]}}],
        "bufferViews": [{{"buffer": 0, "byteLength": 36}}, {{"buffer": 0, "byteOffset": 36, "byteLength": {}}}],
        "buffers": [{{"byteLength": {}}}]}}"#,
        png.len(),
        data.len()
    );
    let scene = load(&glb(&json, &data)).unwrap();
    let texture = &scene.textures[scene.materials[1].base_texture.unwrap().texture as usize];
    let mean = texture.mean();
    assert_eq!((texture.width, texture.height), (2, 1));
    assert!((mean - vec3(1.0, 0.2158, 0.0)).length() < 2e-3, "{mean:?}");
    // The same file with a damaged image names it.
    let at = 36 + 20;
    data[at] ^= 0xff;
    assert!(refused(&glb(&json, &data)).contains("image 0"));
}

#[test]
fn a_camera_is_made_up_where_the_file_has_none() {
    let scene = load(&square(|json| json)).unwrap();
    let job = prepare(&scene, &Settings { width: 16, height: 16, ..Settings::default() }).unwrap();
    assert_eq!(job.prepared.spec.units, 1);
    let missing = Settings { camera: CameraChoice::Named("front".into()), ..Settings::default() };
    assert!(prepare(&scene, &missing).unwrap_err().to_string().contains("no camera \"front\""));
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    let cases: [(&str, &str, &str); 7] = [
        (
            r#""buffer": 0, "byteOffset": 48, "byteLength": 12"#,
            r#""buffer": 0, "byteOffset": 56, "byteLength": 12"#,
            "outside",
        ),
        (r#""count": 6, "type": "SCALAR""#, r#""count": 7, "type": "SCALAR""#, "accessor 1"),
        (r#""byteLength": 60"#, r#""byteLength": 600"#, "expected 600"),
        (r#""nodes": [{"mesh": 0}]"#, r#""nodes": [{"mesh": 0, "children": [0]}]"#, "each other's parents"),
        (r#""count": 4, "type": "VEC3""#, r#""count": 3, "type": "VEC3""#, "index 3 but 3 vertices"),
        (
            r#""scene": 0,"#,
            r#""scene": 0, "extensionsRequired": ["KHR_draco_mesh_compression"],"#,
            "KHR_draco_mesh_compression",
        ),
        (r#""type": "VEC3""#, r#""type": "VEC2""#, "2 components"),
    ];
    for (from, to, reason) in cases {
        let message = refused(&square(|json| {
            assert!(json.contains(from));
            json.replace(from, to)
        }));
        assert!(message.contains(reason), "{to}: {message}");
    }
    assert!(refused(b"no scene").contains("test.glb"));
    assert!(Scene::load(Path::new("/nowhere/scene.glb")).unwrap_err().to_string().contains("/nowhere/scene.glb"));
}
