//! Whether NVIDIA's assembler takes what is made here. It is not installed with this repository: name it in
//! `TESSERA_PTXAS` (PyPI has it as `nvidia-cuda-nvcc`; no GPU is needed).

use std::process::Command;

use tessera_conformance::instructions;
use tessera_conformance::program::{Case, Purpose};

/// Path of `ptxas`.
const PTXAS: &str = "TESSERA_PTXAS";

#[test]
fn ptxas_takes_programs_and_instructions() {
    let Some(ptxas) = std::env::var_os(PTXAS) else {
        println!("{PTXAS} IS NOT SET, so no program was assembled");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut refused = Vec::new();
    let mut assemble = |name: &str, text: &str| {
        let path = folder.path().join("module.ptx");
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(&ptxas);
        command.args(["-arch=sm_80", "-O0", "-o"]).arg(folder.path().join("module.cubin")).arg(&path);
        let output = command.output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            refused.push(format!("{name}: {}", said.lines().find(|line| line.contains("error")).unwrap_or(&said)));
        }
    };
    for seed in 0..200 {
        assemble(&format!("program {seed}"), &Case::new(seed, Purpose::Devices).work().text);
    }
    // Many kernels in one module, because each start of the assembler takes time.
    for some in instructions::kernels().chunks(100) {
        let mut module = String::from(".version 8.5\n.target sm_80\n.address_size 64\n");
        for (i, (name, text)) in some.iter().enumerate() {
            let kernel = text.split_once(".visible").map_or("", |(_, kernel)| kernel);
            module.push_str(&format!("// {name}\n.visible{}", kernel.replacen(" test(", &format!(" test{i}("), 1)));
        }
        assemble(&format!("instructions from {}", some[0].0), &module);
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
}
