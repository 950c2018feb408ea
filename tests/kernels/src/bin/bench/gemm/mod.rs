//! Products of matrices: the reproducible ones of sdk/workloads/nn against cuBLAS and cuBLASLt on a GPU, and against PyTorch on the
//! processor. Prints a section of Markdown.

mod cpu;
mod gpu;
mod peak;
mod report;
mod torch;
mod values;

use tessera_executor::measure::{Blas, Stopwatch};

use crate::machine::{Busy, Setting};
use crate::measure::Seconds;
use torch::Torch;

pub const USAGE: &str =
    "usage: scripts/bench gemm [--write] [--sizes N,...] [--processor-sizes N,...] [--repetitions N]";

/// Most runs of a measurement, so that they fit the queue of a GPU.
const MOST_RUNS: u32 = 100;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    write: bool,
    /// Rows and columns of the matrices, on the GPU and on the processor.
    sizes: Vec<usize>,
    processor_sizes: Vec<usize>,
    repetitions: usize,
}

impl Options {
    pub fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let (all, of_processor) = ([1024, 2048, 4096, 8192, 16384], [256, 512, 1024, 2048]);
        let mut options =
            Self { write: false, sizes: all.to_vec(), processor_sizes: of_processor.to_vec(), repetitions: 5 };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--write" => options.write = true,
                "--sizes" => options.sizes = sizes(&words.next()?)?,
                "--processor-sizes" => options.processor_sizes = sizes(&words.next()?)?,
                "--repetitions" => options.repetitions = words.next()?.parse().ok().filter(|n| *n > 0)?,
                _ => return None,
            }
        }
        // The page has all sizes.
        let is_whole = options.sizes == all && options.processor_sizes == of_processor;
        (!options.write || is_whole).then_some(options)
    }
}

/// Numbers with commas, or `none`. Sizes are multiples of 16, which all ways can have, and at least 32: of fewer rows the front end
/// multiplies bytes without tensor cores.
fn sizes(list: &str) -> Option<Vec<usize>> {
    if list == "none" {
        return Some(vec![]);
    }
    let size = |text: &str| text.parse().ok().filter(|size: &usize| *size >= 32 && size.is_multiple_of(16));
    list.split(',').map(size).collect()
}

/// Measures everything.
pub fn run(options: &Options) {
    let setting = Setting::of_this_machine();
    let busy = Busy::now();
    let mut torch = None;
    let mut reason = String::new();
    if !options.processor_sizes.is_empty() {
        match Torch::start() {
            Ok(started) => torch = Some(started),
            Err(error) => reason = error,
        }
    }
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let of_processor = one_thread.install(|| {
        let line = |size: &usize| {
            eprintln!("bench: {size} on the processor");
            cpu::measure(*size, options.repetitions, &mut torch)
        };
        options.processor_sizes.iter().map(line).collect::<Vec<_>>()
    });
    let others = busy.zip(Busy::now()).and_then(|(before, after)| before.others(&after));
    let torch = torch.map(|torch| torch.version.clone()).ok_or(reason);
    let head = report::head(&setting, options.repetitions);
    let processor = report::processor(&of_processor, torch.as_ref().map_err(String::as_str), others);
    // What was not measured leaves the page as it is.
    let gpu = of_gpu(options).unwrap_or_else(|reason| {
        println!("{}", report::no_gpu(&options.sizes, &reason));
        String::new()
    });
    for (part, text) in [("GPU", gpu), ("processor", processor)] {
        if text.is_empty() {
            continue;
        }
        let section = [head.as_str(), &text].concat();
        println!("{section}");
        if options.write {
            crate::report::write(&format!("scripts/bench gemm --write: {part}"), &section);
        }
    }
}

/// The table of the GPU, or why there is none; empty where no size was asked for.
fn of_gpu(options: &Options) -> Result<String, String> {
    if options.sizes.is_empty() {
        return Ok(String::new());
    }
    let watch = Stopwatch::open().map_err(|error| error.to_string())?;
    let blas = Blas::open(&watch).and_then(|blas| Ok((blas.version()?, blas)));
    let of_blas = blas.as_ref().map(|(_, blas)| blas).ok();
    let line = |size: &usize| {
        eprintln!("bench: {size} on the GPU");
        gpu::measure(&watch, of_blas, *size, options.repetitions)
    };
    let lines: Vec<_> = options.sizes.iter().map(line).collect();
    let about = report::Gpu {
        name: &watch.device().name,
        capability: watch.device().compute_capability.unwrap_or_default(),
        driver: watch.driver(),
        processors: watch.processors(),
        kilohertz: watch.kilohertz(),
        blas: blas.as_ref().map(|(version, _)| *version).map_err(ToString::to_string),
    };
    Ok(report::gpu(&about, &lines))
}

/// One way to compute something: seconds of each of so many runs.
type Way<'a> = Box<dyn FnMut(u32) -> f64 + 'a>;

/// Measures all ways one after the other, and then again, each as many runs at a time as take about `least` seconds. The first time
/// warms up and is not counted.
fn in_turn(ways: &mut [Way<'_>], repetitions: usize, least: f64) -> Vec<Seconds> {
    let runs: Vec<u32> = ways.iter_mut().map(|way| runs(way(1), least)).collect();
    let mut found: Vec<Seconds> = ways.iter().map(|_| Seconds::default()).collect();
    for _ in 0..repetitions {
        for ((way, runs), seconds) in ways.iter_mut().zip(&runs).zip(&mut found) {
            seconds.add(way(*runs));
        }
    }
    found
}

/// How many runs take so many seconds, where one takes these.
fn runs(seconds: f64, least: f64) -> u32 {
    ((least / seconds.max(f64::MIN_POSITIVE)).ceil() as u32).clamp(1, MOST_RUNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for() {
        let read = |words: &str| Options::read(words.split_whitespace().map(str::to_owned));
        let options = read("--sizes 64,2048 --processor-sizes none --repetitions 3").unwrap();
        let expected = Options { write: false, sizes: vec![64, 2048], processor_sizes: vec![], repetitions: 3 };
        assert_eq!(options, expected);
        assert_eq!(read("").unwrap().sizes, [1024, 2048, 4096, 8192, 16384]);
        assert!(read("--write --repetitions 3").unwrap().write);
        for wrong in [
            "--write --sizes 64",
            "--processor-sizes none --write",
            "--sizes",
            "--sizes 8",
            "--sizes 33",
            "--sizes 64,",
            "--repetitions 0",
            "--only f32",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ways_take_turns_and_the_first_time_does_not_count() {
        let order = std::cell::RefCell::new(vec![]);
        let way = |name: char, seconds: f64| {
            let order = &order;
            let mut first = true;
            Box::new(move |runs: u32| {
                order.borrow_mut().push((name, runs));
                if std::mem::take(&mut first) { seconds } else { 7.0 * seconds }
            }) as Way<'_>
        };
        let found = in_turn(&mut [way('a', 0.01), way('b', 1.0)], 2, 0.02);
        assert_eq!(found.iter().map(Seconds::median).collect::<Vec<_>>(), [0.07, 7.0]);
        assert_eq!(*order.borrow(), [('a', 1), ('b', 1), ('a', 2), ('b', 1), ('a', 2), ('b', 1)]);
        assert_eq!([runs(0.0, 1.0), runs(1e-9, 1.0), runs(5.0, 1.0)], [MOST_RUNS, MOST_RUNS, 1]);
    }
}
