//! Products on the processor: this repository's kernels as compiled code, and PyTorch, with one thread each.

use tessera_executor::{Backend, Executor, Session, open};
use tessera_nn::Product;

use super::in_turn;
use super::torch::Torch;
use super::values::{Kind, Matrix, Sample, floats, program, runnable, same};
use crate::measure::Seconds;

/// About how long a measurement takes: the system tells the time of a thread in steps of some milliseconds.
const LEAST: f64 = 0.3;

/// Seconds of a product, without what prepares it.
pub struct Ours {
    pub seconds: Seconds,
    /// For each multiplication with an addition.
    pub gas: f64,
}

/// What was measured of one size.
pub struct Line {
    pub size: usize,
    pub floats: Ours,
    pub torch_floats: Option<Seconds>,
    /// By `mma.sync`.
    pub bytes: Ours,
    /// By `dp4a`.
    pub few_bytes: Ours,
    pub torch_bytes: Option<Seconds>,
}

/// Measures products of squares of this size. All work is done by this thread.
///
/// # Panics
/// If a value has other bits than it should have.
pub fn measure(size: usize, repetitions: usize, torch: &mut Option<Torch>) -> Line {
    let cpu = open(Backend::Cpu).unwrap_or_else(|error| panic!("{error}"));
    let mut of_floats = Kernel::new(&*cpu, size, Kind::Floats, true);
    let mut bytes = Kernel::new(&*cpu, size, Kind::Bytes, true);
    let mut few_bytes = Kernel::new(&*cpu, size, Kind::Bytes, false);
    let mut with_torch = |ours: &mut [&mut Kernel], kind| {
        let count = ours.len();
        let mut ways: Vec<super::Way<'_>> =
            ours.iter_mut().map(|kernel| Box::new(|times| kernel.seconds(times)) as super::Way<'_>).collect();
        if let Some(torch) = torch {
            ways.push(Box::new(|times| torch.seconds(kind, size, times)));
        }
        let mut found = in_turn(&mut ways, repetitions, LEAST);
        let torch = found.drain(count..).next();
        (found, torch)
    };
    let (of_f32, torch_floats) = with_torch(&mut [&mut of_floats], Kind::Floats);
    let (of_int8, torch_bytes) = with_torch(&mut [&mut bytes, &mut few_bytes], Kind::Bytes);
    let gas = [of_floats.gas, bytes.gas, few_bytes.gas].map(|gas| gas as f64 / (size as f64).powi(3));
    let mut ours = of_f32.into_iter().chain(of_int8).zip(gas).map(|(seconds, gas)| Ours { seconds, gas });
    let mut next = || ours.next().expect("three ways");
    Line { size, floats: next(), torch_floats, bytes: next(), few_bytes: next(), torch_bytes }
}

/// A product, and the launches before it alone.
struct Kernel {
    whole: Box<dyn Session>,
    rest: Box<dyn Session>,
    /// Of the product.
    gas: u64,
}

impl Kernel {
    /// Makes it and runs it once.
    fn new(cpu: &dyn Executor, size: usize, kind: Kind, tensor_cores: bool) -> Self {
        let pair = Matrix::pair(size, kind);
        let [x, w] = &pair;
        let product = program(&x.all(), w.all(), size, kind, tensor_cores);
        let session = |product: &Product| {
            cpu.prepare(0, &runnable(&product.plan, &product.inputs)).unwrap_or_else(|error| panic!("{error}"))
        };
        let mut without = product.clone();
        without.plan.launches.pop();
        let mut this = Self { whole: session(&product), rest: session(&without), gas: 0 };
        let (output, gas) = run(&mut *this.whole);
        this.gas = gas - run(&mut *this.rest).1;
        let sample = Sample::of(size);
        let what = format!("{} of {size} rows", product.kernel());
        same(&what, &sample.from(&floats(&output), size), &sample.expected(&pair));
        this
    }

    /// Seconds that this thread has the processor for a product.
    fn seconds(&mut self, times: u32) -> f64 {
        let of = |session: &mut dyn Session| {
            let start = on_processor();
            (0..times).for_each(|_| drop(run(session)));
            on_processor() - start
        };
        (of(&mut *self.whole) - of(&mut *self.rest)) / f64::from(times)
    }
}

/// The output of unit 0, and what it spent.
fn run(session: &mut dyn Session) -> (Vec<u8>, u64) {
    let mut found = (vec![], 0);
    let done = session.run(0..1, &mut |_, output| {
        found = (output.bytes.to_vec(), output.gas.unwrap_or_default());
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
    found
}

/// Seconds that this thread has had a processor.
fn on_processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<u64> = text.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.expect("Linux tells the time of a thread in /proc/thread-self/schedstat") as f64 / 1e9
}
