//! Damaged, truncated and hostile files: each gives an error or a scene that is whole, no panic, and little memory.

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use image::ImageFormat;
use serde_json::{Value, json};
use support::file::{File, pixel};
use tessera_render::{Environment, Scene, SceneFile};

/// Memory that scenes are allowed here, in bytes.
const SCENE_MEMORY: u64 = 32 << 20;
/// Most that reading a file may allocate at a time: the above, the JSON, what decoders need for themselves, and the map
/// of an environment.
const MOST_MEMORY: usize = 128 << 20;

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that this call wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers that look random (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A file that uses about everything: a skinned and morphed mesh, instances, animations, textures of three formats, all
/// material extensions, sparse and quantised accessors, cameras, lights.
fn everything() -> File {
    let nodes = json!([
        {"children": [2, 3, 4], "name": "top"},
        {"mesh": 0, "skin": 0, "weights": [0.5]},
        {"rotation": [0, 0, 0.6, 0.8], "children": [5]},
        {"mesh": 1, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 0}}}},
        {"camera": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 4, 1]},
        {"extensions": {"KHR_lights_punctual": {"light": 0}}, "scale": [2, 2, 2]},
        {"mesh": 1, "camera": 1}
    ]);
    let mut file = File::new(nodes, 2);
    file.json["scenes"][0]["nodes"] = json!([0, 1, 6]);
    let positions = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.0, 1.0, 0.0];
    let positions = file.floats("VEC3", &positions);
    let normals = file.floats("VEC3", &[0.0, 0.0, 1.0].repeat(4));
    let uvs = file.floats("VEC2", &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    let colors = file.accessor(5123, "VEC4", 4, &[0x80; 32]);
    file.json["accessors"][colors]["normalized"] = json!(true);
    let joints = file.accessor(5121, "VEC4", 4, &[0, 1, 0, 0].repeat(4));
    let weights = file.floats("VEC4", &[0.5, 0.5, 0.0, 0.0].repeat(4));
    let indices = file.accessor(5125, "SCALAR", 6, &[0u32, 1, 2, 0, 2, 3].map(u32::to_le_bytes).concat());
    let (at, by) = (file.view(&[1, 3]), file.view(&support::floats(&[0.0, 0.0, 0.5, 0.0, 0.5, 0.0])));
    let sparse = json!({"componentType": 5126, "type": "VEC3", "count": 4, "sparse": {
        "count": 2, "indices": {"bufferView": at, "componentType": 5121}, "values": {"bufferView": by}
    }});
    let morph = file.push("accessors", sparse);
    let small = file.accessor(5120, "VEC3", 4, &[0, 0, 0, 9, 0, 0, 9, 9, 0, 0, 9, 0]);
    let attributes = json!({
        "POSITION": positions, "NORMAL": normals, "TEXCOORD_0": uvs, "TEXCOORD_1": uvs, "COLOR_0": colors,
        "JOINTS_0": joints, "WEIGHTS_0": weights
    });
    let primitive =
        json!({"attributes": attributes, "indices": indices, "material": 0, "targets": [{"POSITION": morph}]});
    file.push("meshes", json!({"primitives": [primitive], "weights": [0.25]}));
    let strip = json!({"attributes": {"POSITION": small, "TEXCOORD_0": uvs}, "mode": 5, "material": 1});
    file.push("meshes", json!({"primitives": [strip]}));
    let inverse: Vec<f32> = (0..32).map(|i| if i % 16 % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let inverse = file.floats("MAT4", &inverse);
    file.push("skins", json!({"joints": [2, 5], "inverseBindMatrices": inverse}));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        file.texture("image/any", &pixel([200, 100, 50, 128], format));
    }
    file.push("samplers", json!({"wrapS": 33071, "magFilter": 9728}));
    file.json["textures"][0]["sampler"] = json!(0);
    file.json["textures"][2] = json!({"extensions": {"EXT_texture_webp": {"source": 2}}});
    let texture = |index: usize| json!({"index": index, "texCoord": 1, "scale": 0.5});
    file.push(
        "materials",
        json!({
            "alphaMode": "MASK", "alphaCutoff": 0.25, "normalTexture": texture(1), "emissiveFactor": [0, 0.5, 1],
            "pbrMetallicRoughness": {"baseColorTexture": texture(0), "metallicRoughnessTexture": texture(2)},
            "extensions": {
                "KHR_materials_emissive_strength": {"emissiveStrength": 3},
                "KHR_materials_specular": {"specularFactor": 0.25, "specularColorTexture": texture(0)},
                "KHR_materials_transmission": {"transmissionFactor": 0.75, "transmissionTexture": texture(1)},
                "KHR_materials_volume": {"thicknessFactor": 0.1, "attenuationDistance": 2},
                "KHR_materials_clearcoat": {"clearcoatFactor": 0.5, "clearcoatNormalTexture": texture(1)},
                "KHR_materials_sheen": {"sheenColorFactor": [0.1, 0.2, 0.3], "sheenRoughnessTexture": texture(2)},
                "KHR_materials_iridescence": {"iridescenceFactor": 1, "iridescenceIor": 1.8}
            }
        }),
    );
    let turned = json!({"index": 0, "extensions": {"KHR_texture_transform": {"rotation": 1, "scale": [2, 3]}}});
    file.push(
        "materials",
        json!({
            "pbrMetallicRoughness": {"baseColorTexture": turned}, "alphaMode": "BLEND",
            "extensions": {
                "KHR_materials_ior": {"ior": 1.33}, "KHR_materials_unlit": {},
                "KHR_materials_anisotropy": {"anisotropyStrength": 0.5, "anisotropyTexture": texture(1)}
            }
        }),
    );
    file.push("cameras", json!({"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}));
    let box_camera = json!({"xmag": 1, "ymag": 2, "znear": 0, "zfar": 9});
    file.push("cameras", json!({"type": "orthographic", "orthographic": box_camera}));
    file.json["extensions"] = json!({"KHR_lights_punctual": {"lights": [
        {"type": "spot", "intensity": 7, "spot": {"outerConeAngle": 0.5, "innerConeAngle": 0.25}, "range": 10}
    ]}});
    let times = file.floats("SCALAR", &[0.0, 1.0, 2.0]);
    let turns = file.floats("VEC4", &[0.0, 0.0, 0.6, 0.8].repeat(3));
    let moves = file.floats("VEC3", &[0.1; 27]);
    let blends = file.floats("SCALAR", &[0.0, 1.0, 0.5]);
    file.push(
        "animations",
        json!({
            "samplers": [
                {"input": times, "output": turns},
                {"input": times, "output": moves, "interpolation": "CUBICSPLINE"},
                {"input": times, "output": blends, "interpolation": "STEP"}
            ],
            "channels": [
                {"sampler": 0, "target": {"node": 2, "path": "rotation"}},
                {"sampler": 1, "target": {"node": 5, "path": "translation"}},
                {"sampler": 2, "target": {"node": 1, "path": "weights"}}
            ]
        }),
    );
    file.json["extensionsRequired"] = json!(["KHR_mesh_quantization"]);
    file
}

/// A small Radiance image.
fn environment() -> Vec<u8> {
    let pixels: Vec<_> = (0..16 * 8).map(|i| image::Rgb([i as f32, 1.0, 0.0])).collect();
    let mut bytes = Vec::new();
    image::codecs::hdr::HdrEncoder::new(&mut bytes).encode(&pixels, 16, 8).unwrap();
    bytes
}

/// Changes bytes: cuts, flips, overwrites, removes or repeats some.
fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const WORDS: [u32; 8] = [0, 1, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7f80_0000];
    for _ in 0..=numbers.below(4) / 2 {
        let (at, len) = (numbers.below(bytes.len()), numbers.below(16));
        let end = (at + len).min(bytes.len());
        match numbers.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.get_mut(at).into_iter().for_each(|b| *b ^= 1 << (len % 8)),
            2 => {
                let word = numbers.pick(&WORDS).to_le_bytes();
                bytes.iter_mut().skip(at).zip(word).for_each(|(b, w)| *b = w);
            }
            3 => bytes[at..end].iter_mut().for_each(|b| *b = numbers.next() as u8),
            4 => drop(bytes.drain(at..end)),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

/// Makes the check sums of a PNG's chunks right again.
fn sum_chunks(png: &mut [u8]) {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
        })
    };
    let mut at = 8;
    while let Some(head) = png.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let Some(body) = png.get(at + 4..end) else { break };
        let sum = crc(body).to_be_bytes();
        let Some(place) = png.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// All values within a JSON value, by their paths.
fn paths(value: &Value, here: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{here}/{key}");
        paths(child, &path, out);
        out.push(path);
    }
}

/// Changes values of the JSON part to others that parse.
fn lie(json: &mut Value, numbers: &mut Numbers) {
    let values = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(5),
        json!(-1),
        json!(0.5),
        json!(1e-40),
        json!(1e9),
        json!(1e38),
        json!(1e39),
        json!(-1e300),
        json!(255),
        json!(4095),
        json!(5121),
        json!(5125),
        json!(65_536),
        json!(16_777_216),
        json!(268_435_456),
        json!(4_294_967_295u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(null),
        json!([]),
        json!({}),
        json!([[], [0, 1e20, -7]]),
        json!("VEC4"),
        json!("MAT4"),
        json!("data:,"),
        json!(true),
        json!("data:application/octet-stream;base64,AAAA"),
        json!("LINEAR"),
        json!("CUBICSPLINE"),
        json!("weights"),
    ];
    for _ in 0..=numbers.below(4) / 2 {
        let mut all = Vec::new();
        paths(json, "", &mut all);
        let (path, other) = (numbers.pick(&all).clone(), numbers.pick(&all).clone());
        let with = match numbers.below(4) {
            0 => json.pointer(&other).cloned().unwrap_or_default(),
            _ => numbers.pick(&values).clone(),
        };
        if numbers.below(8) == 0 {
            let (parent, key) = path.rsplit_once('/').unwrap();
            match json.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.remove(key)),
                Some(Value::Array(list)) => list.truncate(key.parse().unwrap()),
                _ => {}
            }
        } else if let Some(value) = json.pointer_mut(&path) {
            *value = with;
        }
    }
}

/// A hostile file of each kind in turn, the same for the same number.
fn hostile(number: usize, whole: &File) -> (&'static str, Vec<u8>) {
    let mut numbers = Numbers((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut file = File { json: whole.json.clone(), data: whole.data.clone() };
    match number % 8 {
        0 | 1 => {
            lie(&mut file.json, &mut numbers);
            ("lying glb", file.glb())
        }
        2 => {
            damage(&mut file.data, &mut numbers);
            ("glb with damaged data", file.glb())
        }
        3 => {
            let mut bytes = file.glb();
            damage(&mut bytes, &mut numbers);
            ("damaged glb", bytes)
        }
        4 => {
            let mut bytes = file.gltf();
            damage(&mut bytes, &mut numbers);
            ("damaged gltf", bytes)
        }
        5 => {
            let mut bytes = environment();
            damage(&mut bytes, &mut numbers);
            ("damaged hdr", bytes)
        }
        kind => {
            let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];
            let mut image = pixel([9, 99, 199, 250], if kind == 6 { formats[0] } else { *numbers.pick(&formats) });
            damage(&mut image, &mut numbers);
            // Half of the pictures are damaged below their check sums.
            if number % 16 < 8 {
                sum_chunks(&mut image);
            }
            let view = file.view(&image);
            file.json["images"][0]["bufferView"] = json!(view);
            ("glb with a damaged image", file.glb())
        }
    }
}

/// What a reader of the scene relies on.
fn check(scene: &Scene) {
    let finite = |values: &[f32]| assert!(values.iter().all(|v| v.is_finite()), "{values:?}");
    for triangle in scene.meshes.iter().flatten().chain(&scene.triangles) {
        assert!((triangle.material as usize) < scene.materials.len());
        for corner in 0..3 {
            assert!((triangle.normals[corner].length() - 1.0).abs() < 1e-3, "{triangle:?}");
            finite(&triangle.positions[corner].to_array());
            finite(&triangle.tangents[corner]);
            finite(&triangle.colors[corner]);
            finite(&triangle.uvs[0][corner]);
            finite(&triangle.uvs[1][corner]);
        }
    }
    for instance in &scene.instances {
        assert!((instance.mesh as usize) < scene.meshes.len());
        instance.place.columns.iter().for_each(|c| finite(&c.to_array()));
    }
    for texture in &scene.textures {
        assert_eq!(texture.texels.len(), texture.width as usize * texture.height as usize);
    }
    for texture in scene.materials.iter().filter_map(|m| m.base_texture) {
        assert!((texture.texture as usize) < scene.textures.len() && texture.set < 2);
    }
    let (low, high) = scene.bounds();
    finite(&low.to_array());
    finite(&high.to_array());
}

/// Reads a file with all its poses; says what is wrong with it.
fn read(kind: &str, bytes: &[u8]) -> Result<(), String> {
    if kind == "damaged hdr" {
        return Environment::from_slice(bytes, "test.hdr").map(drop).map_err(|e| e.to_string());
    }
    let file = SceneFile::from_slice_within(bytes, Path::new("nowhere/test.glb"), SCENE_MEMORY);
    let file = file.map_err(|e| e.to_string())?;
    check(&file.pose(None, 0.0).map_err(|e| e.to_string())?);
    for animation in 0..file.animations().len() {
        for time in [-1.0, 0.3, 1.0, 1.7, 1e30] {
            check(&file.pose(Some(animation), time).map_err(|e| e.to_string())?);
        }
    }
    Ok(())
}

/// Reads hostile files and returns how many were refused.
fn attack(numbers: std::ops::Range<usize>) -> usize {
    let whole = everything();
    read("whole", &whole.glb()).unwrap();
    read("whole", &whole.gltf()).unwrap();
    read("damaged hdr", &environment()).unwrap();
    let mut refused = 0;
    let mut most = 0;
    for number in numbers {
        let (kind, bytes) = hostile(number, &whole);
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| read(kind, &bytes)));
        let took = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        most = most.max(took);
        assert!(result.is_ok(), "file {number}, a {kind}, is not refused but panics");
        assert!(took <= MOST_MEMORY, "file {number}, a {kind}, takes {took} bytes");
        if let Ok(Err(reason)) = result {
            assert!(!reason.is_empty() && reason.len() < 1_000, "file {number}, a {kind}: {reason}");
            refused += 1;
        }
    }
    println!("{refused} refused, at most {most} bytes");
    refused
}

/// One test, for memory is counted for the whole process.
#[test]
fn hostile_files_are_refused_or_read() {
    depth_and_width_of_json_are_bounded();
    let refused = attack(0..240);
    assert!(refused > 120, "only {refused} were refused: what is tried is too tame");
}

/// A long run, by hand: `cargo test -p tessera-render --test hostile -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn twenty_thousand_hostile_files() {
    attack(240..20_240);
}

fn depth_and_width_of_json_are_bounded() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let nested =
        format!(r#"{{"asset": {{"version": "2.0"}}, "extras": {0}, "extensions": {{"X": {0}}}}}"#, deep(100_000));
    assert!(read("deep", nested.as_bytes()).is_err());
    let wide = format!(r#"{{"asset": {{"version": "2.0"}}, "nodes": [{}{{}}]}}"#, "{},".repeat(5_000_000));
    assert!(read("wide", wide.as_bytes()).unwrap_err().contains("values in the JSON part"));
    let chain: Vec<Value> = (1..=50_000).map(|i| json!({"children": [i]})).chain([json!({"mesh": 0})]).collect();
    let mut file = everything();
    file.json["nodes"] = json!(chain);
    file.json["scenes"][0]["nodes"] = json!([0]);
    file.json["skins"] = json!([]);
    file.json["animations"] = json!([]);
    read("deep tree", &file.glb()).unwrap();
    let glb = file.glb();
    for length in [0, 3, 4, 11, 12, 15, 19, 20, 24, 100] {
        assert!(read("stub", &glb[..length]).is_err());
    }
}
