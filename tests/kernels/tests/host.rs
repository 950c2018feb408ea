//! Kernels as ordinary host C++ against the CPU machine that runs their PTX: every byte of every output must be the same.
//!
//! g++ is needed (`scripts/setup` installs it); clang++ is used as well where there is one, and its absence is reported.
//! What `scripts/build-kernels` committed is what the machine runs; what `scripts/build-host-kernels` compiles is the
//! text it was made from.

mod picture;

use std::ops::Range;
use std::path::PathBuf;

use tessera_kernel_tests::host::{Build, Compiler, compilers};
use tessera_kernel_tests::machine::{Engine, Loaded};
use tessera_kernel_tests::{Program, difference};

/// Threads of the host that share the blocks of a launch.
const THREADS: usize = 2;

/// g++, without which no test passes, and clang++ where there is one.
fn installed() -> Vec<Compiler> {
    let found = compilers();
    assert!(found.iter().any(|compiler| compiler.name == "g++"), "g++ is missing: run scripts/setup");
    if found.len() == 1 {
        println!("NO clang++ HERE: compared with g++ alone");
    }
    found
}

/// Runs units on the machine and with all compilers, and compares. Returns what the machine gave.
fn compare(program: &Program, units: Range<u64>) -> Vec<Vec<u8>> {
    let expected = Loaded::new(program).run(Engine::Compiled, units.clone()).outputs;
    assert!(expected.iter().any(|output| output.iter().any(|byte| *byte != 0)), "{}: all zero", program.name);
    for compiler in installed() {
        let found = Build::new(&compiler, None, program).run(units.clone(), THREADS).outputs;
        assert_eq!(found.len(), expected.len(), "{} by {}: units", program.name, compiler.name);
        for (unit, (found, expected)) in units.clone().zip(found.iter().zip(&expected)) {
            if let Some(at) = difference(found, expected) {
                let at = at & !3;
                panic!(
                    "{} by {}, unit {unit}: bytes {at}.. are {:02x?}, the machine gives {:02x?}",
                    program.name,
                    compiler.name,
                    &found[at..(at + 4).min(found.len())],
                    &expected[at..(at + 4).min(expected.len())]
                );
            }
        }
        let bytes: usize = expected.iter().map(Vec::len).sum();
        println!("{}, units {units:?}: {bytes} bytes by {} are those of the machine", program.name, compiler.name);
    }
    expected
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[test]
fn every_function_of_the_library() {
    let outputs = compare(&Program::library(), 0..1);
    let wrong = word(&outputs[0], 586_448);
    assert_eq!(wrong, 0, "{} float and {} integer products differ from the plain sum", wrong & 0xffff, wrong >> 16);
    // The lanes of a warp agree, and so do the threads of a block of 96.
    let own = |thread: usize, field: usize| &outputs[0][524_288 + thread * 64 + field * 8..][..8];
    for thread in 0..4 * 96 {
        for field in 0..8 {
            let first = if field < 3 { thread / 32 * 32 } else { thread / 96 * 96 };
            assert_eq!(own(thread, field), own(first, field), "thread {thread}, field {field}");
        }
    }
    assert_ne!(own(0, 0), own(32, 0), "warps differ");
}

#[test]
fn options() {
    // A put on one share, and a call on a basket.
    compare(&Program::example("options", u64::MAX), 6..8);
}

#[test]
fn nbody() {
    compare(&Program::example("nbody", 6), 0..2);
}

#[test]
fn reaction() {
    compare(&Program::example("reaction", 4), 4..6);
}

#[test]
fn palette() {
    compare(&Program::example("palette", 5), 0..5);
}

#[test]
fn render() {
    let program = Program::render(&picture::job());
    compare(&program, 0..program.units);
}

/// All units of the examples, as their plans say; keeps the outputs for the scripts that draw the pictures.
#[test]
#[ignore = "takes minutes: for the results that the examples show"]
fn examples_in_full() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for name in ["options", "palette", "nbody", "reaction"] {
        let program = Program::example(name, u64::MAX);
        let outputs = compare(&program, 0..program.units);
        let file = folder.join(name).with_extension("bin");
        std::fs::write(&file, outputs.concat()).expect("a folder that can be written");
        println!("{}", file.display());
    }
}
