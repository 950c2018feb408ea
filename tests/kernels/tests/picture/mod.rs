//! A small picture for the path tracer.

use tessera_render::{
    Camera, CameraChoice, Environment, EnvironmentChoice, Material, PictureJob, PunctualLight, Scene, Settings,
    Triangle, Vec3, prepare, vec3,
};

/// A floor, a tilted metal plate, a lamp and other lights: tiles of 16 x 16 pixels, 8 samples in two ranges.
pub fn job() -> PictureJob {
    let diffuse = |base: f32| Material { base: Vec3::splat(base), metallic: 0.0, ..Material::default() };
    let mut scene = Scene { materials: vec![diffuse(0.7), diffuse(0.2), diffuse(0.0)], ..Scene::default() };
    scene.materials[1].metallic = 1.0;
    scene.materials[1].roughness = 0.3;
    scene.materials[2].emissive = vec3(9.0, 8.0, 7.0);
    let mut square = |centre: Vec3, u: Vec3, v: Vec3, material: u32| {
        let [a, b, c, d] = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(x, y)| centre + u * x + v * y);
        scene.triangles.extend([[a, b, c], [a, c, d]].map(|positions| Triangle::flat(positions, material)));
    };
    square(vec3(0.0, 0.0, 0.0), vec3(3.0, 0.0, 0.0), vec3(0.0, 0.0, -3.0), 0);
    square(vec3(0.5, 0.6, -0.5), vec3(0.5, 0.1, 0.0), vec3(0.0, 0.5, -0.1), 1);
    square(vec3(0.0, 2.5, 0.0), vec3(0.4, 0.0, 0.0), vec3(0.0, 0.0, 0.4), 2);
    // Lights without extent are chosen from beside the lamp.
    let (position, white) = (vec3(0.0, 3.0, 0.0), Vec3::splat(5.0));
    scene.lights.push(PunctualLight::Point { position, intensity: white, range: None });
    let towards = vec3(0.0, 0.8, 0.6);
    scene.lights.push(PunctualLight::Directional { towards, irradiance: vec3(1.0, 2.0, 3.0) });
    let camera =
        Camera::look_at(vec3(0.0, 1.2, 4.0), vec3(0.0, 0.6, 0.0), 0.8).expect("a camera that looks at something");
    let settings = Settings {
        width: 45,
        height: 30,
        samples: 8,
        samples_per_unit: 4,
        tile: 16,
        camera: CameraChoice::Given(camera),
        environment: EnvironmentChoice::Given(Environment::uniform(vec3(0.2, 0.3, 0.5))),
        ..Settings::default()
    };
    prepare(&scene, &settings).expect("a valid job")
}
