//! The command with `--backend cuda`: without a GPU it says so; on the stand-in driver `tessera-fakecuda` its whole path
//! through the driver runs. That proves the host's code, not a GPU's bits.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The shared library of `tessera-fakecuda`, which cargo built beside this test.
fn stand_in() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = exe.parent().unwrap();
    let found = [folder, folder.parent().unwrap_or(Path::new("/"))].map(|folder| folder.join("libtessera_fakecuda.so"));
    found.into_iter().find(|path| path.exists()).expect("libtessera_fakecuda.so beside the test")
}

fn conformance(driver: &Path, devices: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tessera-conformance"))
        .args(arguments)
        .env("LD_LIBRARY_PATH", driver)
        .env("FAKE_CUDA_DEVICES", devices)
        .env("FAKE_CUDA_VERSION", "13000")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn path_through_the_driver() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::copy(stand_in(), folder.path().join(name)).unwrap();
    }
    let markdown = folder.path().join("table.md");
    let path = markdown.to_str().unwrap();
    let output =
        conformance(folder.path(), "1", &["instructions", "--backend", "cuda", "--only", "shf", "--markdown", path]);
    assert!(output.status.success(), "{}", text(&output));
    let table = std::fs::read_to_string(&markdown).unwrap();
    let head = ["- device: Fake GPU", "- compute capability: ", "- driver: CUDA 13.0", "- commit: "];
    assert!(head.iter().all(|line| table.contains(line)), "{table}");
    assert!(table.contains("| shf | 4 | 71168 | 71168 | 0 |"), "{table}");

    let output = conformance(folder.path(), "1", &["programs", "--backend", "cuda", "--cases", "20"]);
    let said = text(&output);
    assert!(output.status.success() && said.contains("20 programs, 0 differences, 0 left out"), "{said}");
    assert!(said.contains("20 done") && said.contains("Fake GPU"), "{said}");
}

#[test]
fn without_a_gpu_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::copy(stand_in(), folder.path().join(name)).unwrap();
    }
    for command in ["instructions", "programs"] {
        let output = conformance(folder.path(), "0", &[command, "--backend", "cuda"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("needs a GPU"), "{}", text(&output));
    }
}
