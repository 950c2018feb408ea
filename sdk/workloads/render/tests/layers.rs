//! What units give besides the picture.

mod support;

use support::{Cpu, diffuse, plate, small};
use tessera_render::{
    Aovs, Camera, CameraChoice, Environment, EnvironmentChoice, Exposure, Image, Layers, Material, Merge, Scene,
    Settings, Vec3, prepare, vec3,
};

/// A plate of albedo (0.6, 0.3, 0.1) that stands 5 before the camera and fills the left half of the picture; behind the
/// right half there is nothing.
fn layers() -> Layers {
    let material = Material { base: vec3(0.6, 0.3, 0.1), specular: 0.0, ..diffuse(1.0) };
    let mut scene = Scene { materials: vec![material], ..Scene::default() };
    scene.triangles.extend(plate(vec3(-10.0, 0.0, -5.0), vec3(10.0, 0.0, 0.0), vec3(0.0, 10.0, 0.0), 0));
    scene.triangles.iter_mut().for_each(|triangle| triangle.object = 41);
    let settings = Settings {
        width: 16,
        height: 8,
        samples: 16,
        samples_per_unit: 4,
        aovs: Aovs { noise: true, surface: true },
        camera: CameraChoice::Given(Camera::look_at(vec3(0.0, 0.0, 0.0), vec3(0.0, 0.0, -1.0), 0.8).unwrap()),
        environment: EnvironmentChoice::Given(Environment::uniform(Vec3::splat(1.0))),
        ..small()
    };
    let job = prepare(&scene, &settings).unwrap();
    let mut merge = Merge::new(&job.prepared.spec).unwrap();
    Cpu::new(&job).add(&job, &mut merge);
    merge.layers(0).unwrap()
}

#[test]
fn layers_show_the_surface_that_is_seen() {
    let layers = layers();
    let near = |a: f32, b: f32, by: f32| (a - b).abs() <= by;
    for (x, y) in [(1, 1), (5, 6)] {
        let i = y * 16 + x;
        assert!(layers.albedo[i].iter().zip([0.6, 0.3, 0.1]).all(|(a, b)| near(*a, b, 1e-3)), "{:?}", layers.albedo[i]);
        assert!(layers.normal[i].iter().zip([0.0, 0.0, 1.0]).all(|(a, b)| near(*a, b, 1e-3)), "{:?}", layers.normal[i]);
        assert!(near(layers.depth[i], 5.0, 1e-4), "{}", layers.depth[i]);
        assert_eq!((layers.object[i], layers.alpha[i], layers.samples[i]), (42, 1.0, 16));
        // In a world of light all around, every sample of a matt surface is its albedo.
        assert!(near(layers.image.pixels[i][0], 0.6, 1e-3) && layers.error[i] < 1e-3, "{}", layers.error[i]);
    }
    let void = 3 * 16 + 14;
    assert_eq!((layers.object[void], layers.alpha[void], layers.depth[void]), (0, 0.0, 0.0));
    assert!(near(layers.image.pixels[void][0], 1.0, 1e-3) && layers.error[void] < 1e-4);
}

#[test]
fn the_exr_file_holds_all_layers() {
    use exr::prelude::*;
    let layers = layers();
    let bytes = layers.to_exr().unwrap();
    assert_eq!(layers.to_exr().unwrap(), bytes, "equal layers are equal files");
    let read = read().no_deep_data().largest_resolution_level().all_channels().first_valid_layer().all_attributes();
    let image = read.from_buffered(std::io::Cursor::new(&bytes)).unwrap();
    let found = |name: &str| {
        let channel = image.layer_data.channel_data.list.iter().find(|channel| channel.name.eq(name));
        channel.unwrap_or_else(|| panic!("no channel {name}")).sample_data.values_as_f32().collect::<Vec<f32>>()
    };
    assert_eq!(found("G"), layers.image.pixels.iter().map(|p| p[1]).collect::<Vec<_>>());
    assert_eq!(found("Z"), layers.depth);
    assert_eq!(found("A"), layers.alpha);
    assert_eq!(found("normal.Z"), layers.normal.iter().map(|n| n[2]).collect::<Vec<_>>());
    assert_eq!(found("albedo.B"), layers.albedo.iter().map(|a| a[2]).collect::<Vec<_>>());
    assert_eq!(found("error.Y"), layers.error);
    assert_eq!(found("object.id")[0], 42.0);
    assert_eq!(found("samples.count")[5], 16.0);
    assert_eq!(tessera_render::Layers::from_exr(&bytes, "picture").unwrap(), layers);
}

#[test]
fn exr_files_that_lack_something_are_refused() {
    let refused = |bytes: &[u8]| Layers::from_exr(bytes, "picture.exr").unwrap_err().to_string();
    let layers = Layers::empty(Image::black(4, 4));
    assert!(refused(&layers.image.to_exr().unwrap()).contains("picture.exr: has no channel albedo.R"));
    assert!(refused(&layers.image.to_png(Exposure::Auto).unwrap()).contains("cannot be read as OpenEXR"));
    let whole = layers.to_exr().unwrap();
    for length in (0..whole.len()).step_by(7) {
        assert!(refused(&whole[..length]).contains("OpenEXR"), "{length} bytes");
    }
    // A data window of 2^16 pixels a side.
    let window = whole.windows(11).position(|bytes| bytes == b"dataWindow\0").unwrap() + 11 + 6 + 4 + 8;
    let mut huge = whole;
    huge[window..window + 8].copy_from_slice(&[0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    assert!(refused(&huge).contains("numbers, at most"), "{}", refused(&huge));
}
