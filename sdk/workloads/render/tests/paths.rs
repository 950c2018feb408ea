//! Whole paths through what lets light pass, and lamps that are instances.

mod support;

use support::{Cpu, diffuse, plate, small, stage};
use tessera_render::{
    Alpha, Camera, CameraChoice, Environment, EnvironmentChoice, Instance, Material, Scene, Settings, Transform, Vec3,
    Volume, prepare, vec3,
};

/// Mean of a picture of the middle of what lies along -z, in a white world.
fn seen(scene: &Scene, max_bounces: u32) -> [f64; 3] {
    let settings = Settings {
        width: 8,
        height: 8,
        samples: 256,
        samples_per_unit: 256,
        max_bounces,
        clamp: None,
        blur: 0.0,
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 0.0, 0.0), vec3(0.0, 0.0, -1.0), 0.05).unwrap()),
        environment: EnvironmentChoice::Given(Environment::uniform(Vec3::splat(1.0))),
        ..small()
    };
    mean(scene, &settings)
}

fn mean(scene: &Scene, settings: &Settings) -> [f64; 3] {
    let image = Cpu::render(&prepare(scene, settings).unwrap());
    [0, 1, 2].map(|c| image.pixels.iter().map(|p| f64::from(p[c])).sum::<f64>() / image.pixels.len() as f64)
}

/// A large plate that stands across the view, its front to the camera or away from it.
fn across(z: f32, towards: bool) -> [tessera_render::Triangle; 2] {
    let (x, y) = (vec3(9.0, 0.0, 0.0), vec3(0.0, 9.0, 0.0));
    let (u, v) = if towards { (x, y) } else { (y, x) };
    plate(vec3(0.0, 0.0, z), u, v, 0)
}

fn assert_near(found: [f64; 3], expected: [f64; 3], by: f64) {
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= by), "{found:?}, expected {expected:?}");
}

#[test]
fn a_surface_is_there_as_often_as_its_opacity_says() {
    let veil = Material { emissive: Vec3::splat(2.0), opacity: 0.25, alpha: Alpha::Blend, ..diffuse(0.0) };
    let mut scene = Scene { materials: vec![veil], ..Scene::default() };
    scene.triangles.extend(across(-5.0, true));
    // Emission 2 for a quarter of the rays, the white world for the others; a deviation of 0.004 in the mean.
    assert_near(seen(&scene, 0), [1.25; 3], 0.015);
    scene.triangles.extend(across(-6.0, true));
    assert_near(seen(&scene, 0), [2.0 - 0.75 * 0.75; 3], 0.015);
    // Below and above the threshold of a mask.
    scene.materials[0].alpha = Alpha::Mask(0.3);
    assert_near(seen(&scene, 0), [1.0; 3], 1e-5);
    scene.materials[0].alpha = Alpha::Mask(0.2);
    assert_near(seen(&scene, 0), [2.0; 3], 1e-5);
}

/// Without a difference in the index of refraction nothing is reflected.
fn clear(base: Vec3, volume: Option<Volume>) -> Material {
    Material { base, roughness: 0.0, ior: 1.0, transmission: 1.0, volume, ..diffuse(1.0) }
}

#[test]
fn a_thin_pane_gives_light_its_colour_once() {
    let mut scene = Scene { materials: vec![clear(vec3(0.8, 0.5, 0.2), None)], ..Scene::default() };
    scene.triangles.extend(across(-5.0, true));
    assert_near(seen(&scene, 4), [0.8, 0.5, 0.2], 0.005);
    // Two panes, one of them seen from its back.
    scene.triangles.extend(across(-6.0, false));
    assert_near(seen(&scene, 4), [0.64, 0.25, 0.04], 0.005);
}

#[test]
fn a_body_absorbs_by_the_way_through_it() {
    let absorption = vec3(0.2, 0.5, 1.0);
    let body = clear(Vec3::splat(1.0), Some(Volume { absorption }));
    let mut scene = Scene { materials: vec![body], ..Scene::default() };
    scene.triangles.extend(across(-5.0, true));
    scene.triangles.extend(across(-7.0, false));
    // Beer and Lambert: exp(-absorption times way).
    assert_near(seen(&scene, 4), absorption.to_array().map(|a| f64::from(-2.0 * a).exp()), 0.005);
}

#[test]
fn a_lamp_that_is_an_instance_lights_like_one_that_is_not() {
    let settings = Settings {
        samples: 64,
        samples_per_unit: 64,
        clamp: None,
        environment: EnvironmentChoice::Given(Environment::black()),
        ..small()
    };
    let whole = stage();
    let mut instanced = stage();
    // The stage's lamp, in a mesh of its own that is twice as large and elsewhere.
    let lamp: Vec<_> = instanced.triangles.drain(4..).collect();
    let half =
        Transform { columns: [vec3(0.5, 0.0, 0.0), vec3(0.0, 0.5, 0.0), vec3(0.0, 0.0, 0.5), vec3(1.0, 0.0, 0.0)] };
    let mesh = lamp.into_iter().map(|mut triangle| {
        triangle.positions = triangle.positions.map(|p| (p - vec3(1.0, 0.0, 0.0)) * 2.0);
        triangle
    });
    instanced.meshes = vec![mesh.collect()];
    instanced.instances.push(Instance { mesh: 0, place: half, object: 12 });
    let (a, b) = (mean(&instanced, &settings), mean(&whole, &settings));
    assert!(b[0] > 0.04, "{b:?}");
    assert!(a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 0.01), "{a:?}, {b:?}");
}
