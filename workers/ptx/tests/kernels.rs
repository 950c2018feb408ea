//! The kernels of the library's examples, as NVRTC compiled them, run clean with all checks, and with the same bits and gas.

mod common;

use common::world::{Buffer, Step, World};

macro_rules! example {
    ($name:literal, $file:literal) => {
        include_str!(concat!("../../../sdk/workloads/kernels/examples/", $name, "/", $file))
    };
}

#[test]
fn nbody() {
    let text = example!("nbody", "nbody.ptx");
    let cluster = include_bytes!("../../../sdk/workloads/kernels/examples/nbody/cluster.bin");
    let (result, bodies, count) = (Buffer::At(1, 0), Buffer::At(1, 32), Buffer::Word(128));
    let step = |kernel, args: &[Buffer]| Step { kernel, grid: [1, 1, 1], block: [128, 1, 1], args: args.to_vec() };
    World {
        text,
        inputs: vec![cluster.to_vec()],
        lens: vec![32 + 128 * 32],
        steps: vec![
            step("place", &[Buffer::At(0, 0), bodies, count, Buffer::Word(1)]),
            step("weigh", &[bodies, result, count, Buffer::Word(0)]),
            step("accelerate", &[bodies, count, Buffer::Single(0.01)]),
            step("drift", &[bodies, count, Buffer::Single(0.02)]),
            step("accelerate", &[bodies, count, Buffer::Single(0.01)]),
            step("weigh", &[bodies, result, count, Buffer::Word(1)]),
        ],
    }
    .runs_clean();
}

#[test]
fn options() {
    let market = include_bytes!("../../../sdk/workloads/kernels/examples/options/market.bin");
    let args = vec![Buffer::At(0, 0), Buffer::At(1, 0), Buffer::Word(3), Buffer::Word(1)];
    let price = vec![Buffer::At(1, 0), Buffer::At(2, 0), Buffer::Long(256)];
    World {
        text: example!("options", "options.ptx"),
        inputs: vec![market.to_vec()],
        lens: vec![40, 32],
        steps: vec![
            Step { kernel: "follow", grid: [2, 1, 1], block: [128, 1, 1], args },
            Step { kernel: "price", grid: [1; 3], block: [1; 3], args: price },
        ],
    }
    .runs_clean();
}

#[test]
fn palette() {
    let picture = include_bytes!("../../../sdk/workloads/kernels/examples/palette/picture.bin");
    let (picture_at, centres, sums, result) = (Buffer::At(0, 0), Buffer::At(1, 0), Buffer::At(2, 0), Buffer::At(3, 0));
    let unit = Buffer::Word(2);
    let step = |kernel, grid: u32, block: u32, args: &[Buffer]| Step {
        kernel,
        grid: [grid, 1, 1],
        block: [block, 1, 1],
        args: args.to_vec(),
    };
    World {
        text: example!("palette", "palette.ptx"),
        inputs: vec![picture.to_vec()],
        lens: vec![512, 512, 14544],
        steps: vec![
            step("choose", 1, 32, &[picture_at, centres, unit]),
            step("assign", 3, 256, &[picture_at, centres, sums, result, unit]),
            step("move", 1, 32, &[centres, sums, unit]),
            step("assign", 3, 256, &[picture_at, centres, sums, result, unit]),
            step("report", 3, 256, &[picture_at, centres, result, unit]),
        ],
    }
    .runs_clean();
}

#[test]
fn reaction() {
    let rates = include_bytes!("../../../sdk/workloads/kernels/examples/reaction/rates.bin");
    let (rates_at, cells, other) = (Buffer::At(0, 0), Buffer::At(1, 0), Buffer::At(2, 0));
    let react = |from, to| {
        let args = vec![from, to, rates_at, Buffer::Word(4)];
        Step { kernel: "react", grid: [2, 2, 1], block: [256, 1, 1], args }
    };
    World {
        text: example!("reaction", "reaction.ptx"),
        inputs: vec![rates.to_vec()],
        lens: vec![131_072, 131_072],
        steps: vec![
            Step { kernel: "seed", grid: [128, 1, 1], block: [128, 1, 1], args: vec![cells] },
            react(cells, other),
            react(other, cells),
        ],
    }
    .runs_clean();
}
