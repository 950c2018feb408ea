//! Noise falls as it should, and lenses, motion and instances do what geometry says.

mod support;

use support::{Cpu, bits, diffuse, plate, small, stage};
use tessera_render::{
    Camera, CameraChoice, Environment, EnvironmentChoice, Image, Instance, Lens, Material, Scene, Settings, Shot,
    Transform, Triangle, Vec3, Volume, Work, prepare, prepare_frames, vec3,
};

#[test]
fn the_square_of_the_error_falls_at_least_as_the_number_of_samples() {
    let mut scene = stage();
    // A large lamp and a rough plate: no pixel is so much noisier than the others that it alone would be measured.
    scene.materials[1].roughness = 0.6;
    scene.materials[2].emissive = Vec3::splat(1.5);
    scene.triangles.truncate(4);
    scene.triangles.extend(plate(vec3(0.0, 3.5, 0.0), vec3(1.5, 0.0, 0.0), vec3(0.0, 0.0, 1.5), 2));
    let picture = |samples, seed| {
        let settings = Settings {
            width: 12,
            height: 8,
            samples,
            samples_per_unit: samples,
            seed,
            clamp: None,
            blur: 0.0,
            ..small()
        };
        Cpu::render(&prepare(&scene, &settings).unwrap())
    };
    // Several pictures of other seeds, and how far they are from each other.
    let error = |samples| {
        let pictures: Vec<Image> = (0..4).map(|seed| picture(samples, seed)).collect();
        let deviation = |i: usize| {
            let values: Vec<f64> = pictures.iter().map(|picture| f64::from(picture.pixels[i][1])).collect();
            let mean = values.iter().sum::<f64>() / 4.0;
            values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 3.0
        };
        (0..12 * 8).map(deviation).sum::<f64>()
    };
    let errors: Vec<f64> = (0..6).map(|k| error(2 << k)).collect();
    let fallen = (errors[0] / errors[5]).log2();
    // Five doublings: 5 for independent samples, more for those that are spread evenly.
    assert!((4.2..9.0).contains(&fallen), "{errors:?}: 2^{fallen}");
    assert!(errors.windows(2).all(|w| w[1] < w[0] * 0.9), "{errors:?}");
}

fn lit(scene: &Scene, settings: &Settings) -> Image {
    Cpu::render(&prepare(scene, settings).unwrap())
}

/// A picture of small glowing plates only.
fn glow() -> (Material, Settings) {
    let glow = Material { emissive: Vec3::splat(1.0), ..diffuse(0.0) };
    let settings = Settings {
        width: 32,
        height: 8,
        samples: 256,
        samples_per_unit: 256,
        max_bounces: 0,
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 0.0, 0.0), vec3(0.0, 0.0, -1.0), 0.25).unwrap()),
        environment: EnvironmentChoice::Given(Environment::black()),
        ..small()
    };
    (glow, settings)
}

/// Mean place along x, its spread, and the sum of a picture's light.
fn spread(image: &Image) -> (f64, f64, f64) {
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for (i, pixel) in image.pixels.iter().enumerate() {
        let (x, light) = ((i % image.width) as f64 + 0.5, f64::from(pixel[0]));
        sum += light;
        first += light * x;
        second += light * x * x;
    }
    let mean = first / sum;
    (mean, (second / sum - mean * mean).sqrt(), sum)
}

/// Side of a pixel of that picture in the world, 20 before the camera.
fn pixel() -> f64 {
    20.0 * (0.125f64).tan() * 2.0 / 8.0
}

/// Deviation in pixels of a plate of side 0.6, 20 before the camera, that is blurred by a deviation in the world: with that
/// of the plate and of a pixel.
fn blurred_by(deviation: f64) -> f64 {
    ((deviation * deviation + 0.36 / 12.0) / (pixel() * pixel()) + 1.0 / 12.0).sqrt()
}

#[test]
fn a_lens_blurs_what_is_out_of_focus_by_the_circle_of_confusion() {
    let (glow, settings) = glow();
    let mut scene = Scene { materials: vec![glow], ..Scene::default() };
    scene.triangles.extend(plate(vec3(0.0, 0.0, -20.0), vec3(0.3, 0.0, 0.0), vec3(0.0, 0.3, 0.0), 0));
    let sharp = spread(&lit(&scene, &settings));
    let lens = |radius, focus| Settings { lens: Some(Lens { radius, focus }), ..settings.clone() };
    // The middle of the picture shows the plate.
    let focused = spread(&lit(&scene, &lens(4.0, None)));
    assert!((focused.1 - sharp.1).abs() < 0.1 && (focused.2 / sharp.2 - 1.0).abs() < 0.1, "{focused:?}, {sharp:?}");
    // Focus at 40: seen from 20, the lens of radius 4 covers a disc of radius 2 there, whose deviation along an axis is half
    // of that.
    let blurred = spread(&lit(&scene, &lens(4.0, Some(40.0))));
    let expected = blurred_by(1.0);
    assert!((blurred.1 / expected - 1.0).abs() < 0.08, "{blurred:?}, expected {expected}");
    assert!((blurred.0 - sharp.0).abs() < 0.1 && (blurred.2 / sharp.2 - 1.0).abs() < 0.1, "{blurred:?}");
}

#[test]
fn what_moves_while_the_shutter_is_open_is_spread_over_its_way() {
    let (glow, settings) = glow();
    // Frame 5 begins with the plate at x = -6; it moves 12 a frame.
    let at = |time: f32| {
        let mut scene = Scene { materials: vec![glow], ..Scene::default() };
        let x = (time - 5.0) * 12.0 - 6.0;
        scene.triangles.extend(plate(vec3(x, 0.0, -20.0), vec3(0.3, 0.0, 0.0), vec3(0.0, 0.3, 0.0), 0));
        // It stands still, out of sight.
        scene.triangles.extend(plate(vec3(0.0, -50.0, -20.0), vec3(9.0, 0.0, 0.0), vec3(0.0, 0.0, 9.0), 0));
        scene.triangles[2..].iter_mut().for_each(|triangle| triangle.object = 1);
        scene
    };
    let moving = Settings { first_frame: 5, frames: 2, shutter: 0.5, slices: 16, ..settings.clone() };
    let job = prepare_frames(&moving, |frame, offset| Ok(at(frame as f32 + offset))).unwrap();
    let image = Cpu::render(&job);
    // Half a frame is 6 in the world; the mean lies at -3, and an even spread over 6 has a deviation of 6 / sqrt(12).
    let (mean, deviation, sum) = spread(&image);
    assert!((mean - (16.0 - 3.0 / pixel())).abs() < 0.4, "{mean}");
    assert!((deviation / blurred_by(6.0 / 12f64.sqrt()) - 1.0).abs() < 0.08, "{deviation}");
    let still = spread(&lit(&at(5.5), &settings));
    assert!((sum / still.2 - 1.0).abs() < 0.1, "{sum}, {still:?}");
    // A frame on its own has the same bits as among others, and what stands still is stored once.
    let alone = Shot::animated(&moving, [6], |frame, offset| Ok(at(frame as f32 + offset))).unwrap();
    let alone = alone.job(&Work::whole([6], 256)).unwrap();
    assert_eq!(alone.picture.frames[0], job.picture.frames[1]);
    let mut merge = tessera_render::Merge::new(&job.prepared.spec).unwrap();
    Cpu::new(&job).add(&job, &mut merge);
    assert_eq!(bits(&Cpu::render(&alone)), bits(&merge.image(6)));
    let [few, many] = [2, 16].map(|slices| {
        let settings = Settings { slices, ..moving.clone() };
        prepare_frames(&settings, |frame, offset| Ok(at(frame as f32 + offset))).unwrap().prepared.blobs()[2].len()
    });
    assert!(many < few * 9, "{few} bytes for 4 poses, {many} for 32");
}

#[test]
fn a_camera_that_turns_is_blurred_between_its_moments() {
    let (glow, settings) = glow();
    let mut scene = Scene { materials: vec![glow], ..Scene::default() };
    scene.triangles.extend(plate(vec3(0.0, 0.0, -20.0), vec3(0.3, 0.0, 0.0), vec3(0.0, 0.3, 0.0), 0));
    let camera = |time: f32| {
        let eye = vec3(time * 6.0, 0.0, 0.0);
        Camera::look_at(eye, eye + vec3(0.0, 0.0, -1.0), 0.25).unwrap()
    };
    let settings = Settings { camera: CameraChoice::Auto, shutter: 1.0, slices: 2, ..settings };
    let posed = |frame, offset| Ok(Scene { cameras: vec![(None, camera(frame as f32 + offset))], ..scene.clone() });
    let (mean, deviation, _) = spread(&Cpu::render(&prepare_frames(&settings, posed).unwrap()));
    assert!((mean - (16.0 - 3.0 / pixel())).abs() < 0.4, "{mean}");
    assert!((deviation / blurred_by(6.0 / 12f64.sqrt()) - 1.0).abs() < 0.08, "{deviation}");
}

/// A pyramid around the origin, of two materials.
fn pyramid() -> Vec<Triangle> {
    let base = [vec3(-1.0, 0.0, -1.0), vec3(1.0, 0.0, -1.0), vec3(1.0, 0.0, 1.0), vec3(-1.0, 0.0, 1.0)];
    let top = vec3(0.0, 1.5, 0.0);
    (0..4).map(|i| Triangle::flat([base[(i + 1) % 4], base[i], top], (i % 2) as u32)).collect()
}

#[test]
fn instances_look_like_copies() {
    let places = [
        Transform { columns: [vec3(0.4, 0.0, 0.1), vec3(0.0, 0.5, 0.0), vec3(-0.1, 0.0, 0.4), vec3(-0.8, 0.0, 0.0)] },
        // Mirrored.
        Transform { columns: [vec3(-0.5, 0.0, 0.0), vec3(0.1, 0.4, 0.0), vec3(0.0, 0.0, 0.5), vec3(0.8, 0.1, 0.3)] },
        Transform { columns: [vec3(0.2, 0.0, 0.0), vec3(0.0, 0.2, 0.0), vec3(0.0, 0.0, 0.2), vec3(0.1, 0.0, 1.2)] },
    ];
    let mut baked = stage();
    let mut instanced = stage();
    instanced.meshes = vec![vec![], pyramid()];
    for (number, place) in places.iter().enumerate() {
        instanced.instances.push(Instance { mesh: 1, place: *place, object: number as u32 });
        for triangle in pyramid() {
            let mut positions = triangle.positions.map(|p| place.point(p));
            if place.mirrors() {
                positions.swap(1, 2);
            }
            baked.triangles.push(Triangle::flat(positions, triangle.material));
        }
    }
    let settings = Settings { samples: 16, samples_per_unit: 16, ..small() };
    let (a, b) = (lit(&instanced, &settings), lit(&baked, &settings));
    // Rounding differs, so a ray here and there goes past an edge; all others agree.
    let differ = |a: &[f32; 3], b: &[f32; 3]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 2e-3 * (a.abs() + b.abs()));
    let differing = a.pixels.iter().zip(&b.pixels).filter(|(a, b)| differ(a, b)).count();
    assert!(differing * 25 < a.pixels.len(), "{differing} of {} pixels differ", a.pixels.len());
    let mean = |image: &Image| image.pixels.iter().map(|p| f64::from(p[1])).sum::<f64>();
    assert!((mean(&a) / mean(&b) - 1.0).abs() < 3e-3, "{} {}", mean(&a), mean(&b));
    assert_ne!(bits(&a), bits(&lit(&stage(), &settings)));
}

/// A ball of radius 1: an octahedron whose triangles are divided `times` times.
fn ball(times: u32) -> Vec<Triangle> {
    let mut faces = Vec::new();
    for x in [-1.0, 1.0] {
        for y in [-1.0, 1.0] {
            for z in [-1.0, 1.0] {
                let [a, b, c] = [vec3(x, 0.0, 0.0), vec3(0.0, y, 0.0), vec3(0.0, 0.0, z)];
                faces.push(if x * y * z > 0.0 { [a, b, c] } else { [a, c, b] });
            }
        }
    }
    for _ in 0..times {
        faces = faces
            .iter()
            .flat_map(|&[a, b, c]| {
                let [ab, bc, ca] = [a + b, b + c, c + a].map(|p| p.unit().unwrap());
                [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
            })
            .collect();
    }
    faces.into_iter().map(|corners| Triangle { normals: corners, ..Triangle::flat(corners, 0) }).collect()
}

#[test]
fn a_white_glass_ball_cannot_be_seen_in_a_white_world() {
    let settings = Settings {
        width: 8,
        height: 8,
        samples: 64,
        samples_per_unit: 64,
        max_bounces: 40,
        clamp: None,
        blur: 0.0,
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 0.0, 5.0), vec3(0.0, 0.0, 0.0), 0.28).unwrap()),
        environment: EnvironmentChoice::Given(Environment::uniform(Vec3::splat(1.0))),
        ..small()
    };
    for roughness in [0.3, 0.5, 0.8] {
        let volume = Some(Volume { absorption: Vec3::splat(0.0) });
        let glass = Material { roughness, transmission: 1.0, ior: 1.5, volume, ..diffuse(1.0) };
        let scene = Scene { materials: vec![glass], triangles: ball(3), ..Scene::default() };
        let image = lit(&scene, &settings);
        let mean = image.pixels.iter().map(|pixel| f64::from(pixel[1])).sum::<f64>() / 64.0;
        assert!((0.96..1.01).contains(&mean), "roughness {roughness}: {mean}");
    }
}
