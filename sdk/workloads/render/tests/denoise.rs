//! Noise goes, edges stay.

use tessera_protocol::spec::{Arg, BufferInit};
use tessera_ptx::{Access, Limits, Machine, Memory, Module};
use tessera_render::{DENOISE_MODULE, DenoiseJob, Image, Layers, prepare_denoise};

const WIDTH: usize = 40;
const HEIGHT: usize = 24;

/// Runs a unit as its plan says.
fn run(job: &DenoiseJob, unit: u64) -> Image {
    let module = Module::parse(DENOISE_MODULE).unwrap();
    assert!(module.check().is_empty(), "the module leaves the reproducible profile: {:?}", module.check());
    let mut memory = Memory::new(&module);
    let plan = &job.prepared.spec.plan;
    let addresses: Vec<u64> = plan.buffers.iter().map(|b| memory.alloc(b.len, Access::ReadWrite).unwrap()).collect();
    assert_eq!(plan.buffers[0].init, BufferInit::Input(0));
    memory.write(addresses[0], &job.prepared.blobs()[1]).unwrap();
    for launch in &plan.launches {
        let kernel = module.kernel(&launch.kernel).unwrap();
        let values: Vec<Vec<u8>> = launch
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Buffer { index, .. } => addresses[usize::from(*index)].to_le_bytes().to_vec(),
                Arg::Bits32(bits) => bits.to_le_bytes().to_vec(),
                _ => (unit as u32).to_le_bytes().to_vec(),
            })
            .collect();
        let params = kernel.pack(&values.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let launch = tessera_ptx::Launch { grid: launch.grid, block: launch.block, shared_len: 0, params: &params };
        Machine.launch(&mut memory, kernel, &launch, Limits::default()).unwrap();
    }
    let mut output = vec![0; job.prepared.spec.output_len() as usize];
    memory.read(addresses[usize::from(plan.output)], &mut output).unwrap();
    job.image(&output).unwrap()
}

/// Light without noise: two walls that meet in the middle, the left one with stripes of albedo, and a background above.
fn exact(x: usize, y: usize) -> [f32; 3] {
    let albedo = albedo(x);
    let light = if y < 4 {
        0.3
    } else if x < WIDTH / 2 {
        1.0
    } else {
        0.25
    };
    if y < 4 { [light; 3] } else { albedo.map(|a| a * light) }
}

fn albedo(x: usize) -> [f32; 3] {
    if x < WIDTH / 2 && (x / 3).is_multiple_of(2) { [0.8, 0.4, 0.2] } else { [0.3, 0.5, 0.6] }
}

/// The same with noise of a standard error of 20 % of the light.
fn noisy() -> Layers {
    let mut state = 1u32;
    let mut noise = || {
        // The sum of twelve even numbers is nearly normal.
        let sum: f32 = (0..12)
            .map(|_| {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                (state >> 8) as f32 / 16_777_216.0
            })
            .sum();
        1.0 + 0.2 * (sum - 6.0)
    };
    let mut layers = Layers::empty(Image::black(WIDTH, HEIGHT));
    for i in 0..WIDTH * HEIGHT {
        let (x, y) = (i % WIDTH, i / WIDTH);
        if y < 4 {
            layers.image.pixels[i] = exact(x, y);
            continue;
        }
        let factor = noise();
        let light = exact(x, y);
        layers.image.pixels[i] = light.map(|v| v * factor);
        layers.error[i] = 0.2 * (0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]);
        layers.albedo[i] = albedo(x);
        layers.alpha[i] = 1.0;
        let left = x < WIDTH / 2;
        layers.normal[i] = if left { [0.8, 0.0, 0.6] } else { [-0.8, 0.0, 0.6] };
        layers.depth[i] = 5.0 - 0.05 * (x as f32 - WIDTH as f32 / 2.0).abs();
    }
    layers
}

/// Mean squared error, relative to the light.
fn error(image: &Image) -> f32 {
    let of = |i: usize| {
        let exact = exact(i % WIDTH, i / WIDTH);
        let squares = image.pixels[i].iter().zip(exact).map(|(a, b)| ((a - b) / b).powi(2));
        squares.sum::<f32>() / 3.0
    };
    (4 * WIDTH..WIDTH * HEIGHT).map(of).sum::<f32>() / (WIDTH * (HEIGHT - 4)) as f32
}

#[test]
fn noise_goes_and_edges_stay() {
    let noisy = noisy();
    let job = prepare_denoise(&[Layers { error: vec![0.0; WIDTH * HEIGHT], ..noisy.clone() }, noisy.clone()]).unwrap();
    assert_eq!(job.prepared.spec.units, 2);
    let clean = run(&job, 1);
    let (before, after) = (error(&noisy.image), error(&clean));
    assert!((0.03..0.05).contains(&before) && after < before / 10.0, "{before} became {after}");
    // The walls' edge and the stripes are where they were.
    for (x, y) in [(19, 10), (20, 10), (5, 12), (6, 12)] {
        let (found, exact) = (clean.pixels[y * WIDTH + x], exact(x, y));
        assert!(found.iter().zip(exact).all(|(a, b)| (a / b - 1.0).abs() < 0.2), "({x}, {y}): {found:?}, {exact:?}");
    }
    let background = |image: &Image| image.pixels[..4 * WIDTH].to_vec();
    assert!(background(&clean).iter().flatten().zip(background(&noisy.image).iter().flatten()).all(|(a, b)| a == b));
    // What is known to be exact stays as it is, but for rounding.
    let kept = run(&job, 0);
    let same = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.02 * b.abs();
    assert!(kept.pixels.iter().flatten().zip(noisy.image.pixels.iter().flatten()).all(same));
}

#[test]
fn pictures_that_say_too_little_are_refused() {
    let refused = |pictures: &[Layers]| prepare_denoise(pictures).unwrap_err().to_string();
    assert!(refused(&[]).contains("no pictures"));
    assert!(refused(&[Layers::empty(Image::black(8, 8))]).contains("no surfaces"));
    assert!(refused(&[noisy(), Layers::empty(Image::black(8, 8))]).contains("size"));
}
