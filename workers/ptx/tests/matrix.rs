//! Matrix instructions: operands are built by coordinates as the manual lays them out, and results are read so.

mod common;
mod reference;

use common::Run;
use reference::Random;
use tessera_ptx::{FaultKind, Space};

/// An integer `mma`: rows of A, sum length, bits of an element, types, and what follows the shape.
struct Case {
    m: usize,
    k: usize,
    bits: usize,
    types: [&'static str; 2],
    more: &'static str,
}

/// Row and column of element `i` of a lane in A, B and C.
impl Case {
    fn per_register(&self) -> usize {
        32 / self.bits
    }

    fn a(&self, lane: usize, i: usize) -> (usize, usize) {
        let (group, thread, e) = (lane / 4, lane % 4, self.per_register());
        let upper = self.m == 16 && (i / e) % 2 == 1;
        (group + if upper { 8 } else { 0 }, thread * e + i % e + if i >= 2 * e { 4 * e } else { 0 })
    }

    fn b(&self, lane: usize, i: usize) -> (usize, usize) {
        let e = self.per_register();
        (lane % 4 * e + i % e + if i >= e { 4 * e } else { 0 }, lane / 4)
    }

    fn c(lane: usize, i: usize) -> (usize, usize) {
        (lane / 4 + if i >= 2 { 8 } else { 0 }, lane % 4 * 2 + i % 2)
    }

    fn run(&self, random: &mut Random) {
        let (m, k, e) = (self.m, self.k, self.per_register());
        let element = |random: &mut Random, ty: &str| {
            let bits = random.next() >> (64 - self.bits);
            if ty.starts_with('s') { ((bits << (64 - self.bits)) as i64) >> (64 - self.bits) } else { bits as i64 }
        };
        let a: Vec<Vec<i64>> = (0..m).map(|_| (0..k).map(|_| element(random, self.types[0])).collect()).collect();
        let b: Vec<Vec<i64>> = (0..k).map(|_| (0..8).map(|_| element(random, self.types[1])).collect()).collect();
        // Sums near the ends of 32 bits wrap, or clamp.
        let ends = [0, i32::MAX, i32::MIN, i32::MAX - 1000, i32::MIN + 1000];
        let c: Vec<Vec<i32>> = (0..m)
            .map(|_| {
                (0..8).map(|_| ends[random.next() as usize % 5].wrapping_add((random.next() % 2000) as i32)).collect()
            })
            .collect();
        let counts = [m * k / 32 / e, 8 * k / 32 / e, m * 8 / 32];
        let mut words = Vec::new();
        for lane in 0..32 {
            let mut registers = [0u32; 10];
            let mask = if self.bits == 32 { u32::MAX } else { ((1u64 << self.bits) - 1) as u32 };
            let mut put = |register: usize, i: usize, value: i64| {
                registers[register] |= (value as u32 & mask) << (i % e * self.bits);
            };
            for i in 0..counts[0] * e {
                let (row, column) = self.a(lane, i);
                put(i / e, i, a[row][column]);
            }
            for i in 0..counts[1] * e {
                let (row, column) = self.b(lane, i);
                put(4 + i / e, i, b[row][column]);
            }
            for i in 0..counts[2] {
                let (row, column) = Self::c(lane, i);
                registers[6 + i] = c[row][column] as u32;
            }
            words.extend(registers);
        }
        let input: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        let mut body = String::from(
            "mov.u32 %r0, %tid.x;\nld.param.u64 %rd1, [in0];\nmul.wide.u32 %rd2, %r0, 40;\nadd.s64 %rd1, %rd1, %rd2;\n",
        );
        for i in 0..10 {
            body += &format!("ld.global.u32 %r{}, [%rd1+{}];\n", 10 + i, 4 * i);
        }
        let list = |first: usize, count: usize| {
            let names: Vec<String> = (first..first + count).map(|i| format!("%r{i}")).collect();
            format!("{{{}}}", names.join(", "))
        };
        let [ta, tb] = self.types;
        body += &format!(
            "mma.sync.aligned.m{m}n8k{k}.row.col{}.s32.{ta}.{tb}.s32{} {}, {}, {}, {};\n",
            if self.more == ".satfinite" { self.more } else { "" },
            if self.more == ".satfinite" { "" } else { self.more },
            list(30, counts[2]),
            list(10, counts[0]),
            list(14, counts[1]),
            list(16, counts[2])
        );
        body += "ld.param.u64 %rd3, [out];\nmul.wide.u32 %rd2, %r0, 16;\nadd.s64 %rd3, %rd3, %rd2;\n";
        for i in 0..counts[2] {
            body += &format!("st.global.u32 [%rd3+{}], %r{};\n", 4 * i, 30 + i);
        }
        let found = Run { body: &body, inputs: [&input, &[], &[]], ..Run::default() }.words();
        for lane in 0..32 {
            for i in 0..counts[2] {
                let (row, column) = Self::c(lane, i);
                let sum: i64 = (0..k)
                    .map(|at| match (a[row][at], b[at][column], self.more) {
                        (x, y, ".xor.popc") => x ^ y,
                        (x, y, ".and.popc") => x & y,
                        (x, y, _) => x * y,
                    })
                    .sum();
                let exact = sum + i64::from(c[row][column]);
                let want = match self.more {
                    ".satfinite" => exact.clamp(i32::MIN.into(), i32::MAX.into()) as u32,
                    _ => exact as u32,
                };
                assert_eq!(found[4 * lane + i], want, "m{m}n8k{k} {:?}{}, lane {lane}, {i}", self.types, self.more);
            }
        }
    }
}

#[test]
fn products_of_integers() {
    let mut random = Random::new(1);
    for (bits, [signed, unsigned], shapes) in
        [(8, ["s8", "u8"], [(8, 16), (16, 16), (16, 32)]), (4, ["s4", "u4"], [(8, 32), (16, 32), (16, 64)])]
    {
        for (m, k) in shapes {
            for types in [[signed, signed], [signed, unsigned], [unsigned, signed], [unsigned, unsigned]] {
                for more in ["", ".satfinite"] {
                    Case { m, k, bits, types, more }.run(&mut random);
                }
            }
        }
    }
    for (m, k) in [(8, 128), (16, 128), (16, 256)] {
        for more in [".xor.popc", ".and.popc"] {
            Case { m, k, bits: 1, types: ["b1"; 2], more }.run(&mut random);
        }
    }
}

const FILL: &str = ".shared .align 16 .b8 tile[512];\nmov.u32 %r0, %tid.x;\nmov.u32 %r1, tile;\nshl.b32 %r2, %r0, 4;\nadd.u32 %r2, %r2, %r1;\n\
    shl.b32 %r3, %r0, 3;\nadd.u32 %r4, %r3, 1;\nprmt.b32 %r5, %r3, %r4, 0x5410;\nadd.u32 %r6, %r5, 0x20002;\nadd.u32 %r7, %r6, 0x20002;\nadd.u32 %r8, %r7, 0x20002;\n\
    st.shared.v4.b32 [%r2], {%r5, %r6, %r7, %r8};\nbar.sync 0;\n";

/// Row `r` of shared memory holds the numbers 8·r to 8·r + 7.
#[test]
fn matrices_from_shared_memory() {
    for (count, transposed) in [(1, false), (2, false), (4, false), (1, true), (2, true), (4, true)] {
        let names: Vec<String> = (0..count).map(|i| format!("%r{}", 20 + i)).collect();
        // Rows in reverse within each matrix; a generic address for the second half of the cases.
        let body = format!(
            "{FILL}xor.b32 %r10, %r0, 7;\nshl.b32 %r10, %r10, 4;\nadd.u32 %r20, %r10, %r1;\n\
             ldmatrix.sync.aligned.m8n8.x{count}{}.shared.b16 {{{}}}, [%r20];\nld.param.u64 %rd1, [out];\nmul.wide.u32 %rd2, %r0, 16;\nadd.s64 %rd1, %rd1, %rd2;\n{}",
            if transposed { ".trans" } else { "" },
            names.join(", "),
            names
                .iter()
                .enumerate()
                .map(|(i, name)| format!("st.global.u32 [%rd1+{}], {name};\n", 4 * i))
                .collect::<String>()
        );
        let found = Run { body: &body, ..Run::default() }.words();
        for lane in 0..32u32 {
            for matrix in 0..count as u32 {
                let element = |row: u32, column: u32| 8 * (8 * matrix + (row ^ 7)) + column;
                let (i, j) = (lane / 4, lane % 4);
                let want = if transposed {
                    element(2 * j, i) | element(2 * j + 1, i) << 16
                } else {
                    element(i, 2 * j) | element(i, 2 * j + 1) << 16
                };
                assert_eq!(found[(4 * lane + matrix) as usize], want, "x{count}, lane {lane}, matrix {matrix}");
            }
        }
    }
}

#[test]
fn matrices_outside_shared_memory() {
    let fault = |address: &str, block: u32| {
        let body = format!("{FILL}{address}ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r21}}, [%r20];\n");
        Run { body: &body, block: [block, 1, 1], ..Run::default() }.fault()
    };
    // Lane 5 leaves the tile; lanes from 8 up are not asked.
    let found = fault("mov.u32 %r20, %r1;\nsetp.eq.u32 %p1, %r0, 5;\n@%p1 mov.u32 %r20, 512;\n", 32);
    assert_eq!(found.kind, FaultKind::OutOfBounds { space: Space::Shared, address: 512, len: 16 });
    assert_eq!(found.thread, Some([5, 0, 0]));
    let found = fault("mul.lo.u32 %r20, %r0, 8;\n", 32);
    assert_eq!(found.kind, FaultKind::Misaligned { space: Space::Shared, address: 8, len: 16 });
    assert_eq!(found.thread, Some([1, 0, 0]));
    assert!(matches!(fault("mov.u32 %r20, %r1;\n", 16).kind, FaultKind::Warp(_)));
    let body = format!(
        "{FILL}mov.u32 %r20, %r1;\nsetp.gt.u32 %p1, %r0, 7;\n@%p1 mov.u32 %r20, 9999;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r21}}, [%r20];\n"
    );
    Run { body: &body, ..Run::default() }.bytes();
}
