//! Skins, morph targets, animations and instances of scene files.

mod support;

use std::path::Path;

use serde_json::json;
use support::file::File;
use tessera_render::{RenderError, Scene, SceneFile, Vec3, vec3};

const TRIANGLE: [f32; 9] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

fn open(file: &File) -> Result<SceneFile, RenderError> {
    SceneFile::from_slice(&file.glb(), Path::new("test.glb"))
}

/// A file with one triangle as mesh 0.
fn triangle(nodes: serde_json::Value, roots: usize) -> File {
    let mut file = File::new(nodes, roots);
    let positions = file.floats("VEC3", &TRIANGLE);
    file.push("meshes", json!({"primitives": [{"attributes": {"POSITION": positions}}]}));
    file
}

/// Adds animation with one channel.
fn animate(file: &mut File, path: &str, interpolation: &str, times: &[f32], shape: &str, values: &[f32]) {
    let (input, output) = (file.floats("SCALAR", times), file.floats(shape, values));
    let animation = json!({
        "name": path,
        "samplers": [{"input": input, "output": output, "interpolation": interpolation}],
        "channels": [{"sampler": 0, "target": {"node": 0, "path": path}}],
    });
    file.push("animations", animation);
}

fn near(a: Vec3, b: Vec3) -> bool {
    (a - b).length() < 1e-5
}

/// The first corner and the edges from it: images of the origin and two axes.
fn frame(scene: &Scene) -> [Vec3; 3] {
    let [a, b, c] = scene.triangles[0].positions;
    [a, b - a, c - a]
}

#[test]
fn animations_interpolate_as_they_say() {
    let mut file = triangle(json!([{"mesh": 0}]), 1);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    animate(&mut file, "translation", "LINEAR", &[1.0, 3.0], "VEC3", &[0.0, 0.0, 0.0, 8.0, 0.0, 0.0]);
    animate(&mut file, "translation", "STEP", &[1.0, 3.0], "VEC3", &[1.0, 0.0, 0.0, 8.0, 0.0, 0.0]);
    // In-tangent, value, out-tangent of each key: a cubic from 0 with slope 2 to 1 with slope 0 in two seconds.
    let keys = [9.0, 9.0, 9.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 9.0, 9.0, 9.0];
    animate(&mut file, "translation", "CUBICSPLINE", &[1.0, 3.0], "VEC3", &keys);
    // A quarter turn about z, the second end given by its opposite: the way is still the short one.
    animate(&mut file, "rotation", "LINEAR", &[0.0, 1.0], "VEC4", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -half, -half]);
    animate(&mut file, "scale", "LINEAR", &[0.0, 1.0], "VEC3", &[1.0, 1.0, 1.0, 3.0, 1.0, 1.0]);
    let scenes = open(&file).unwrap();
    let about = scenes.animations()[0];
    assert_eq!((about.name.as_deref(), about.start, about.end), (Some("translation"), 1.0, 3.0));

    let at = |animation, time| frame(&scenes.pose(Some(animation), time).unwrap());
    for (time, x) in [(0.0, 0.0), (1.0, 0.0), (1.5, 2.0), (3.0, 8.0), (9.0, 8.0)] {
        assert!(near(at(0, time)[0], vec3(x, 0.0, 0.0)), "{time}");
    }
    for (time, x) in [(0.0, 1.0), (2.9, 1.0), (3.0, 8.0)] {
        assert!(near(at(1, time)[0], vec3(x, 0.0, 0.0)), "{time}");
    }
    // h01 + 2 · 2 · h10 at the middle: 1/2 + 4/8.
    assert!(near(at(2, 2.0)[0], vec3(1.0, 0.0, 0.0)), "{:?}", at(2, 2.0));
    let (sin, cos) = std::f32::consts::FRAC_PI_6.sin_cos();
    assert!(near(at(3, 1.0 / 3.0)[1], vec3(cos, sin, 0.0)), "{:?}", at(3, 1.0 / 3.0));
    assert!(near(at(4, 0.5)[1], vec3(2.0, 0.0, 0.0)));
    assert_eq!(frame(&scenes.pose(None, 5.0).unwrap())[0], Vec3::default(), "no animation is the rest pose");
    assert!(scenes.pose(Some(5), 0.0).unwrap_err().to_string().contains("animation 5 of 5"));
    assert!(scenes.pose(Some(0), f32::NAN).is_err());
}

#[test]
fn cameras_and_lights_move_with_their_nodes() {
    let nodes =
        json!([{"mesh": 0, "children": [1, 2]}, {"camera": 0}, {"extensions": {"KHR_lights_punctual": {"light": 0}}}]);
    let mut file = triangle(nodes, 1);
    file.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}));
    file.json["extensions"] = json!({"KHR_lights_punctual": {"lights": [{"type": "point"}]}});
    animate(&mut file, "translation", "LINEAR", &[0.0, 1.0], "VEC3", &[0.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
    let scene = open(&file).unwrap().pose(Some(0), 0.5).unwrap();
    assert_eq!(scene.cameras[0].1.position, vec3(2.0, 0.0, 0.0));
    let tessera_render::PunctualLight::Point { position, .. } = scene.lights[0] else { panic!() };
    assert_eq!(position, vec3(2.0, 0.0, 0.0));
}

#[test]
fn morph_targets_add_by_weight() {
    let mut file = triangle(json!([{"mesh": 0}]), 1);
    let up = file.floats("VEC3", &[0.0, 0.0, 1.0].repeat(3));
    let wide = file.floats("VEC3", &[0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    file.json["meshes"][0]["primitives"][0]["targets"] = json!([{"POSITION": up}, {"POSITION": wide}]);
    file.json["meshes"][0]["weights"] = json!([0.5, 0.0]);
    animate(&mut file, "weights", "LINEAR", &[0.0, 1.0], "SCALAR", &[0.0, 0.0, 2.0, 1.0]);
    let scenes = open(&file).unwrap();
    assert_eq!(frame(&scenes.pose(None, 0.0).unwrap())[0], vec3(0.0, 0.0, 0.5), "weights of the mesh");
    let [corner, edge, _] = frame(&scenes.pose(Some(0), 0.5).unwrap());
    assert_eq!((corner, edge), (vec3(0.0, 0.0, 1.0), vec3(2.0, 0.0, 0.0)));
    // The node's weights go before the mesh's.
    file.json["nodes"][0]["weights"] = json!([0.0, 1.0]);
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    assert_eq!(frame(&scene), [Vec3::default(), vec3(3.0, 0.0, 0.0), vec3(0.0, 1.0, 0.0)]);
    file.json["nodes"][0]["weights"] = json!([0.0]);
    assert!(open(&file).err().unwrap().to_string().contains("1 weights for 2"));
}

/// A triangle on two joints: the first corner on one, the second on the other, the third on both.
fn skinned() -> File {
    // The node of a skinned mesh says nothing about where it stands.
    let nodes = json!([
        {"translation": [0, 0, 5]}, {"translation": [2, 0, 0]},
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]}
    ]);
    let mut file = triangle(nodes, 3);
    let joints = file.accessor(5121, "VEC4", 3, &[0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]);
    let weights = file.floats("VEC4", &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    let mut inverse = [0.0; 32];
    for i in [0, 5, 10, 15, 16, 21, 26, 31] {
        inverse[i] = 1.0;
    }
    inverse[16 + 12] = -1.0; // the second joint was bound at x = 1
    let inverse = file.floats("MAT4", &inverse);
    file.push("skins", json!({"joints": [0, 1], "inverseBindMatrices": inverse}));
    let attributes = &mut file.json["meshes"][0]["primitives"][0]["attributes"];
    attributes["JOINTS_0"] = json!(joints);
    attributes["WEIGHTS_0"] = json!(weights);
    file
}

#[test]
fn skins_blend_their_joints() {
    let file = skinned();
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    let [a, b, c] = scene.triangles[0].positions;
    assert_eq!(a, vec3(0.0, 0.0, 5.0));
    assert_eq!(b, vec3(2.0, 0.0, 0.0), "bound at 1, moved to 2");
    assert_eq!(c, vec3(0.5, 1.0, 2.5), "weights that do not add up to one are scaled");
    assert_eq!(scene.triangles[0].object, 2);
}

#[test]
fn skins_are_checked() {
    let mut file = skinned();
    file.json["skins"][0]["joints"] = json!([0]);
    assert!(open(&file).err().unwrap().to_string().contains("names joint 1 of 1"));
    file.json["skins"][0]["joints"] = json!([0, 1, 1]);
    assert!(open(&file).err().unwrap().to_string().contains("more joints than"));
}

#[test]
fn meshes_placed_often_become_instances() {
    let mut file = triangle(json!([{"mesh": 0}, {"mesh": 0, "scale": [2, 1, 1]}, {"mesh": 0, "scale": [1, 1, 0]}]), 3);
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    assert_eq!((scene.meshes.len(), scene.instances.len()), (1, 2));
    assert_eq!((scene.instances[1].mesh, scene.instances[1].object), (0, 1));
    assert_eq!(scene.instances[1].place.columns[0], vec3(2.0, 0.0, 0.0));
    assert_eq!(scene.triangles.len(), 1, "rays have no way back from a flat space");
    assert_eq!(scene.bounds(), (Vec3::default(), vec3(2.0, 1.0, 0.0)));
    // What gives light stands in the world, where lights are looked for.
    file.push("materials", json!({"emissiveFactor": [1, 1, 1]}));
    file.json["meshes"][0]["primitives"][0]["material"] = json!(0);
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    assert_eq!((scene.triangles.len(), scene.instances.len(), scene.is_lit()), (3, 0, true));
}

#[test]
fn instances_by_attributes() {
    let mut file = triangle(json!([{"mesh": 0, "translation": [0, 7, 0]}]), 1);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let translation = file.floats("VEC3", &[1.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    let rotation = file.floats("VEC4", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, half, half]);
    let attributes = json!({"TRANSLATION": translation, "ROTATION": rotation});
    file.json["nodes"][0]["extensions"] = json!({"EXT_mesh_gpu_instancing": {"attributes": attributes}});
    file.json["extensionsRequired"] = json!(["EXT_mesh_gpu_instancing"]);
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    assert_eq!((scene.triangles.len(), scene.instances.len()), (0, 2));
    let place = scene.instances[1].place;
    assert!(near(place.point(vec3(1.0, 0.0, 0.0)), vec3(2.0, 8.0, 0.0)), "{place:?}");
    let short = file.floats("VEC3", &[1.0; 3]);
    file.json["nodes"][0]["extensions"]["EXT_mesh_gpu_instancing"]["attributes"]["SCALE"] = json!(short);
    assert!(open(&file).err().unwrap().to_string().contains("different lengths"));
}

#[test]
fn a_mirror_keeps_the_front_in_front() {
    let mut file = triangle(json!([{"mesh": 0, "scale": [-1, 1, 1]}]), 1);
    let normals = file.floats("VEC3", &[0.0, 0.0, 1.0].repeat(3));
    file.json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = json!(normals);
    let scene = open(&file).unwrap().pose(None, 0.0).unwrap();
    let triangle = scene.triangles[0];
    assert_eq!(triangle.normals, [vec3(0.0, 0.0, 1.0); 3]);
    assert!(triangle.cross().z > 0.0, "corners still run counter-clockwise around the front");
}

#[test]
fn poses_share_textures_and_memory_is_bounded() {
    let mut file = triangle(json!([{"mesh": 0}]), 1);
    let png = support::file::pixel([9, 9, 9, 255], image::ImageFormat::Png);
    let texture = file.texture("image/png", &png);
    file.push("materials", json!({"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}}));
    let scenes = open(&file).unwrap();
    let [a, b] = [0.0, 1.0].map(|time| scenes.pose(None, time).unwrap());
    assert!(std::sync::Arc::ptr_eq(&a.textures[0].texels, &b.textures[0].texels));
    let bytes = file.glb();
    let small = SceneFile::from_slice_within(&bytes, Path::new("test.glb"), bytes.len() as u64 + 100);
    assert!(small.err().unwrap().to_string().contains("are left"));
    // A file of a few hundred bytes that asks for a gigabyte of zeros.
    let zeros = json!({
        "componentType": 5126, "type": "VEC3", "count": 90_000_000, "min": [0, 0, 0], "max": [0, 0, 0],
        "sparse": {"count": 1, "indices": {"bufferView": 0, "componentType": 5121}, "values": {"bufferView": 0}},
    });
    let zeros = file.push("accessors", zeros);
    file.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(zeros);
    let wide = SceneFile::from_slice_within(&file.glb(), Path::new("test.glb"), 100 << 20);
    assert!(matches!(wide, Err(RenderError::TooLarge(_))));
}
