//! Tone mapping and files.

use tessera_render::{Exposure, Image};

fn image() -> Image {
    let pixels = (0..7 * 5).map(|i| [i as f32 * 0.01, 1.0 / (i + 1) as f32, if i == 9 { 12_345.678 } else { 1e-7 }]);
    Image { width: 7, height: 5, pixels: pixels.collect() }
}

fn read_exr(bytes: &[u8]) -> (usize, usize, Vec<[f32; 3]>) {
    use exr::prelude::*;
    let read = read()
        .no_deep_data()
        .largest_resolution_level()
        .rgb_channels(
            |size, _| (size.width(), vec![[0f32; 3]; size.width() * size.height()]),
            |(width, pixels): &mut (usize, Vec<[f32; 3]>), at, (r, g, b): (f32, f32, f32)| {
                pixels[at.y() * *width + at.x()] = [r, g, b];
            },
        )
        .first_valid_layer()
        .all_attributes()
        .from_buffered(std::io::Cursor::new(bytes))
        .unwrap();
    let (width, pixels) = read.layer_data.channel_data.pixels;
    (width, read.layer_data.size.height(), pixels)
}

#[test]
fn exr_keeps_every_bit() {
    let image = image();
    let bytes = image.to_exr().unwrap();
    assert_eq!(read_exr(&bytes), (7, 5, image.pixels.clone()));
    assert_eq!(image.to_exr().unwrap(), bytes, "equal pictures are equal files");
}

#[test]
fn tones_rise_with_light_and_stay_in_range() {
    let grey = |v: f32| Image { width: 1, height: 1, pixels: vec![[v; 3]] }.tone_mapped(Exposure::Stops(0.0));
    let tones: Vec<u8> = (0..40).map(|i| grey(2f32.powf(i as f32 * 0.5 - 12.0))[0]).collect();
    assert!(tones.windows(2).all(|w| w[0] <= w[1]), "{tones:?}");
    assert_eq!((grey(0.0), grey(1e30)), (vec![0; 3], vec![255; 3]));
    let middle = grey(0.18)[0];
    assert!((90..150).contains(&middle), "middle grey becomes {middle}");
    // A stop up is twice the light.
    let doubled = Image { width: 1, height: 1, pixels: vec![[0.2; 3]] }.tone_mapped(Exposure::Stops(1.0));
    assert_eq!(doubled, grey(0.4));
}

#[test]
fn exposure_follows_the_picture() {
    let dim = Image { width: 2, height: 1, pixels: vec![[0.002; 3], [0.002; 3]] };
    let bright = Image { width: 2, height: 1, pixels: vec![[900.0; 3], [900.0; 3]] };
    assert_eq!(dim.tone_mapped(Exposure::Auto), bright.tone_mapped(Exposure::Auto));
    assert_eq!(Image::black(3, 2).tone_mapped(Exposure::Auto), vec![0; 18]);
}

#[test]
fn files_appear_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (png, exr) = (folder.path().join("a.png"), folder.path().join("a.EXR"));
    std::fs::write(&png, b"old").unwrap();
    image().save(&png, Exposure::Auto).unwrap();
    image().save(&exr, Exposure::Auto).unwrap();
    let read = image::open(&png).unwrap().into_rgb8();
    assert_eq!((read.dimensions(), read.into_raw()), ((7, 5), image().tone_mapped(Exposure::Auto)));
    assert_eq!(read_exr(&std::fs::read(&exr).unwrap()).2, image().pixels);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no partial files are left");
    let nowhere = folder.path().join("missing").join("a.png");
    assert!(image().save(&nowhere, Exposure::Auto).unwrap_err().to_string().contains("missing"));
}
