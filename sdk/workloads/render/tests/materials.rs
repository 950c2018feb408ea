//! Materials, textures and attributes of scene files.

mod support;

use std::path::Path;

use image::ImageFormat;
use serde_json::{Value, json};
use support::{
    file::{File, pixel},
    load,
};
use tessera_render::{Encoding, Material, Scene, TextureUse, Wrap, vec3};

/// A file with one triangle that uses the material 0.
fn file(material: Value) -> File {
    let mut file = File::new(json!([{"mesh": 0}]), 1);
    let positions = file.floats("VEC3", &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    file.push("meshes", json!({"primitives": [{"attributes": {"POSITION": positions}, "material": 0}]}));
    file.push("materials", material);
    file
}

fn material(json: Value) -> Result<Material, String> {
    load(&file(json).glb()).map(|scene| scene.materials[1]).map_err(|e| e.to_string())
}

#[test]
fn factors_of_all_extensions() {
    let m = material(json!({"extensions": {
        "KHR_materials_emissive_strength": {"emissiveStrength": 3},
        "KHR_materials_unlit": {},
        "KHR_materials_ior": {"ior": 1.33},
        "KHR_materials_specular": {"specularFactor": 0.25, "specularColorFactor": [0.5, 2, 1]},
        "KHR_materials_transmission": {"transmissionFactor": 0.75},
        "KHR_materials_volume": {"thicknessFactor": 0.1, "attenuationDistance": 2, "attenuationColor": [1, 0.5, 0.25]},
        "KHR_materials_clearcoat": {"clearcoatFactor": 0.5, "clearcoatRoughnessFactor": 0.125},
        "KHR_materials_sheen": {"sheenColorFactor": [0.1, 0.2, 0.3], "sheenRoughnessFactor": 0.5},
        "KHR_materials_anisotropy": {"anisotropyStrength": 0.5, "anisotropyRotation": -1.5},
        "KHR_materials_iridescence": {"iridescenceFactor": 1, "iridescenceIor": 1.8, "iridescenceThicknessMaximum": 900}
    }, "emissiveFactor": [1, 0.5, 0]}))
    .unwrap();
    assert_eq!((m.emissive, m.unlit, m.ior), (vec3(3.0, 1.5, 0.0), true, 1.33));
    assert_eq!((m.specular, m.specular_color, m.transmission), (0.25, vec3(0.5, 2.0, 1.0), 0.75));
    let absorption = m.volume.unwrap().absorption;
    assert!((absorption - vec3(0.0, 2f32.ln() / 2.0, 2f32.ln())).length() < 1e-6, "{absorption:?}");
    let (coat, sheen) = (m.clearcoat.unwrap(), m.sheen.unwrap());
    assert_eq!((coat.factor, coat.roughness, sheen.color, sheen.roughness), (0.5, 0.125, vec3(0.1, 0.2, 0.3), 0.5));
    let (along, film) = (m.anisotropy.unwrap(), m.iridescence.unwrap());
    assert_eq!((along.strength, along.rotation), (0.5, -1.5));
    assert_eq!((film.factor, film.ior, film.thickness), (1.0, 1.8, [100.0, 900.0]));
}

#[test]
fn layers_without_strength_do_not_exist() {
    let m = material(json!({"extensions": {
        "KHR_materials_volume": {"attenuationDistance": 2}, "KHR_materials_clearcoat": {}, "KHR_materials_sheen": {},
        "KHR_materials_anisotropy": {}, "KHR_materials_iridescence": {}, "KHR_materials_transmission": {},
        "KHR_materials_specular": {}, "KHR_materials_ior": {}, "EXT_unheard_of": [1, {"a": null}]
    }}))
    .unwrap();
    assert_eq!(m, Material::default());
}

#[test]
fn factors_out_of_range_are_refused() {
    for (extension, reason) in [
        (json!({"KHR_materials_ior": {"ior": 0.5}}), "index of refraction"),
        (json!({"KHR_materials_ior": {"ior": "glass"}}), "KHR_materials_ior: invalid type"),
        (json!({"KHR_materials_sheen": {"sheenColorFactor": [1, 1e39, 1]}}), "not finite"),
        (json!({"KHR_materials_clearcoat": {"clearcoatFactor": -1}}), "negative"),
        (json!({"KHR_materials_volume": {"attenuationDistance": 0}}), "distance"),
        (
            json!({"KHR_materials_transmission": {"transmissionTexture": {"index": 3}}}),
            "texture 3, which does not exist",
        ),
        (json!({"KHR_materials_emissive_strength": {"emissiveStrength": 1e39}}), "not finite"),
    ] {
        let message = material(json!({"extensions": extension, "emissiveFactor": [1, 1, 1]})).unwrap_err();
        assert!(message.contains(reason) && message.contains("material 0"), "{message}");
    }
    let mut required = file(json!({}));
    required.json["extensionsRequired"] = json!(["KHR_materials_clearcoat", "EXT_meshopt_compression"]);
    assert!(load(&required.glb()).unwrap_err().to_string().contains("EXT_meshopt_compression"));
}

fn mean(scene: &Scene, texture: Option<TextureUse>) -> [f32; 3] {
    scene.textures[texture.unwrap().texture as usize].mean().to_array()
}

#[test]
fn channels_come_out_where_materials_read_them() {
    let mut file = file(json!({
        "alphaMode": "BLEND",
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 0}},
        "extensions": {
            "KHR_materials_sheen": {"sheenColorFactor": [1, 1, 1], "sheenRoughnessTexture": {"index": 0}},
            "KHR_materials_specular": {"specularTexture": {"index": 0}, "specularColorTexture": {"index": 0}}
        }
    }));
    let image = image::RgbaImage::from_pixel(2, 2, image::Rgba([128, 64, 255, 51]));
    let mut png = Vec::new();
    image.write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png).unwrap();
    file.texture("image/png", &png);
    let scene = load(&file.glb()).unwrap();
    let m = scene.materials[1];
    let is = |texture, expected: [f32; 3]| {
        let found = mean(&scene, texture);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-3), "{found:?} is not {expected:?}");
    };
    is(m.base_texture, [0.2159, 0.0513, 1.0]);
    is(m.specular_color_texture, [0.2159, 0.0513, 1.0]);
    is(m.surface_texture, [0.502, 0.251, 1.0]);
    for alpha in [m.opacity_texture, m.specular_texture, m.sheen.unwrap().roughness_texture] {
        is(alpha, [0.2; 3]);
    }
    assert_eq!(scene.textures.len(), 3, "an image becomes a texture for each way of reading it");
    let encodings: Vec<_> = scene.textures.iter().map(|t| t.encoding).collect();
    assert_eq!(encodings.iter().filter(|e| **e == Encoding::Linear).count(), 2);
}

#[test]
fn samplers_sets_and_transforms() {
    let mut file = file(json!({
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0, "texCoord": 3, "extensions": {
            "KHR_texture_transform": {"offset": [0, 1], "rotation": std::f32::consts::FRAC_PI_2, "scale": [0.5, 0.5]}
        }}},
        "emissiveTexture": {"index": 0, "texCoord": 0, "extensions": {"KHR_texture_transform": {"texCoord": 1}}}
    }));
    let (png, webp) = (pixel([1, 2, 3, 4], ImageFormat::Png), pixel([255, 0, 0, 255], ImageFormat::WebP));
    file.texture("image/png", &png);
    file.push("samplers", json!({"wrapS": 33071, "wrapT": 33648, "magFilter": 9728}));
    file.json["textures"][0]["sampler"] = json!(0);
    let sets = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]].map(|uv: [f32; 2]| file.floats("VEC2", &uv.repeat(3)));
    let attributes = &mut file.json["meshes"][0]["primitives"][0]["attributes"];
    for (name, set) in ["TEXCOORD_0", "TEXCOORD_1", "TEXCOORD_3"].into_iter().zip(sets) {
        attributes[name] = json!(set);
    }
    let scene = load(&file.glb()).unwrap();
    let texture = &scene.textures[0];
    assert_eq!((texture.wrap, texture.nearest), ([Wrap::Clamp, Wrap::Mirror], true));
    let (base, emissive) = (scene.materials[1].base_texture.unwrap(), scene.materials[1].emissive_texture.unwrap());
    let uvs = scene.triangles[0].uvs;
    assert_eq!((uvs[usize::from(base.set)][0], uvs[usize::from(emissive.set)][0]), ([0.5, 0.6], [0.3, 0.4]));
    // The example of the extension's text: the lower left quarter of the image.
    let at = |u: f32, v: f32| base.map.map(|row| row[0] * u + row[1] * v + row[2]);
    for ((u, v), [s, t]) in [((0.0, 0.0), [0.0, 1.0]), ((1.0, 0.0), [0.0, 0.5]), ((0.0, 1.0), [0.5, 1.0])] {
        let found = at(u, v);
        assert!((found[0] - s).abs() < 1e-6 && (found[1] - t).abs() < 1e-6, "{found:?}");
    }
    file.json["materials"][0]["normalTexture"] = json!({"index": 0});
    assert!(load(&file.glb()).unwrap_err().to_string().contains("at most two"));
    // A texture that only the extension names, and one whose plain image goes before it.
    file.json["materials"][0]["normalTexture"] = Value::Null;
    let view = file.view(&webp);
    let image = file.push("images", json!({"bufferView": view, "mimeType": "image/webp"}));
    file.json["textures"][0] = json!({"extensions": {"EXT_texture_webp": {"source": image}}});
    let scene = load(&file.glb()).unwrap();
    assert_eq!(mean(&scene, scene.materials[1].base_texture)[1], 0.0);
    file.json["textures"][0] = json!({});
    assert!(load(&file.glb()).unwrap_err().to_string().contains("texture 0, which has no image"));
}

#[test]
fn colours_and_quantised_numbers() {
    let mut file = file(json!({}));
    file.json["extensionsRequired"] = json!(["KHR_mesh_quantization"]);
    let bytes = |v: &[i8]| v.iter().map(|b| *b as u8).collect::<Vec<_>>();
    let positions = file.accessor(5120, "VEC3", 3, &bytes(&[0, 0, 0, 127, 0, 0, 0, -128, 0]));
    file.json["accessors"][positions]["normalized"] = json!(true);
    let colors = file.accessor(5121, "VEC3", 3, &[255, 0, 51, 255, 0, 51, 255, 0, 51]);
    file.json["accessors"][colors]["normalized"] = json!(true);
    file.json["meshes"][0]["primitives"][0]["attributes"] = json!({"POSITION": positions, "COLOR_0": colors});
    let triangle = load(&file.glb()).unwrap().triangles[0];
    assert_eq!(triangle.positions, [vec3(0.0, 0.0, 0.0), vec3(1.0, 0.0, 0.0), vec3(0.0, -1.0, 0.0)]);
    assert_eq!(triangle.colors, [[1.0, 0.0, 0.2, 1.0]; 3]);
    let plain = load(&self::file(json!({})).glb()).unwrap().triangles[0];
    assert_eq!((plain.colors, plain.tangents), ([[1.0; 4]; 3], [[0.0; 4]; 3]));
}

#[test]
fn files_beside_the_scene_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = file(json!({"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}));
    file.push("images", json!({"uri": "a%20picture.jpg"}));
    file.push("textures", json!({"source": 0}));
    std::fs::write(folder.path().join("a picture.jpg"), pixel([0, 255, 0, 255], ImageFormat::Jpeg)).unwrap();
    let path = folder.path().join("scene.gltf");
    std::fs::write(&path, file.gltf()).unwrap();
    let scene = Scene::load(&path).unwrap();
    assert!(mean(&scene, scene.materials[1].base_texture)[1] > 0.7);
    for uri in ["/etc/hostname", "../secret.png", "file:///etc/hostname", "a/../../b.png"] {
        file.json["images"][0]["uri"] = json!(uri);
        let message = Scene::from_slice(&file.gltf(), &path).unwrap_err().to_string();
        assert!(message.contains("outside of the scene's folder") || message.contains("neither data"), "{message}");
    }
    file.json["images"][0]["uri"] = json!(".");
    assert!(Scene::from_slice(&file.gltf(), Path::new("/dev/x.gltf")).is_err(), "a folder is no file");
}
