//! What is measured: five programs, each with as many units as take compiled code a fraction of a second.

use tessera_kernel_tests::{Program, repository};
use tessera_render::{Scene, Settings, prepare};

/// The kernels in the order in which they are measured.
pub const NAMES: [&str; 5] = ["options", "nbody", "reaction", "palette", "render"];

/// A program and what is run of it.
pub struct Workload {
    pub program: Program,
    pub units: u64,
    /// What it is, for people.
    pub what: &'static str,
}

/// The workload of one of [`NAMES`].
pub fn workload(name: &str) -> Workload {
    let example = |most_times, units, what| Workload { program: Program::example(name, most_times), units, what };
    match name {
        "options" => example(u64::MAX, 12, "Monte Carlo, exact sums, shuffles"),
        "nbody" => example(60, 2, "all pairs of 512 bodies through shared memory, 126 launches a unit"),
        "reaction" => example(20, 2, "a stencil in shared memory, 41 launches a unit"),
        "palette" => example(40, 5, "k-means of 14,400 pixels with integer atomics"),
        _ => {
            let scene = Scene::load(&repository("scenes/mosaic.glb")).unwrap_or_else(|error| panic!("{error}"));
            let settings =
                Settings { width: 192, height: 128, samples: 4, samples_per_unit: 4, tile: 64, ..Settings::default() };
            let job = prepare(&scene, &settings).unwrap_or_else(|error| panic!("{error}"));
            let program = Program::render(&job);
            Workload { units: program.units, program, what: "path tracing of the demo's scene, 192 x 128 at 4 samples" }
        }
    }
}
