//! Asks the kernel's surfaces how they scatter.

use std::sync::OnceLock;

use tessera_ptx::{Access, Launch, Limits, Machine, Memory, Module};
use tessera_render::{Camera, CameraChoice, Environment, EnvironmentChoice, Material, Scene, Settings, Texture};
use tessera_render::{Triangle, Vec3, prepare, vec3};

const MODULE: &str = include_str!("../kernels/scatter.ptx");
/// Threads of a block, and directions that each of them draws.
const THREADS: u32 = 64;
const TRIES: u32 = 64;

/// How a surface scatters, seen from one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Share of light that drawn directions carry, by channel.
    pub scattered: [f64; 3],
    /// The largest channel's share that leaves on the other side.
    pub through: f64,
    /// The same share as `scattered`, from even directions.
    pub evaluated: [f64; 3],
    /// Sum of densities over all directions.
    pub density: f64,
    /// Largest relative difference between what drawing says of a direction and what asking for it says; of some.
    pub unlike: f64,
}

impl Found {
    /// The largest channel of what is scattered.
    pub fn energy(&self) -> f64 {
        self.scattered.iter().copied().fold(0.0, f64::max)
    }
}

/// Surfaces of these materials, each seen from directions given by the angle to the normal in degrees (above 90:
/// from the back) and the angle to the tangent. `even` even directions a thread; 0: those numbers stay 0.
pub fn probe(materials: &[Material], asked: &[(u32, f32, f32)], even: u32) -> Vec<Found> {
    probe_at(materials, &[], asked, [0.5; 4], even)
}

/// As [`probe`], with textures, at two sets of texture coordinates.
pub fn probe_at(
    materials: &[Material],
    textures: &[Texture],
    asked: &[(u32, f32, f32)],
    uv: [f32; 4],
    even: u32,
) -> Vec<Found> {
    let corners = [vec3(-1.0, 0.0, -1.0), vec3(1.0, 0.0, -1.0), vec3(0.0, 0.0, 1.0)];
    let scene = Scene {
        triangles: vec![Triangle::flat(corners, 0)],
        materials: materials.to_vec(),
        textures: textures.to_vec(),
        ..Scene::default()
    };
    let settings = Settings {
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 1.0, 0.0), vec3(0.0, 0.0, 0.0), 0.5).unwrap()),
        environment: EnvironmentChoice::Given(Environment::uniform(Vec3::splat(1.0))),
        ..Settings::default()
    };
    let job = prepare(&scene, &settings).unwrap();
    let place = job.prepared.spec.inputs.iter().position(|input| input.name == "scene").unwrap();
    let scene = &job.prepared.inputs().unwrap()[place];

    let mut probes = Vec::new();
    for (material, angle, azimuth) in asked {
        let (sine, cosine) = angle.to_radians().sin_cos();
        let (y, x) = azimuth.to_radians().sin_cos();
        probes.extend([sine * x, sine * y, cosine].map(f32::to_bits));
        probes.push(*material);
        probes.extend(uv.map(f32::to_bits));
    }
    let probes: Vec<u8> = probes.iter().flat_map(|word| word.to_le_bytes()).collect();

    static KERNELS: OnceLock<Module> = OnceLock::new();
    let module = KERNELS.get_or_init(|| {
        let module = Module::parse(MODULE).unwrap();
        assert!(module.check().is_empty(), "the module leaves the reproducible profile: {:?}", module.check());
        module
    });
    let kernel = module.kernel("probe").unwrap();
    let mut memory = Memory::new(module);
    let mut place = |bytes: &[u8]| {
        let address = memory.alloc(bytes.len() as u64, Access::ReadWrite).unwrap();
        memory.write(address, bytes).unwrap();
        address
    };
    let mut output = vec![0; asked.len() * THREADS as usize * 48];
    let (scene, probes, found) = (place(scene), place(&probes), place(&output));
    let addresses = [scene, probes, found].map(u64::to_le_bytes);
    let params =
        kernel.pack(&[&addresses[0], &addresses[1], &addresses[2], &TRIES.to_le_bytes(), &even.to_le_bytes()]).unwrap();
    let launch = Launch { grid: [asked.len() as u32, 1, 1], block: [THREADS, 1, 1], shared_len: 0, params: &params };
    Machine.launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
    memory.read(found, &mut output).unwrap();
    let numbers: Vec<f64> =
        output.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect();
    numbers
        .chunks_exact(THREADS as usize * 12)
        .map(|block| {
            let sum = |i: usize| block.iter().skip(i).step_by(12).sum::<f64>();
            let drawn = |i| sum(i) / f64::from(TRIES * THREADS);
            let asked = |i| sum(i) / f64::from(even.max(1) * THREADS);
            Found {
                scattered: [drawn(0), drawn(1), drawn(2)],
                through: drawn(3),
                evaluated: [asked(4), asked(5), asked(6)],
                density: asked(7),
                unlike: block.iter().skip(8).step_by(12).copied().fold(0.0, f64::max),
            }
        })
        .collect()
}
