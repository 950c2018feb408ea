//! Renders a scene on this machine's CPU, without a network, into a linear EXR file: for comparing and measuring.
//!
//! `cargo run -p tessera-kernel-tests --bin render-locally -- SCENE.glb OUT.exr [--width 128] [--height 96]`
//! `[--samples 64] [--bounces 6] [--seed 0] [--clamp FACTOR] [--blur 0] [--environment black|R,G,B|FILE.hdr]`
//!
//! Nothing is traded for less noise unless it is asked for: no clamp and no blur. The kernel runs as on a worker without
//! a GPU, compiled and on all cores.

use std::{error::Error, path::Path};

use tessera_kernel_tests::{
    Program,
    machine::{Engine, Loaded},
};
use tessera_render::{Environment, EnvironmentChoice, Image, Merge, PictureJob, Scene, Settings, prepare, vec3};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: render-locally SCENE.glb OUT.exr [--OPTION VALUE]...";
    let (scene, out) = (words.next().ok_or(usage)?, words.next().ok_or(usage)?);
    let mut settings = Settings {
        width: 128,
        height: 96,
        samples: 64,
        // All cores work on the blocks of one unit, so units are large.
        tile: 256,
        max_bounces: 6,
        clamp: None,
        blur: 0.0,
        environment: EnvironmentChoice::Black,
        ..Settings::default()
    };
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--width" => settings.width = value.parse()?,
            "--height" => settings.height = value.parse()?,
            "--samples" => settings.samples = value.parse()?,
            "--bounces" => settings.max_bounces = value.parse()?,
            "--seed" => settings.seed = value.parse()?,
            "--clamp" => settings.clamp = Some(value.parse()?),
            "--blur" => settings.blur = value.parse()?,
            "--environment" => settings.environment = environment(&value)?,
            _ => return Err(format!("unknown option {option}; {usage}").into()),
        }
    }
    settings.samples_per_unit = settings.samples;
    let job = prepare(&Scene::load(Path::new(&scene))?, &settings)?;
    render(&job)?.save(Path::new(&out), settings.exposure)?;
    Ok(())
}

fn environment(text: &str) -> Result<EnvironmentChoice, Box<dyn Error>> {
    if text == "black" {
        return Ok(EnvironmentChoice::Black);
    }
    if Path::new(text).extension().is_some_and(|e| e.eq_ignore_ascii_case("hdr")) {
        return Ok(EnvironmentChoice::File(text.into()));
    }
    let radiance: Vec<f32> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
    match radiance[..] {
        [r, g, b] => Ok(EnvironmentChoice::Given(Environment::uniform(vec3(r, g, b)))),
        _ => Err(format!("an environment is black, R,G,B or a .hdr file, not {text}").into()),
    }
}

/// All units of a job of one frame.
fn render(job: &PictureJob) -> Result<Image, Box<dyn Error>> {
    let program = Program::render(job);
    let loaded = Loaded::new(&program);
    let mut merge = Merge::new(&job.prepared.spec)?;
    for unit in 0..program.units {
        for output in loaded.run(Engine::Compiled, unit..unit + 1).outputs {
            merge.add(&job.picture, unit, &output)?;
        }
    }
    Ok(merge.image(0))
}
