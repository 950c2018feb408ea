//! Small scenes in memory, and a way to run jobs on the CPU.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod damage;
pub mod file;

use std::{path::Path, sync::LazyLock};

use tessera_ptx::{Access, Launch, Limits, Machine, Memory, Module};
use tessera_render::{
    Camera, CameraChoice, Environment, EnvironmentChoice, Image, MODULE, Material, Merge, PictureJob, RenderError,
    Scene, Settings, Triangle, Vec3, vec3,
};

/// A square around `centre`, spanned by `u` and `v`, which reach from the centre to its sides.
pub fn plate(centre: Vec3, u: Vec3, v: Vec3, material: u32) -> [Triangle; 2] {
    let corner = |a: f32, b: f32| centre + u * a + v * b;
    let (a, b, c, d) = (corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0));
    [[a, b, c], [a, c, d]].map(|positions| Triangle::flat(positions, material))
}

pub fn diffuse(base: f32) -> Material {
    Material { base: Vec3::splat(base), metallic: 0.0, ..Material::default() }
}

/// A floor, a tilted metal plate, and a lamp.
pub fn stage() -> Scene {
    let mut scene = Scene { materials: vec![diffuse(0.7), diffuse(0.2), diffuse(0.0)], ..Scene::default() };
    scene.materials[1].metallic = 1.0;
    scene.materials[1].roughness = 0.3;
    scene.materials[2].emissive = vec3(9.0, 8.0, 7.0);
    scene.triangles.extend(plate(vec3(0.0, 0.0, 0.0), vec3(3.0, 0.0, 0.0), vec3(0.0, 0.0, -3.0), 0));
    scene.triangles.extend(plate(vec3(0.5, 0.6, -0.5), vec3(0.5, 0.1, 0.0), vec3(0.0, 0.5, -0.1), 1));
    scene.triangles.extend(plate(vec3(0.0, 2.5, 0.0), vec3(0.4, 0.0, 0.0), vec3(0.0, 0.0, 0.4), 2));
    scene.triangles.iter_mut().for_each(|triangle| triangle.object = triangle.material + 10);
    scene
}

/// A small picture of the stage.
pub fn small() -> Settings {
    Settings {
        width: 21,
        height: 13,
        samples: 6,
        samples_per_unit: 6,
        tile: 8,
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 1.2, 4.0), vec3(0.0, 0.6, 0.0), 0.8).unwrap()),
        environment: EnvironmentChoice::Given(Environment::uniform(vec3(0.2, 0.3, 0.5))),
        ..Settings::default()
    }
}

pub fn bits(image: &Image) -> Vec<u32> {
    image.pixels.iter().flatten().map(|v| v.to_bits()).collect()
}

/// A `.glb` file out of its JSON and binary parts.
pub fn glb(json: &str, data: &[u8]) -> Vec<u8> {
    let pad = |bytes: &[u8], with: u8| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(4), with);
        bytes
    };
    let (json, data) = (pad(json.as_bytes(), b' '), pad(data, 0));
    let mut out = b"glTF".to_vec();
    for word in [2, (28 + json.len() + data.len()) as u32, json.len() as u32] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"JSON");
    out.extend(&json);
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(b"BIN\0");
    out.extend(&data);
    out
}

pub fn load(bytes: &[u8]) -> Result<Scene, RenderError> {
    Scene::from_slice(bytes, Path::new("test.glb"))
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A file with one mesh: a unit square in the plane z = 0 of four vertices, with six u16 indices behind them. `change`
/// edits the JSON.
pub fn square(change: impl Fn(String) -> String) -> Vec<u8> {
    let mut data = floats(&[-1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 1.0, 0.0]);
    for index in [0u16, 1, 2, 0, 2, 3] {
        data.extend(index.to_le_bytes());
    }
    let json = r#"{
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [-1,-1,0], "max": [1,1,0]},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"}
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 12}
        ],
        "buffers": [{"byteLength": 60}]
    }"#;
    glb(&change(json.into()), &data)
}

/// Computes units by the interpreter of the module's PTX.
pub struct Cpu {
    module: &'static Module,
}

impl Cpu {
    pub fn new(job: &PictureJob) -> Self {
        static KERNEL: LazyLock<Module> = LazyLock::new(|| {
            let module = Module::parse(MODULE).unwrap();
            assert!(module.check().is_empty(), "the module leaves the reproducible profile: {:?}", module.check());
            module
        });
        assert_eq!(&job.prepared.blobs()[0], MODULE.as_bytes());
        Self { module: &KERNEL }
    }

    /// The output of one unit.
    pub fn unit(&self, job: &PictureJob, unit: u64) -> Vec<u8> {
        let launch = &job.prepared.spec.plan.launches[0];
        let kernel = self.module.kernel(&launch.kernel).unwrap();
        let mut memory = Memory::new(self.module);
        let mut place = |bytes: &[u8]| {
            let address = memory.alloc(bytes.len() as u64, Access::ReadWrite).unwrap();
            memory.write(address, bytes).unwrap();
            address
        };
        let (frame, scene) = (place(&job.prepared.blobs()[1]), place(&job.prepared.blobs()[2]));
        let mut output = vec![0; job.prepared.spec.output_len() as usize];
        let sums = place(&output);
        let unit = (unit as u32).to_le_bytes();
        let params = kernel.pack(&[&frame.to_le_bytes(), &scene.to_le_bytes(), &sums.to_le_bytes(), &unit]).unwrap();
        let launch = Launch { grid: launch.grid, block: launch.block, shared_len: 0, params: &params };
        Machine.launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
        memory.read(sums, &mut output).unwrap();
        output
    }

    /// Adds all units of a job.
    pub fn add(&self, job: &PictureJob, merge: &mut Merge) {
        for unit in 0..job.prepared.spec.units {
            assert!(merge.add(&job.picture, unit, &self.unit(job, unit)).unwrap());
        }
    }

    /// All units of a job, merged; its first frame.
    pub fn render(job: &PictureJob) -> Image {
        let cpu = Self::new(job);
        let mut merge = Merge::new(&job.prepared.spec).unwrap();
        cpu.add(job, &mut merge);
        merge.image(job.picture.frames[0].number)
    }
}
