//! The scene of the tests, and what it must look like.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tessera_executor::{Backend, Program, open};
use tessera_render::{
    Exposure, Image, Layers, Merge, PictureJob, PreparedJob, Scene, Settings, prepare, prepare_denoise,
};

/// The scene of the demo.
pub fn scene() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes/mosaic.glb")
}

/// Computes the units of a job in this process.
fn compute(job: &PreparedJob, mut output: impl FnMut(u64, &[u8])) {
    let (spec, inputs) = (&job.spec, job.inputs().unwrap());
    let program = Program {
        module: job.module(),
        plan: &spec.plan,
        inputs: &inputs,
        unit_gas: spec.unit_gas,
        unit_time: Duration::from_secs(120),
    };
    let mut session = open(Backend::Cpu).unwrap().prepare(0, &program).unwrap();
    session
        .run(0..spec.units, &mut |unit, computed| {
            output(unit, computed.bytes);
            Ok(())
        })
        .unwrap();
}

/// The units of a rendering, as this process computes them by itself.
pub fn computed_here(job: &PictureJob) -> Merge {
    let mut merge = Merge::new(&job.prepared.spec).unwrap();
    compute(&job.prepared, |unit, output| assert!(merge.add(&job.picture, unit, output).unwrap()));
    merge
}

/// A picture without its noise, as this process computes it by itself.
pub fn denoised_here(noisy: &Layers) -> Image {
    let job = prepare_denoise(std::slice::from_ref(noisy)).unwrap();
    let mut clean = None;
    compute(&job.prepared, |_, output| clean = Some(job.image(output).unwrap()));
    clean.unwrap()
}

/// Checks that the pictures at `stem` are, byte for byte, what this process computes from the scene by itself.
pub fn assert_as_computed_here(stem: &Path) {
    let settings = Settings {
        width: 64,
        height: 48,
        samples: 2,
        samples_per_unit: 2,
        tile: 16,
        seed: 0,
        max_bounces: 4,
        frames: 1,
        ..Settings::default()
    };
    let merge = computed_here(&prepare(&Scene::load(&scene()).unwrap(), &settings).unwrap());
    let image = merge.image(0);
    assert_eq!(
        fs::read(stem.with_extension("exr")).unwrap(),
        image.to_exr().unwrap(),
        "other light than computed here"
    );
    assert_eq!(fs::read(stem.with_extension("png")).unwrap(), image.to_png(Exposure::Auto).unwrap());
}
