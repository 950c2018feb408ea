//! Units whose bits are known, for finding out whether a device computes right.
//!
//! The module mixes what jobs use: integer, single and double precision arithmetic, divisions and roots, `dp4a`, the tensor
//! cores' `mma.sync`, shared memory with barriers, and scattered accesses to some memory, which are read back by another launch.

use std::ops::Range;

use tessera_protocol::{
    cid::Cid,
    hash::Digest,
    spec::{Arg, Buffer, BufferInit, Launch, LaunchPlan},
};

/// The module.
pub const MODULE: &str = include_str!("self_test/mill.ptx");

/// Blocks, and threads of each.
const SHAPE: (u32, u32) = (32, 128);
/// Bytes that a thread leaves.
const RESULT: u64 = 16;
/// Words that a thread scatters.
const WORDS: u64 = 64;

/// What the units put out, from unit 0 on, in the reproducible profile: the same on every machine.
const KNOWN: [&str; 8] = [
    "717d382baaa40da970cdd051d8331b0d46bfa90a6caa1327455d58dd1e02a24c",
    "78fcf30750bdb0ded49996b215f10ca64edc072ef3c610296f0ff00ac05b8dec",
    "e693caac35fb782c0e5228981aa208503a440e499dd261a13faf6de3bc8d8798",
    "ec7bf11170825f6dae802c9881612cff0ec5b08dea8e1c83f0e4b7bc7550d9fe",
    "ae33cc5adbc8be586a4f9bc3dff37ddc20298f6570c0791615ad41f3cbb57aa8",
    "0ce68b2024490df766a77e6f46ab2a299754df8c16c0ea76a07f1f2c167c5ec2",
    "12572ee9b3848d5bc449506b31d3da6d91788c49cb6e866e677b8e37783fd956",
    "073f4d241643155d0bf41c17c26f79743236b1cf2348f088f6daf76f36d5f20b",
];

/// How thoroughly a device is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// As often as the worker pleases.
    Quick,
    /// For a device in doubt.
    Long,
}

impl Depth {
    /// The units to compute.
    #[must_use]
    pub const fn units(self) -> Range<u64> {
        match self {
            Self::Quick => 0..2,
            Self::Long => 0..KNOWN.len() as u64,
        }
    }

    /// How often they are computed.
    #[must_use]
    pub const fn rounds(self) -> u32 {
        match self {
            Self::Quick => 1,
            Self::Long => 4,
        }
    }
}

/// The launches of one unit.
#[must_use]
pub fn plan() -> LaunchPlan {
    let (blocks, threads) = SHAPE;
    let all = u64::from(blocks * threads);
    let launch = |kernel: &str| Launch {
        kernel: kernel.to_owned(),
        grid: [blocks, 1, 1],
        block: [threads, 1, 1],
        shared_len: 0,
        args: vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Buffer { index: 1, offset: 0 }, Arg::Unit32],
    };
    LaunchPlan {
        buffers: [all * RESULT, all * WORDS * 4].map(|len| Buffer { len, init: BufferInit::Zero }).to_vec(),
        launches: vec![launch("mill"), launch("gather")],
        repeats: vec![],
        output: 0,
    }
}

/// The first of the units from `first` on whose output is not what it has to be.
#[must_use]
pub fn first_wrong(first: u64, digests: &[Digest]) -> Option<u64> {
    let known = |unit: u64| usize::try_from(unit).ok().and_then(|unit| KNOWN.get(unit)).copied();
    (first..)
        .zip(digests)
        .find(|(unit, digest)| known(*unit) != Some(Cid(**digest).to_string().as_str()))
        .map(|(unit, _)| unit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tessera_executor::{Backend, Checks, Options, Program, open_with, outputs};

    use super::*;

    /// What the interpreter computes, which also looks for races and for what nobody wrote.
    #[test]
    fn the_processor_computes_what_is_known() {
        let options = Options { checks: Checks::ALL, ..Options::default() };
        for options in [options, Options::default()] {
            let executor = open_with(Backend::Cpu, &options).unwrap();
            let program = Program {
                module: MODULE,
                plan: &plan(),
                inputs: &[],
                unit_gas: 0,
                unit_time: Duration::from_secs(120),
            };
            let outputs = outputs(executor.as_ref(), 0, &program, Depth::Long.units()).unwrap();
            let digests: Vec<Digest> = outputs.iter().map(|output| Cid::of(output).0).collect();
            let found: Vec<String> = digests.iter().map(|digest| Cid(*digest).to_string()).collect();
            assert_eq!(found, KNOWN);
            assert_eq!(first_wrong(0, &digests), None);
        }
    }

    #[test]
    fn wrong_bits_are_named() {
        let right = |unit: usize| KNOWN[unit].parse::<Cid>().unwrap().0;
        assert_eq!(first_wrong(2, &[right(2), right(3)]), None);
        assert_eq!(first_wrong(2, &[right(2), right(2)]), Some(3));
        assert_eq!(first_wrong(KNOWN.len() as u64, &[right(0)]), Some(KNOWN.len() as u64));
    }

    /// Every part of an output depends on nearly all of the work, so that a fault anywhere shows.
    #[test]
    fn outputs_look_random() {
        let executor = open_with(Backend::Cpu, &Options::default()).unwrap();
        let program =
            Program { module: MODULE, plan: &plan(), inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(120) };
        let output = outputs(executor.as_ref(), 0, &program, 0..1).unwrap().remove(0);
        let words: std::collections::HashSet<&[u8]> = output.chunks(8).collect();
        assert_eq!(words.len(), output.len() / 8);
    }
}
