//! Makes an input from a number.

use std::sync::OnceLock;

use fastrand::Rng;
use tessera_ptx::opcodes;

use crate::program::{Case, Purpose};

/// Modules that compilers or people wrote.
const SOURCES: &[&str] = &[
    include_str!("../../../ptx/tests/modules/directives.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_vector_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_warp_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_halves_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_classes_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_contract_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_refused_80.ptx"),
    include_str!("../../../ptx/tests/modules/nvrtc_debug_80.ptx"),
    include_str!("../../../ptx/tests/modules/clang_builtin_sm_80_O0.ptx"),
    include_str!("../../../ptx/tests/modules/clang_builtin_sm_80_O2.ptx"),
];

/// Words that mean something to the parser and that few modules have, separated by spaces.
const WORDS: &str = "{ } ( ) [ ] < > , ; : | ! - + @ = ? ~ . :: \" /* */ // %r1 %rd1 %p1 %f1 %v.x %tid.x %clock _ \
    0 1 -1 7 255 256 0xFFFFFFFF 0xFFFFFFFFFFFFFFFF 18446744073709551615 18446744073709551616 9223372036854775808 \
    0f7FC00000 0d7FF8000000000000 0f 1.5e-3 1e999 0x1p3 0b101 017 2147483648 WARP_SZ .reg .param .shared .global \
    .local .const .align .b8 .b64 .b128 .f16x2 .v2 .v4 .pred .func .entry .extern .visible .weak .loc .file .section \
    .pragma .alias .branchtargets .calltargets .callprototype .maxntid .reqntid .minnctapersm .maxnreg .ptr .version \
    .target .address_size ret exit trap bra bra.uni call call.uni brx.idx bar.sync bar.red.popc.u32 \
    cp.async.ca.shared.global mov.b128 cvt.rn.f16x2.f32 ldmatrix.sync.aligned.m8n8.x4.shared.b16 \
    mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32 shfl.sync.idx.b32 atom.global.inc.u32 lop3.or.b32 set.lt.f32.f32 \
    fns.b32 frobnicate $L__BB0_1 generic( 0xFF( vprintf __assertfail %r<4> %r<1000000> %r<4294967296> x[64] \
    x[67108864] x[]";

fn words() -> &'static [&'static str] {
    static FOUND: OnceLock<Vec<&str>> = OnceLock::new();
    FOUND.get_or_init(|| WORDS.split_whitespace().chain(["\n", " "]).collect())
}

/// Every opcode, type and modifier that there is.
fn parts() -> &'static [String] {
    static FOUND: OnceLock<Vec<String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let all = opcodes().flat_map(|op| {
            let modifiers: Vec<String> = op.modifiers.iter().map(|modifier| (*modifier).to_string()).collect();
            std::iter::once(op.name.to_string()).chain(op.types).chain(modifiers)
        });
        let mut found: Vec<String> = all.collect();
        found.sort_unstable();
        found.dedup();
        found
    })
}

/// The input with this number.
#[must_use]
pub fn input(number: u64) -> String {
    let mut rng = Rng::with_seed(number ^ 0x7f4a_7c15_9e37_79b9);
    let mut text = if rng.u8(..4) == 0 {
        Case::new(rng.u64(..), Purpose::Engines).work().text
    } else {
        SOURCES[rng.usize(..SOURCES.len())].to_string()
    };
    for _ in 0..rng.usize(..4) {
        text = lines(&text, &mut rng);
    }
    // Some stay large, so that what grows faster than its input is seen.
    if rng.u16(..4096) == 0 {
        text = swollen(&text, &mut rng);
    }
    let mut bytes = text.into_bytes();
    for _ in 0..rng.usize(..6) {
        if rng.bool() {
            change_word(&mut bytes, &mut rng);
        } else {
            change_bytes(&mut bytes, &mut rng);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Leaves out lines, or repeats some, or puts some elsewhere.
fn lines(text: &str, rng: &mut Rng) -> String {
    let mut all: Vec<&str> = text.lines().collect();
    if all.is_empty() {
        return String::new();
    }
    let at = rng.usize(..all.len());
    let end = (at + rng.usize(..12)).min(all.len());
    match rng.u8(..4) {
        0 => drop(all.drain(at..end)),
        1 => {
            let copy = all[at..end].to_vec();
            all.splice(at..at, copy);
        }
        2 => {
            let moved: Vec<&str> = all.drain(at..end).collect();
            let to = rng.usize(..=all.len());
            all.splice(to..to, moved);
        }
        _ => return text.to_string(),
    }
    all.join("\n")
}

/// Repeats a few lines very often.
fn swollen(text: &str, rng: &mut Rng) -> String {
    let all: Vec<&str> = text.lines().collect();
    let at = rng.usize(..all.len().max(1));
    let end = (at + 1 + rng.usize(..8)).min(all.len());
    let mut few = all[at.min(end)..end].join("\n");
    few.push('\n');
    let often = rng.usize(1..=1 << 18) / few.len();
    format!("{}\n{}{}", all[..at].join("\n"), few.repeat(often), all[end..].join("\n"))
}

/// Whether a byte is part of a word.
fn in_word(byte: &u8) -> bool {
    !(byte.is_ascii_whitespace() || b",;[]{}()".contains(byte))
}

/// Where the word around a place stands.
fn word_at(bytes: &[u8], at: usize) -> Range {
    let start = bytes[..at].iter().rposition(|byte| !in_word(byte)).map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(|byte| !in_word(byte)).map_or(bytes.len(), |len| at + len);
    start..end.max(start)
}

type Range = std::ops::Range<usize>;

fn any_word(bytes: &[u8], rng: &mut Rng) -> Range {
    if bytes.is_empty() { 0..0 } else { word_at(bytes, rng.usize(..bytes.len())) }
}

/// A word of the text or a known one takes the place of another, two change places, or an opcode gets other modifiers.
fn change_word(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let place = any_word(bytes, rng);
    let other = any_word(bytes, rng);
    let known = words()[rng.usize(..words().len())].as_bytes();
    let new = match rng.u8(..5) {
        0 => known.to_vec(),
        1 => bytes[other].to_vec(),
        2 => {
            let (first, second) = if place.start <= other.start { (place, other) } else { (other, place) };
            if first.end <= second.start {
                let (a, b) = (bytes[first.clone()].to_vec(), bytes[second.clone()].to_vec());
                bytes.splice(second, a);
                bytes.splice(first, b);
            }
            return;
        }
        _ => {
            let word = String::from_utf8_lossy(&bytes[place.clone()]).into_owned();
            let mut found: Vec<&str> = word.split('.').collect();
            let at = rng.usize(..found.len());
            let part = parts()[rng.usize(..parts().len())].as_str();
            match rng.u8(..3) {
                0 => found[at] = part,
                1 => found.insert(at + 1, part),
                _ => drop(found.remove(at)),
            }
            found.join(".").into_bytes()
        }
    };
    bytes.splice(place, new);
}

fn change_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    let end = (at + rng.usize(..80)).min(bytes.len());
    let to = rng.usize(..bytes.len());
    let known = words()[rng.usize(..words().len())].as_bytes();
    match rng.u8(..8) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = rng.u8(..),
        2 if rng.u8(..4) == 0 => bytes.truncate(at),
        2 | 3 => drop(bytes.splice(at..at, known.iter().copied())),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(to..to, copy);
        }
        5 => drop(bytes.drain(at..end)),
        6 => {
            let many = known.repeat(1 + rng.usize(..200));
            bytes.splice(at..at, many);
        }
        _ => bytes.swap(at, to),
    }
}
