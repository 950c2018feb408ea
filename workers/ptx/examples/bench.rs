//! Measures the interpreter and compiled code: `cargo run -p tessera-ptx --example bench`.
//!
//! Prints instructions per second of processor time of one thread, for code whose threads all do the same and for code
//! in which each goes its own way.

use std::error::Error;

use tessera_ptx::{Access, Checks, Interpreter, Launch, Limits, Machine, Memory, Module};

/// Launches of compiled code that are timed together: systems count processor time in steps of some milliseconds.
const REPEATS: u32 = 20;

const TEXT: &str = include_str!("kernels/bench.ptx");

fn main() -> Result<(), Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let module = Module::parse(TEXT)?;
    for refusal in module.check() {
        println!("{refusal}");
    }
    pool.install(|| bodies(&module))?;
    pool.install(|| paths(&module))?;
    Ok(())
}

fn floats(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    std::iter::repeat_with(next).take(count).flat_map(f32::to_le_bytes).collect()
}

fn bodies(module: &Module) -> Result<(), String> {
    let n = 2048u32;
    let mut memory = Memory::new(module);
    let at = upload(&mut memory, &floats(4 * n as usize))?;
    let force = memory.alloc(u64::from(16 * n), Access::ReadWrite).map_err(|e| e.to_string())?;
    run(module, &mut memory, "bodies", n / 128, &[&at.to_le_bytes(), &force.to_le_bytes(), &n.to_le_bytes()])
}

fn paths(module: &Module) -> Result<(), String> {
    let (threads, count, samples) = (4096u32, 8u32, 32u32);
    let mut spheres = floats(4 * count as usize);
    for (i, value) in spheres.chunks_mut(4).enumerate() {
        let x = f32::from_le_bytes([value[0], value[1], value[2], value[3]]);
        let spread = if i % 4 == 3 { 0.3 + 0.4 * x } else { 3.0 * x - 1.5 };
        value.copy_from_slice(&spread.to_le_bytes());
    }
    let mut memory = Memory::new(module);
    let spheres = upload(&mut memory, &spheres)?;
    let light = memory.alloc(u64::from(4 * threads), Access::ReadWrite).map_err(|e| e.to_string())?;
    let values: [&[u8]; 4] =
        [&spheres.to_le_bytes(), &count.to_le_bytes(), &light.to_le_bytes(), &samples.to_le_bytes()];
    run(module, &mut memory, "paths", threads / 128, &values)
}

fn upload(memory: &mut Memory, bytes: &[u8]) -> Result<u64, String> {
    let address = memory.alloc(bytes.len() as u64, Access::Read).map_err(|e| e.to_string())?;
    memory.write(address, bytes).map_err(|e| e.to_string())?;
    Ok(address)
}

fn run(module: &Module, memory: &mut Memory, name: &str, blocks: u32, values: &[&[u8]]) -> Result<(), String> {
    let kernel = module.kernel(name).ok_or("no such kernel")?;
    let params = kernel.pack(values)?;
    let launch = Launch { grid: [blocks, 1, 1], block: [128, 1, 1], shared_len: 0, params: &params };
    let before = processor_seconds();
    let stats = Interpreter::new().launch(memory, kernel, &launch, Limits::default()).map_err(|e| e.to_string())?;
    let plain = processor_seconds() - before;
    let before = processor_seconds();
    let checked = Interpreter::new().with_checks(Checks::ALL);
    checked.launch(memory, kernel, &launch, Limits::default()).map_err(|e| e.to_string())?;
    let slow = processor_seconds() - before;
    // Once to compile it, then often enough for the clock to tell.
    Machine.launch(memory, kernel, &launch, Limits::default()).map_err(|e| e.to_string())?;
    let before = processor_seconds();
    for _ in 0..REPEATS {
        Machine.launch(memory, kernel, &launch, Limits::default()).map_err(|e| e.to_string())?;
    }
    let fast = (processor_seconds() - before) / f64::from(REPEATS);
    let millions = stats.instructions.unwrap_or_default() as f64 / 1e6;
    println!(
        "{name:8} {millions:7.1} M instructions: interpreter {plain:.3} s, {:5.0} M/s, with checks {slow:.3} s; compiled {fast:.4} s, {:5.0} M/s",
        millions / plain,
        millions / fast
    );
    Ok(())
}

/// Processor time of this thread where the system tells it, so that other work on the machine does not count.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |n| n * 1e-9)
}

static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
