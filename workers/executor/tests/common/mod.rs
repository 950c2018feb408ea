//! Cases that every backend must compute with the same bits, and faults that every backend must report.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod stand_in;

use std::time::Duration;

use bytes::Bytes;
use tessera_executor::{ExecError, Executor, Program};
use tessera_protocol::spec::{Arg, Buffer, BufferInit, Launch, LaunchPlan, Repeat};

/// The kernels of `kernels/suite.cu`.
pub const MODULE: &str = include_str!("../kernels/suite.ptx");

/// A program and what its units must give.
pub struct Case {
    pub name: &'static str,
    pub plan: LaunchPlan,
    pub inputs: Vec<Bytes>,
    /// Output of each unit from 0.
    pub expected: Vec<Vec<u8>>,
}

/// Pseudo-random numbers, the same everywhere.
pub fn random(count: usize, seed: u64) -> Vec<u32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn floats(count: usize, seed: u64) -> Vec<f32> {
    random(count, seed).into_iter().map(|bits| (bits as f32 / (1u64 << 31) as f32 - 0.5) * 8.0).collect()
}

fn bytes_of<T: Copy, const N: usize>(values: &[T], to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to_bytes(*value)).collect()
}

pub fn zero(len: u64) -> Buffer {
    Buffer { len, init: BufferInit::Zero }
}

pub fn input(bytes: &[u8], n: u16) -> Buffer {
    Buffer { len: bytes.len() as u64, init: BufferInit::Input(n) }
}

pub fn at(index: u16) -> Arg {
    Arg::Buffer { index, offset: 0 }
}

pub fn launch(kernel: &str, blocks: u32, threads: u32, args: Vec<Arg>) -> Launch {
    Launch { kernel: kernel.into(), grid: [blocks, 1, 1], block: [threads, 1, 1], shared_len: 0, args }
}

pub fn cases() -> Vec<Case> {
    vec![saxpy(), mean(), histogram(), steps(), warp_mix(), rounds(3), rounds(300), rounds(600)]
}

/// Denormals, infinities and NaN go through a fused multiply-add.
fn saxpy() -> Case {
    let n = 1000;
    let (mut x, y) = (floats(n, 1), floats(n, 2));
    x[0] = f32::NAN;
    x[1] = f32::INFINITY;
    x[2] = 1.0e-42;
    x[3] = -0.0;
    let a = 0.3f32;
    let results: Vec<u32> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| {
            let result = a.mul_add(*x, *y);
            if result.is_nan() { 0x7fff_ffff } else { result.to_bits() }
        })
        .collect();
    let inputs = vec![bytes_of(&x, f32::to_le_bytes), bytes_of(&y, f32::to_le_bytes)];
    Case {
        name: "saxpy",
        plan: LaunchPlan {
            buffers: vec![input(&inputs[0], 0), input(&inputs[1], 1), zero(4 * n as u64)],
            launches: vec![launch(
                "saxpy",
                8,
                128,
                vec![at(0), at(1), at(2), Arg::Bits32(a.to_bits()), Arg::Bits32(n as u32)],
            )],
            repeats: vec![],
            output: 2,
        },
        inputs: inputs.into_iter().map(Bytes::from).collect(),
        expected: vec![bytes_of(&results, u32::to_le_bytes); 3],
    }
}

/// Two launches: the second reads what the first wrote; static and dynamic shared memory.
fn mean() -> Case {
    let blocks = 20;
    // Positive numbers, so that the root exists.
    let x: Vec<f32> = floats(256 * blocks, 3).into_iter().map(f32::abs).collect();
    let sums: Vec<f32> = x
        .chunks(256)
        .map(|chunk| {
            let mut part = chunk.to_vec();
            let mut width = 128;
            while width > 0 {
                for t in 0..width {
                    part[t] += part[t + width];
                }
                width /= 2;
            }
            part[0]
        })
        .collect();
    let sum = sums.iter().fold(0.0f32, |sum, x| sum + x);
    let expected = bytes_of(&[sum / blocks as f32, sum.sqrt()], f32::to_le_bytes);
    let bytes = bytes_of(&x, f32::to_le_bytes);
    let mut second = launch("mean_of_sums", 1, 32, vec![at(1), at(2), Arg::Bits32(blocks as u32)]);
    second.shared_len = 4 * blocks as u32;
    Case {
        name: "mean",
        plan: LaunchPlan {
            buffers: vec![input(&bytes, 0), zero(4 * blocks as u64), zero(8)],
            launches: vec![launch("block_sums", blocks as u32, 256, vec![at(0), at(1)]), second],
            repeats: vec![],
            output: 2,
        },
        inputs: vec![bytes.into()],
        expected: vec![expected; 2],
    }
}

/// Atomics on shared and global memory. The bins must start at zero for every unit; an argument may point into a buffer.
fn histogram() -> Case {
    let data: Vec<u8> = random(5000, 4).into_iter().map(|x| (x >> 3) as u8).collect();
    let mut bins = vec![0u32; 256];
    data.iter().for_each(|byte| bins[usize::from(*byte)] += 1);
    let total: u64 = data.iter().map(|byte| u64::from(*byte)).sum();
    let mut expected = bytes_of(&bins, u32::to_le_bytes);
    expected.extend(total.to_le_bytes());
    Case {
        name: "histogram",
        plan: LaunchPlan {
            buffers: vec![input(&data, 0), zero(1032)],
            launches: vec![launch(
                "histogram",
                20,
                256,
                vec![at(0), Arg::Bits32(data.len() as u32), at(1), Arg::Buffer { index: 1, offset: 1024 }],
            )],
            repeats: vec![],
            output: 1,
        },
        inputs: vec![data.into()],
        expected: vec![expected; 4],
    }
}

/// Units differ; a buffer is a fresh copy of its input before each.
fn steps() -> Case {
    let n = 333;
    let state = random(n, 5);
    let bytes = bytes_of(&state, u32::to_le_bytes);
    let expected = (0..7u64)
        .map(|unit| {
            let outputs: Vec<u32> = (0..n as u32)
                .map(|i| {
                    let (mut c, mut k) = (i, unit as u32 ^ (unit >> 7) as u32);
                    for _ in 0..10 {
                        let product = 0xD251_1F53u64 * u64::from(c);
                        c = (product >> 32) as u32 ^ product as u32 ^ k;
                        k = k.wrapping_add(0x9E37_79B9);
                    }
                    state[i as usize].wrapping_add(c)
                })
                .collect();
            bytes_of(&outputs, u32::to_le_bytes)
        })
        .collect();
    Case {
        name: "steps",
        plan: LaunchPlan {
            buffers: vec![Buffer { len: bytes.len() as u64, init: BufferInit::Copy(0) }, zero(4 * n as u64)],
            launches: vec![launch("step", 3, 128, vec![Arg::Unit32, Arg::Unit64, at(0), at(1), Arg::Bits32(n as u32)])],
            repeats: vec![],
            output: 1,
        },
        inputs: vec![bytes.into()],
        expected,
    }
}

/// Votes, shuffles, a function call, a structure by value.
fn warp_mix() -> Case {
    let data: Vec<i32> = random(96, 6).into_iter().map(|x| x as i32 % 1000 - 500).collect();
    let (scale, bias, tag, steps) = (0.125f32, 1u64 << 40, 9u8, [0i16, 3, 8]);
    let mut shape = vec![0u8; 24];
    shape[0] = tag;
    shape[4..8].copy_from_slice(&scale.to_le_bytes());
    shape[8..16].copy_from_slice(&bias.to_le_bytes());
    for (i, step) in steps.iter().enumerate() {
        shape[16 + 2 * i..18 + 2 * i].copy_from_slice(&step.to_le_bytes());
    }
    let outputs: Vec<u64> = data
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let warp = &data[i / 32 * 32..i / 32 * 32 + 32];
            let odd = warp.iter().filter(|v| **v & 1 != 0).count() as u64;
            let sum: i32 = warp.iter().sum();
            let mut w = 1.0f32;
            for _ in 0..steps[i % 3] {
                w = w * (*v as f32 * scale) + 0.5;
            }
            odd.wrapping_add((i64::from(sum) as u64).wrapping_mul(3))
                .wrapping_add(u64::from(w.to_bits()))
                .wrapping_add(bias)
                .wrapping_add(u64::from(tag))
        })
        .collect();
    let bytes = bytes_of(&data, i32::to_le_bytes);
    Case {
        name: "warp_mix",
        plan: LaunchPlan {
            buffers: vec![input(&bytes, 0), zero(8 * 96)],
            launches: vec![launch("warp_mix", 1, 96, vec![Arg::Bytes(shape), at(0), at(1)])],
            repeats: vec![],
            output: 1,
        },
        inputs: vec![bytes.into()],
        expected: vec![bytes_of(&outputs, u64::to_le_bytes)],
    }
}

/// Repeated launches, so often that few fit one graph: each round gets its number and sees the one before.
fn rounds(times: u32) -> Case {
    let n = 40usize;
    let unit = |unit: u32| {
        let (mut state, mut passed) = (vec![0u32; n], vec![0u32; n]);
        let pass = |state: &[u32], passed: &mut [u32]| {
            (0..n).for_each(|i| passed[i] = state[(i + 1) % n].wrapping_add(passed[i]));
        };
        let turn = |state: &mut [u32], round: u32| {
            state.iter_mut().for_each(|x| *x = (*x ^ round).wrapping_mul(0x9E37_79B1).wrapping_add(unit));
        };
        turn(&mut state, 0);
        for round in 0..times {
            pass(&state, &mut passed);
            turn(&mut state, round);
        }
        pass(&state, &mut passed);
        bytes_of(&passed, u32::to_le_bytes)
    };
    let turn = launch("turn", 2, 32, vec![Arg::Round32, Arg::Unit32, at(0), Arg::Bits32(n as u32)]);
    let pass = launch("pass_on", 2, 32, vec![at(0), at(1), Arg::Bits32(n as u32)]);
    Case {
        name: "rounds",
        plan: LaunchPlan {
            buffers: vec![zero(4 * n as u64); 2],
            launches: vec![turn.clone(), pass.clone(), turn, pass],
            repeats: vec![Repeat { first: 1, count: 2, times }],
            output: 1,
        },
        inputs: vec![],
        expected: (0..4).map(unit).collect(),
    }
}

/// Runs every case on every device.
pub fn suite(executor: &dyn Executor) {
    for device in 0..executor.devices().len() {
        for case in cases() {
            let program = Program {
                module: MODULE,
                plan: &case.plan,
                inputs: &case.inputs,
                unit_gas: 0,
                unit_time: Duration::from_secs(60),
            };
            let mut session =
                executor.prepare(device, &program).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let units = case.expected.len() as u64;
            let mut seen = Vec::new();
            // Twice, the second time from the middle: a session is used again, and units do not depend on each other.
            for range in [0..units, units / 2..units] {
                let mut wanted = range.clone();
                session
                    .run(range, &mut |unit, output| {
                        assert_eq!(Some(unit), wanted.next(), "{}", case.name);
                        assert_eq!(
                            output.bytes, case.expected[unit as usize],
                            "{}, unit {unit}, device {device}",
                            case.name
                        );
                        seen.push((unit, output.gas));
                        Ok(())
                    })
                    .unwrap_or_else(|error| panic!("{}: {error}", case.name));
                assert_eq!(wanted.next(), None, "{}: units are missing", case.name);
            }
            // Where gas is counted, a unit spends the same each time.
            for (unit, gas) in &seen {
                assert!(seen.iter().all(|(other, found)| other != unit || found == gas), "{}", case.name);
            }
        }
    }
}

/// A refusal of the sink ends the run, and the session can be used again.
pub fn sink_refuses(executor: &dyn Executor) {
    let case = steps();
    let program = Program {
        module: MODULE,
        plan: &case.plan,
        inputs: &case.inputs,
        unit_gas: 0,
        unit_time: Duration::from_secs(60),
    };
    let mut session = executor.prepare(0, &program).unwrap();
    let refused =
        session.run(0..5, &mut |unit, _| if unit == 2 { Err(ExecError::Sink("full".into())) } else { Ok(()) });
    assert!(matches!(refused, Err(ExecError::Sink(text)) if text == "full"));
    let mut last = Vec::new();
    session
        .run(3..4, &mut |_, output| {
            last = output.bytes.to_vec();
            Ok(())
        })
        .unwrap();
    assert_eq!(last, case.expected[3]);
}

/// A kernel that faults, or never ends.
pub struct Faulty {
    pub name: &'static str,
    pub args: Vec<Arg>,
    /// What the CPU says, and what a GPU calls it.
    pub says: [&'static str; 2],
}

pub fn faults() -> Vec<Faulty> {
    vec![
        Faulty {
            name: "far_away",
            args: vec![at(0), Arg::Bits64(1 << 45)],
            says: ["not inside global memory", "CUDA_ERROR_ILLEGAL_ADDRESS"],
        },
        Faulty {
            name: "off_by_one",
            args: vec![at(0)],
            says: ["not a multiple of 4", "CUDA_ERROR_MISALIGNED_ADDRESS"],
        },
        Faulty { name: "give_up", args: vec![at(0)], says: ["thread [5, 0, 0]: trap", "CUDA_ERROR_LAUNCH_FAILED"] },
        Faulty { name: "for_ever", args: vec![at(0), Arg::Bits32(0)], says: ["took more than", "took more than"] },
    ]
}

/// Runs a kernel that faults; returns the error.
pub fn run_fault(executor: &dyn Executor, fault: &Faulty) -> ExecError {
    let plan = LaunchPlan {
        buffers: vec![zero(4096)],
        launches: vec![launch(fault.name, 1, 32, fault.args.clone())],
        repeats: vec![],
        output: 0,
    };
    let program = Program { module: MODULE, plan: &plan, inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(1) };
    let mut session = executor.prepare(0, &program).unwrap();
    session.run(0..2, &mut |_, _| Ok(())).expect_err("the unit faults")
}
