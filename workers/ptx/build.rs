//! Says once where compiled code is possible: `cfg(jit)`.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(jit)");
    let target = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if std::env::var_os("CARGO_FEATURE_JIT").is_some() && matches!(target.as_str(), "x86_64" | "aarch64") {
        println!("cargo::rustc-cfg=jit");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
