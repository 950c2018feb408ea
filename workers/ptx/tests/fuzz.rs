//! Whatever strangers send, reading and checking it ends without a panic and soon.
//!
//! Committed PTX is broken at random, from a fixed seed. `TESSERA_FUZZ_CASES` says how many inputs (20,000 by default),
//! `TESSERA_FUZZ_SEED` with which seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tessera_ptx::Module;

const SOURCES: &[&str] = &[
    include_str!("modules/directives.ptx"),
    include_str!("modules/nvrtc_vector_80.ptx"),
    include_str!("modules/nvrtc_warp_80.ptx"),
    include_str!("modules/nvrtc_halves_80.ptx"),
    include_str!("modules/nvrtc_classes_80.ptx"),
    include_str!("modules/clang_builtin_sm_80_O2.ptx"),
];

/// Pieces that mean something to the parser.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ",",
    ";",
    ":",
    "|",
    "!",
    "-",
    "+",
    "@",
    "=",
    "?",
    "~",
    "%r1",
    "%rd1",
    "%p1",
    "%f1",
    "%v.x",
    "%tid.x",
    "%clock",
    "_",
    "0",
    "1",
    "-1",
    "0xFFFFFFFFFFFFFFFF",
    "18446744073709551616",
    "0f7FC00000",
    "1.5e-3",
    "WARP_SZ",
    ".reg",
    ".param",
    ".shared",
    ".global",
    ".align",
    ".b8",
    ".b64",
    ".v4",
    ".pred",
    ".func",
    ".entry",
    ".loc",
    ".section",
    ".alias",
    ".branchtargets",
    ".callprototype",
    ".maxntid",
    "ret",
    "bra",
    "call",
    "call.uni",
    "brx.idx",
    "bar.sync",
    "bar.red.popc.u32",
    "cp.async.ca.shared.global",
    "mov.b128",
    "cvt.rn.f16x2.f32",
    "ldmatrix.sync.aligned.m8n8.x4.shared.b16",
    "mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32",
    "shfl.sync.idx.b32",
    "atom.global.inc.u32",
    "lop3.or.b32",
    "set.lt.f32.f32",
    "fns.b32",
    "frobnicate",
    "\"",
    "/*",
    "*/",
    "//",
    "\n",
    ".",
    "::",
    "$L__BB0_1",
    "generic(",
    "0xFF(",
];

/// SplitMix64: small, fast, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// A part of a text around one place, so that most of a case is not the same text again.
fn excerpt(source: &str, random: &mut Random) -> String {
    let mut text = source.to_string();
    for _ in 0..1 + random.below(4) {
        let lines: Vec<&str> = text.lines().collect();
        let (at, n) = (random.below(lines.len()), random.below(12));
        text = match random.below(4) {
            0 => lines[..at].iter().chain(&lines[(at + n).min(lines.len())..]).copied().collect::<Vec<_>>().join("\n"),
            1 => lines[..at].iter().chain(&lines[at.saturating_sub(n)..]).copied().collect::<Vec<_>>().join("\n"),
            _ => text,
        };
    }
    text
}

fn mutate(text: String, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len());
        let token = TOKENS[random.below(TOKENS.len())].as_bytes();
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => {
                bytes.splice(at..at, token.iter().copied());
            }
            3 => {
                // The word that stands there becomes another one.
                let ends = |b: &u8| b.is_ascii_whitespace() || b",;[]{}()".contains(b);
                let start = bytes[..at].iter().rposition(ends).map_or(0, |start| start + 1);
                let end = bytes[at..].iter().position(ends).map_or(bytes.len(), |end| at + end);
                bytes.splice(start..end.max(start), token.iter().copied());
            }
            4 => {
                let end = (at + random.below(80)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            5 => {
                let end = (at + random.below(80)).min(bytes.len());
                bytes.drain(at..end);
            }
            6 => {
                let many = token.repeat(1 + random.below(200));
                bytes.splice(at..at, many);
            }
            _ => {
                let to = random.below(bytes.len());
                if !bytes.is_empty() {
                    bytes.swap(at, to);
                }
            }
        }
    }
    bytes
}

#[test]
fn broken_modules_never_panic() {
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let (cases, seed) = (number("TESSERA_FUZZ_CASES", 20_000), number("TESSERA_FUZZ_SEED", 1));
    let mut random = Random(seed);
    let mut read = 0u64;
    for case in 0..cases {
        let source = SOURCES[random.below(SOURCES.len())];
        let bytes = mutate(excerpt(source, &mut random), &mut random);
        let text = String::from_utf8_lossy(&bytes);
        let start = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| match Module::parse(&text) {
            Ok(module) => {
                for refusal in module.check() {
                    assert!(!refusal.to_string().is_empty() && refusal.line > 0 || refusal.reason.contains("line"));
                }
                true
            }
            Err(error) => {
                assert!(error.line() > 0, "{error}");
                false
            }
        }));
        let Ok(parsed) = done else { panic!("case {case} of seed {seed} panics:\n{text}") };
        read += u64::from(parsed);
        assert!(start.elapsed() < Duration::from_secs(10), "case {case} of seed {seed} is slow:\n{text}");
    }
    println!("{cases} inputs, {read} of them modules");
    assert!(cases < 1000 || read > cases / 50, "only {read} of {cases} inputs were read: the mutations break too much");
}
