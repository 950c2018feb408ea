//! Runs units on the CPU machine.

use std::ops::Range;

use tessera_protocol::spec::{Arg, BufferInit};
use tessera_ptx::{Access, Launch, Limits, Machine, Memory, Module};

use crate::program::Program;

/// The outputs of some units.
pub fn run(program: &Program, units: Range<u64>) -> Vec<Vec<u8>> {
    let name = &program.name;
    let module = Module::parse(&program.module).unwrap_or_else(|error| panic!("{name}: {error}"));
    let refusals = module.check();
    assert!(refusals.is_empty(), "{name} leaves the reproducible profile: {refusals:?}");
    units.map(|unit| one(program, &module, unit)).collect()
}

fn one(program: &Program, module: &Module, unit: u64) -> Vec<u8> {
    let (name, plan) = (&program.name, &program.plan);
    let mut memory = Memory::new(module);
    let mut addresses = Vec::new();
    for buffer in &plan.buffers {
        let access = if matches!(buffer.init, BufferInit::Input(_)) { Access::Read } else { Access::ReadWrite };
        let address = memory.alloc(buffer.len, access).unwrap_or_else(|error| panic!("{name}: {error}"));
        if let BufferInit::Input(n) | BufferInit::Copy(n) = buffer.init {
            let bytes = &program.inputs[usize::from(n)];
            memory.write(address, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        addresses.push(address);
    }
    for launch in &plan.launches {
        let kernel = module.kernel(&launch.kernel).unwrap_or_else(|| panic!("{name}: no kernel {}", launch.kernel));
        let values: Vec<Vec<u8>> = launch
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Buffer { index, offset } => (addresses[usize::from(*index)] + offset).to_le_bytes().to_vec(),
                Arg::Unit32 => (unit as u32).to_le_bytes().to_vec(),
                Arg::Unit64 => unit.to_le_bytes().to_vec(),
                Arg::Bits32(bits) => bits.to_le_bytes().to_vec(),
                Arg::Bits64(bits) => bits.to_le_bytes().to_vec(),
                Arg::Bytes(bytes) => bytes.clone(),
            })
            .collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let params = kernel.pack(&values).unwrap_or_else(|error| panic!("{name}, {}: {error}", launch.kernel));
        let shape = Launch { grid: launch.grid, block: launch.block, shared_len: launch.shared_len, params: &params };
        Machine
            .launch(&mut memory, kernel, &shape, Limits::default())
            .unwrap_or_else(|fault| panic!("{name}, unit {unit}: {fault}"));
    }
    let output = usize::from(plan.output);
    let mut bytes = vec![0; plan.buffers[output].len as usize];
    memory.read(addresses[output], &mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    bytes
}
