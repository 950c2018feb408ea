//! The section of Markdown about products.

use std::fmt::Write as _;

use super::peak::{operations, peak, rates};
use super::{cpu, gpu};
use crate::machine::Setting;
use crate::measure::Seconds;

/// The GPU, and the version of cuBLAS or why there is none.
pub struct Gpu<'a> {
    pub name: &'a str,
    pub capability: (u32, u32),
    pub driver: i32,
    pub processors: u64,
    pub kilohertz: u64,
    pub blas: Result<i32, String>,
}

const GPU_HEAD: [&str; 10] = [
    "rows and columns, GPU",
    "f32, TFLOP/s",
    "of peak",
    "cuBLAS, TFLOP/s",
    "time: ours / cuBLAS",
    "cuBLAS with TF32, TFLOP/s",
    "int8, TOP/s",
    "of peak",
    "cuBLASLt int8, TOP/s",
    "time: ours / cuBLASLt",
];

const PROCESSOR_HEAD: [&str; 8] = [
    "rows and columns, processor",
    "f32, GFLOP/s",
    "PyTorch f32, GFLOP/s",
    "time: ours / PyTorch",
    "int8 by `mma.sync`, GOP/s",
    "int8 by `dp4a`, GOP/s",
    "PyTorch int8, GOP/s",
    "time: `dp4a` / PyTorch",
];

/// When and on what.
pub fn head(setting: &Setting, repetitions: usize) -> String {
    let Setting { date, commit, processor, rustc, .. } = setting;
    let counted = "A multiplication with an addition counts as two operations.";
    format!(
        "Measured on {date} at commit `{commit}`: {processor}; {rustc}. Medians of {repetitions} repetitions, all ways in turn. {counted}\n\n"
    )
}

/// The table of a machine without a GPU.
pub fn no_gpu(sizes: &[usize], reason: &str) -> String {
    let row = |size: &usize| {
        let mut cells = vec![size.to_string()];
        cells.resize(GPU_HEAD.len(), "no GPU".into());
        cells
    };
    let rows: Vec<_> = sizes.iter().map(row).collect();
    format!("The GPU half was not measured: {reason}.\n\n{}", table(&GPU_HEAD, &rows))
}

/// The table of a GPU.
pub fn gpu(about: &Gpu<'_>, lines: &[gpu::Line]) -> String {
    let Gpu { name, capability: (major, minor), driver, processors, kilohertz, blas } = about;
    let peaks = rates(about.capability)
        .map(|rates| [rates.floats, rates.bytes].map(|rate| peak(*processors, *kilohertz, rate)));
    let version = |number: i32| format!("{}.{}", number / 1000, number % 1000 / 10);
    let driver = version(*driver);
    let mut text = format!("{name}, compute capability {major}.{minor}, driver for CUDA {driver}: ");
    // Writing to a string cannot fail.
    let _ = write!(text, "{processors} multiprocessors, at most {} MHz; ", kilohertz / 1000);
    let _ = match peaks {
        Some([floats, bytes]) => {
            write!(text, "peak {:.1} TFLOP/s, {:.0} TOP/s in 8 bits by tensor cores. ", floats / 1e12, bytes / 1e12)
        }
        None => write!(text, "peak unknown for this compute capability. "),
    };
    let _ = match blas {
        Ok(version) => write!(text, "cuBLAS {version}. "),
        Err(reason) => write!(text, "cuBLAS was not measured: {reason}. "),
    };
    let apart = lines.iter().filter_map(|line| line.times.as_ref().ok()?.vendor.as_ref()).map(|vendor| vendor.apart);
    if lines.iter().any(|line| line.times.is_ok()) {
        text += "Sampled values have the bits of the processor's compiled code.";
    }
    if let Some(apart) = apart.reduce(f64::max) {
        let _ = write!(text, " cuBLASLt's sums are the same, cuBLAS' floats are within {apart:.1e} of the largest.");
    }
    for gpu::Line { size, times } in lines {
        if let Err(reason) = times {
            let _ = write!(text, " {size} was skipped: {reason}.");
        }
    }
    let rows: Vec<_> = lines.iter().map(|line| gpu_row(line, peaks)).collect();
    format!("{text}\n\n{}", table(&GPU_HEAD, &rows))
}

fn gpu_row(line: &gpu::Line, peaks: Option<[f64; 2]>) -> Vec<String> {
    let Ok(gpu::Times { floats, bytes, vendor }) = &line.times else {
        let mut cells = vec![line.size.to_string()];
        cells.resize(GPU_HEAD.len(), "skipped".into());
        return cells;
    };
    let rate = |seconds: &Seconds| operations(line.size) / seconds.median();
    let tera = |seconds: &Seconds| format!("{:.2}", rate(seconds) / 1e12);
    let part = |seconds: &Seconds, peak: Option<f64>| {
        peak.map_or_else(|| "unknown".into(), |peak| format!("{:.1} %", 100.0 * rate(seconds) / peak))
    };
    let of_vendor = |cell: &dyn Fn(&gpu::Vendor) -> String| vendor.as_ref().map_or_else(|| "no cuBLAS".into(), cell);
    vec![
        line.size.to_string(),
        tera(floats),
        part(floats, peaks.map(|[floats, _]| floats)),
        of_vendor(&|vendor| tera(&vendor.floats)),
        of_vendor(&|vendor| ratio(floats, &vendor.floats)),
        of_vendor(&|vendor| tera(&vendor.tf32)),
        tera(bytes),
        part(bytes, peaks.map(|[_, bytes]| bytes)),
        of_vendor(&|vendor| tera(&vendor.bytes)),
        of_vendor(&|vendor| ratio(bytes, &vendor.bytes)),
    ]
}

/// The table of the processor; `torch` is PyTorch's version or why it is not there, `others` the part of the processors that other
/// work took.
pub fn processor(lines: &[cpu::Line], torch: Result<&String, &str>, others: Option<f64>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = String::from("One thread, seconds that it had a core for");
    let _ = match torch {
        Ok(version) => write!(text, "; torch {version}."),
        Err(reason) => write!(text, ". PyTorch was not measured: {reason}."),
    };
    if let Some(others) = others {
        let _ = write!(text, " Other work took {:.0} % of the processors during this run.", others * 100.0);
    }
    let rows: Vec<_> = lines.iter().map(processor_row).collect();
    let mut text = format!("{text}\n\n{}", table(&PROCESSOR_HEAD, &rows));
    if let Some(line) = lines.last() {
        let [floats, bytes, few] = [&line.floats, &line.bytes, &line.few_bytes].map(|ours| ours.gas);
        let _ = write!(text, "\nGas for each multiplication with an addition, at {}: f32 {floats:.2}, ", line.size);
        let _ = writeln!(text, "`mma.sync` {bytes:.3}, `dp4a` {few:.2}.");
    }
    text
}

fn processor_row(line: &cpu::Line) -> Vec<String> {
    let giga = |seconds: &Seconds| format!("{:.1}", operations(line.size) / seconds.median() / 1e9);
    let torch = |found: &Option<Seconds>, cell: &dyn Fn(&Seconds) -> String| {
        found.as_ref().map_or_else(|| "no PyTorch".into(), cell)
    };
    let [floats, bytes, few] = [&line.floats, &line.bytes, &line.few_bytes].map(|ours| &ours.seconds);
    vec![
        line.size.to_string(),
        giga(floats),
        torch(&line.torch_floats, &giga),
        torch(&line.torch_floats, &|theirs| ratio(floats, theirs)),
        giga(bytes),
        giga(few),
        torch(&line.torch_bytes, &giga),
        torch(&line.torch_bytes, &|theirs| ratio(few, theirs)),
    ]
}

/// How many times as long the first takes.
fn ratio(ours: &Seconds, theirs: &Seconds) -> String {
    format!("{:.2}", ours.median() / theirs.median())
}

/// A table of numbers, of which the first column has no unit.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---:".to_owned()).collect();
    let rows = rows.iter().map(|row| line(row)).collect::<String>();
    [line(&head), line(&rule), rows].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(each: f64) -> Seconds {
        let mut seconds = Seconds::default();
        seconds.add(each);
        seconds
    }

    fn about(blas: Result<i32, String>) -> Gpu<'static> {
        Gpu { name: "GPU", capability: (8, 0), driver: 13_000, processors: 100, kilohertz: 1_000_000, blas }
    }

    /// At 1000 rows: 2 10^9 operations.
    fn line(vendor: Option<gpu::Vendor>) -> gpu::Line {
        gpu::Line { size: 1000, times: Ok(gpu::Times { floats: seconds(4e-4), bytes: seconds(1e-4), vendor }) }
    }

    #[test]
    fn a_gpu_has_rates_parts_of_its_peak_and_ratios() {
        let vendor = gpu::Vendor { floats: seconds(2e-4), tf32: seconds(1e-4), bytes: seconds(5e-5), apart: 3e-6 };
        let lines = [line(Some(vendor)), gpu::Line { size: 2000, times: Err("no room".into()) }];
        let text = gpu(&about(Ok(130_001)), &lines);
        // 12.8 TFLOP/s and 409.6 TOP/s at most.
        let row = "| 1000 | 5.00 | 39.1 % | 10.00 | 2.00 | 20.00 | 20.00 | 4.9 % | 40.00 | 2.00 |";
        for expected in [
            row,
            "peak 12.8 TFLOP/s, 410 TOP/s",
            "cuBLAS 130001.",
            "CUDA 13.0",
            "within 3.0e-6",
            "2000 was skipped: no room.",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(text.lines().last().unwrap().starts_with("| 2000 | skipped |"), "{text}");
        let unknown = Gpu { capability: (7, 5), ..about(Ok(1)) };
        let text = gpu(&unknown, &[line(None)]);
        assert!(text.contains("peak unknown") && text.contains("| 1000 | 5.00 | unknown |"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let text = gpu(&about(Err("libcublas.so was not found".into())), &[line(None)]);
        assert!(text.contains("cuBLAS was not measured: libcublas.so was not found."), "{text}");
        assert!(text.contains("| 39.1 % | no cuBLAS | no cuBLAS | no cuBLAS | 20.00 |"), "{text}");
        let text = no_gpu(&[1024], "no driver");
        assert!(text.contains("not measured: no driver.") && text.contains("| 1024 | no GPU | no GPU |"), "{text}");
    }

    #[test]
    fn a_processor_is_compared_with_pytorch_or_with_nothing() {
        let ours = |each, gas| cpu::Ours { seconds: seconds(each), gas };
        let mut line = cpu::Line {
            size: 1000,
            floats: ours(0.4, 0.6),
            torch_floats: Some(seconds(0.1)),
            bytes: ours(1.0, 0.01),
            few_bytes: ours(0.5, 0.25),
            torch_bytes: Some(seconds(0.01)),
        };
        let text = processor(std::slice::from_ref(&line), Ok(&"2.0".into()), Some(0.126));
        let row = "| 1000 | 5.0 | 20.0 | 4.00 | 2.0 | 4.0 | 200.0 | 50.00 |";
        for expected in [row, "torch 2.0.", "Other work took 13 %", "at 1000: f32 0.60, `mma.sync` 0.010, `dp4a` 0.25."]
        {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        (line.torch_floats, line.torch_bytes) = (None, None);
        let text = processor(&[line], Err("no module"), None);
        assert!(
            text.contains("PyTorch was not measured: no module.") && text.contains("| 5.0 | no PyTorch |"),
            "{text}"
        );
    }
}
