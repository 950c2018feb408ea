//! `bench gemm` on the stand-in driver `tessera-fakecuda`, which has a stand-in of cuBLAS: its whole path through driver and
//! libraries runs, and what it multiplies is compared. That proves the host's code, not a GPU's bits, and no time of it means
//! anything.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The shared library of `tessera-fakecuda`, which cargo built beside this test.
fn stand_in() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.parent().unwrap();
    let found = [folder, folder.parent().unwrap_or(Path::new("/"))].map(|folder| folder.join("libtessera_fakecuda.so"));
    found.into_iter().find(|path| path.exists()).expect("libtessera_fakecuda.so beside the test")
}

/// A folder in which the loader finds the stand-in under these names: one file, so that all are one library.
fn libraries(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        symlink(stand_in(), folder.path().join(name)).unwrap();
    }
    folder
}

const DRIVER: [&str; 2] = ["libcuda.so", "libcuda.so.1"];
const ALL: [&str; 4] = ["libcuda.so", "libcuda.so.1", "libcublas.so", "libcublasLt.so"];

fn bench(libraries: &TempDir, sizes: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["gemm", "--sizes", sizes, "--processor-sizes", "none", "--repetitions", "1"])
        .env("LD_LIBRARY_PATH", libraries.path())
        .env("FAKE_CUDA_LOG", libraries.path().join("log"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

/// The cells of the row of a size.
fn row(text: &str, size: &str) -> Vec<String> {
    let begin = format!("| {size} |");
    let line = text.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("no row {size}: {text}"));
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn both_products_are_those_of_the_libraries() {
    let libraries = libraries(&ALL);
    // Tiles that are whole, and tiles that are not.
    let (output, text) = bench(&libraries, "64,80", &[]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Fake GPU") && text.contains("cuBLAS 130000.") && text.contains("cuBLASLt's sums"), "{text}");
    for size in ["64", "80"] {
        let row = row(&text, size);
        let numbers = row.iter().filter(|cell| cell.trim_end_matches(" %").parse::<f64>().is_ok());
        assert_eq!((row.len(), numbers.count()), (10, 10), "{row:?}");
    }
    let log = std::fs::read_to_string(libraries.path().join("log")).unwrap();
    // Floats by default, then floats as they are and on tensor cores.
    let math: Vec<&str> = log.lines().filter(|line| line.starts_with("math ")).collect();
    assert_eq!(math.first(), Some(&"math 0"));
    assert!(math.contains(&"math 3"), "{math:?}");
    for ran in ["ran multiply", "ran multiply_bytes", "ran sgemm", "ran igemm"] {
        assert!(log.lines().any(|line| line == ran), "{ran}");
    }
}

#[test]
fn a_wrong_bit_ends_it() {
    let (output, text) = bench(&libraries(&ALL), "64", &[("FAKE_CUDA_FAULTS", "flip")]);
    assert!(!output.status.success() && text.contains("multiply of 64 rows on the GPU: expected"), "{text}");
    assert!(!text.contains("| 64 |"), "{text}");
}

#[test]
fn what_is_missing_is_said() {
    let (output, text) = bench(&libraries(&DRIVER), "64", &[]);
    assert!(output.status.success() && text.contains("libcublas.so was not found"), "{text}");
    let found = row(&text, "64");
    assert_eq!(found.iter().filter(|cell| *cell == "no cuBLAS").count(), 5, "{found:?}");
    assert!(found[1].parse::<f64>().is_ok() && found[6].parse::<f64>().is_ok(), "{found:?}");
    // A GPU that has not enough memory.
    let (output, text) = bench(&libraries(&ALL), "64,16384", &[("FAKE_CUDA_MEMORY", "1000000000")]);
    assert!(output.status.success() && text.contains("16384 was skipped: it needs 6656 MiB"), "{text}");
    assert!(row(&text, "16384")[1..].iter().all(|cell| cell == "skipped"), "{text}");
    assert!(row(&text, "64")[4].parse::<f64>().is_ok(), "{text}");
    // A driver without a GPU.
    let (output, text) = bench(&libraries(&ALL), "64", &[("FAKE_CUDA_DEVICES", "0")]);
    assert!(output.status.success() && text.contains("was not measured:"), "{text}");
    assert!(row(&text, "64")[1..].iter().all(|cell| cell == "no GPU"), "{text}");
}
