//! The kernel itself, run from its PTX: exact merging, any tiling, and known amounts of light.

mod support;

use support::{Cpu, bits, diffuse, plate as square, small as settings, stage as scene};
use tessera_render::{
    Camera, CameraChoice, Environment, EnvironmentChoice, Exposure, Image, Material, Merge, Picture, Scene, Settings,
    Vec3, prepare, vec3,
};

#[test]
fn any_tiling_and_any_sample_ranges_give_the_same_bits() {
    let scene = scene();
    let whole = Cpu::render(&prepare(&scene, &settings()).unwrap());
    assert!(whole.pixels.iter().flatten().all(|v| v.is_finite()) && whole.pixels.iter().flatten().any(|v| *v > 0.5));
    for (tile, samples_per_unit) in [(8, 4), (16, 1), (24, 5)] {
        let split = Settings { tile, samples_per_unit, ..settings() };
        let image = Cpu::render(&prepare(&scene, &split).unwrap());
        assert_eq!(bits(&image), bits(&whole), "tile {tile}, {samples_per_unit} samples per unit");
    }
    let other = Cpu::render(&prepare(&scene, &Settings { seed: 1, ..settings() }).unwrap());
    assert_ne!(bits(&other), bits(&whole), "another seed is another picture");
}

#[test]
fn order_does_not_matter_and_units_count_once() {
    let scene = scene();
    let job = prepare(&scene, &Settings { samples_per_unit: 2, ..settings() }).unwrap();
    let cpu = Cpu::new(&job);
    let outputs: Vec<_> = (0..job.prepared.spec.units).map(|unit| cpu.unit(&job, unit)).collect();
    let mut forward = Merge::new(&job.prepared.spec).unwrap();
    let mut backward = Merge::new(&job.prepared.spec).unwrap();
    for unit in 0..job.prepared.spec.units {
        assert_eq!(forward.progress(&job.picture), (unit, job.prepared.spec.units));
        assert!(!forward.is_complete(&job.picture, 0));
        assert!(forward.add(&job.picture, unit, &outputs[unit as usize]).unwrap());
        assert!(!forward.add(&job.picture, unit, &outputs[unit as usize]).unwrap());
        let other = job.prepared.spec.units - 1 - unit;
        assert!(backward.add(&job.picture, other, &outputs[other as usize]).unwrap());
    }
    assert!(forward.is_complete(&job.picture, 0));
    assert_eq!(bits(&forward.image(0)), bits(&backward.image(0)));
}

#[test]
fn merging_refuses_what_does_not_fit() {
    let job = prepare(&scene(), &settings()).unwrap();
    let mut merge = Merge::new(&job.prepared.spec).unwrap();
    let output = vec![0; job.prepared.spec.output_len() as usize];
    assert!(merge.add(&job.picture, job.prepared.spec.units, &output).unwrap_err().to_string().contains("of a job of"));
    assert!(merge.add(&job.picture, 0, &output[1..]).unwrap_err().to_string().contains("expected 1536"));
    let mut other = job.prepared.spec.clone();
    other.front_end.name = "language model".into();
    assert!(Merge::new(&other).err().unwrap().to_string().contains("language model"));
    other = job.prepared.spec.clone();
    other.units += 1;
    assert!(Merge::new(&other).err().unwrap().to_string().contains("units"));
    other = job.prepared.spec.clone();
    other.front_end.data.pop();
    assert!(Merge::new(&other).is_err());
}

#[test]
fn the_specification_alone_is_enough_to_resume() {
    let job = prepare(&scene(), &Settings { exposure: Exposure::Stops(1.5), frames: 3, ..settings() }).unwrap();
    let decoded = tessera_protocol::spec::JobSpec::decode(&job.prepared.spec.encode().unwrap()).unwrap();
    let picture = Picture::from_spec(&decoded).unwrap();
    assert_eq!(picture, job.picture);
    assert_eq!((picture.frames.len(), picture.exposure), (3, Exposure::Stops(1.5)));
    // Units cover each pixel of each frame once, edge tiles cut.
    let places: Vec<_> = (0..decoded.units).map(|unit| picture.unit(unit).unwrap()).collect();
    let area = |frame| places.iter().filter(|p| p.frame == frame).map(|p| p.width * p.height).sum::<u32>();
    assert_eq!([area(0), area(1), area(2)], [21 * 13; 3]);
    assert!(picture.unit(decoded.units).is_none());
}

/// The middle pixel's light, averaged over a small picture.
fn mean(image: &Image) -> f32 {
    image.pixels.iter().map(|p| p[0]).sum::<f32>() / image.pixels.len() as f32
}

/// A picture of a piece of floor from straight above, so small that its light is the same all over.
fn floor_light(scene: &Scene, environment: Environment, samples: u32) -> f32 {
    let camera = Camera::look_at(vec3(0.0, 1.0, 0.0), vec3(0.0, 0.0, 0.0), 0.02).unwrap();
    let settings = Settings {
        width: 8,
        height: 8,
        samples,
        samples_per_unit: samples,
        tile: 8,
        clamp: None,
        blur: 0.0,
        camera: CameraChoice::Given(camera),
        environment: EnvironmentChoice::Given(environment),
        ..Settings::default()
    };
    mean(&Cpu::render(&prepare(scene, &settings).unwrap()))
}

fn floor(material: Material) -> Scene {
    let triangles = square(vec3(0.0, 0.0, 0.0), vec3(3.0, 0.0, 0.0), vec3(0.0, 0.0, -3.0), 0).to_vec();
    Scene { triangles, materials: vec![material], ..Scene::default() }
}

#[test]
fn a_white_floor_in_a_white_world_neither_gains_nor_loses_light() {
    let white = floor_light(&floor(diffuse(1.0)), Environment::uniform(Vec3::splat(1.0)), 64);
    assert!((0.995..=1.005).contains(&white), "{white}");
    let mirror = Material { roughness: 0.05, ..Material::default() };
    let light = floor_light(&floor(mirror), Environment::uniform(Vec3::splat(1.0)), 64);
    assert!((0.995..=1.005).contains(&light), "{light}");
}

#[test]
fn sampling_the_sky_as_a_light_changes_noise_but_not_the_mean() {
    // A bright patch around the zenith on a dim sky.
    let patch = |peaked| Environment::from_fn(64, peaked, |d| Vec3::splat(if d.y > 0.95 { 20.0 } else { 0.5 }));
    let (sampled, hit) =
        (floor_light(&floor(diffuse(0.6)), patch(true), 64), floor_light(&floor(diffuse(0.6)), patch(false), 1024));
    assert!((sampled / hit - 1.0).abs() < 0.02, "{sampled} against {hit}");
}

#[test]
fn a_lamp_gives_the_light_that_its_size_and_distance_say() {
    // A small lamp of radiance 50 high above a matt floor, E = L A / d^2, of which the floor scatters half evenly.
    let mut scene = floor(Material { specular: 0.0, ..diffuse(0.5) });
    scene.materials.push(Material { emissive: Vec3::splat(50.0), ..diffuse(0.0) });
    scene.triangles.extend(square(vec3(0.0, 4.0, 0.0), vec3(0.1, 0.0, 0.0), vec3(0.0, 0.0, 0.1), 1));
    let light = floor_light(&scene, Environment::black(), 64);
    let expected = 50.0 * 0.04 / 16.0 * 0.5 * std::f32::consts::FRAC_1_PI;
    assert!((light / expected - 1.0).abs() < 0.005, "{light} against {expected}");
}
