//! CUDA C++ through NVRTC, which `scripts/get-nvrtc` installs.

use std::{collections::BTreeMap, fs, path::Path};

use tempfile::TempDir;
use tessera_kernels::{HEADERS, KernelsError, OPTIONS, Plan, compile};
use tessera_ptx::Module;

fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
}

#[test]
fn a_kernel_compiles_into_the_profile() {
    let ptx = compile(&here().join("mix.cu")).unwrap();
    let module = Module::parse(&ptx).unwrap();
    assert_eq!(module.check(), []);
    assert!(module.kernel("stir").is_some() && module.kernel("weigh").is_some());
    assert!(OPTIONS.contains(&"--fmad=false"), "{OPTIONS:?}");
    assert!(!ptx.contains("fma.rn.f32"), "the compiler was left free to fuse");
}

#[test]
fn the_folder_of_a_source_changes_nothing() {
    let other = TempDir::new().unwrap();
    fs::copy(here().join("mix.cu"), other.path().join("mix.cu")).unwrap();
    assert_eq!(compile(&here().join("mix.cu")).unwrap(), compile(&other.path().join("mix.cu")).unwrap());
}

#[test]
fn headers_beside_the_source_are_found() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("inner")).unwrap();
    fs::write(dir.path().join("inner/twice.cuh"), "__device__ unsigned twice(unsigned x) { return x * 2u; }\n")
        .unwrap();
    let source = "#include \"inner/twice.cuh\"\nextern \"C\" __global__ void k(unsigned* p) { *p = twice(*p); }\n";
    fs::write(dir.path().join("k.cu"), source).unwrap();
    assert!(compile(&dir.path().join("k.cu")).unwrap().contains(".entry k("));
}

#[test]
fn every_header_of_the_crate_compiles_alone_far_from_its_folder() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("k.cu");
    for (name, _) in HEADERS {
        fs::write(&source, format!("#include \"{name}\"\nextern \"C\" __global__ void k() {{}}\n")).unwrap();
        compile(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn mistakes_are_shown_as_the_compiler_sees_them() {
    let dir = TempDir::new().unwrap();
    let source = dir.path().join("bad.cu");
    fs::write(&source, "extern \"C\" __global__ void k() {\n  nonsense();\n}\n").unwrap();
    let error = compile(&source).unwrap_err();
    assert!(matches!(error, KernelsError::Compile { .. }));
    let text = error.to_string();
    assert!(text.contains("bad.cu(2)") && text.contains("nonsense"), "{text}");
    fs::write(&source, "extern \"C\" __global__ void k() {}\0").unwrap();
    assert!(compile(&source).unwrap_err().to_string().contains("zero byte"));
}

#[test]
fn a_plan_with_a_source_becomes_a_job() {
    let dir = TempDir::new().unwrap();
    let key = dir.path().join("key.bin");
    fs::write(&key, [5; 2048]).unwrap();
    let plan = Plan::load(&here().join("mix.toml")).unwrap();
    let job = plan.prepare(&BTreeMap::from([("key".to_owned(), key)])).unwrap();
    assert_eq!((job.spec.plan.step_count(), job.spec.units), (4, 10));
    assert_eq!(job.module(), compile(&plan.module()).unwrap());
}
