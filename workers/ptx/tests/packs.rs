//! Operations that compiled code does four at a time: every run here is one in the interpreter and one in compiled code, which must
//! agree to the bit.

mod common;

use common::Run;

/// `%rd1`, `%rd2`: a place of 16 bytes for each thread and step in two inputs; `%rd60`: 16 bytes of the output for each thread.
const PLACES: &str = "mov.u32 %r0, %tid.x;\nld.param.u64 %rd1, [in0];\nld.param.u64 %rd2, [in1];\nld.param.u64 %rd60, [out];\n\
    mul.wide.u32 %rd59, %r0, 16;\nadd.s64 %rd60, %rd60, %rd59;\nadd.s64 %rd1, %rd1, %rd59;\nadd.s64 %rd2, %rd2, %rd59;\n";
const THREADS: u32 = 40;
const STEPS: u32 = 5;

/// Four sums, `%f16` to `%f19`, over some steps; `then` runs at the end of each. The value that all four share is the third one of the
/// first input.
fn sums(then: &str) -> String {
    sums_of(
        "mov.f32 %f16, 0f00000000;\nmov.f32 %f17, %f16;\nmov.f32 %f18, %f16;\nmov.f32 %f19, %f16;\n",
        "fma.rn.f32 %f16, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        then,
    )
}

fn sums_of(start: &str, step: &str, then: &str) -> String {
    format!(
        "{PLACES}{start}mov.u32 %r1, 0;\nAGAIN:\nld.global.v4.f32 {{%f0, %f1, %f2, %f3}}, [%rd1];\nld.global.v4.f32 {{%f4, %f5, %f6, %f7}}, [%rd2];\n\
         {step}{then}add.s64 %rd1, %rd1, {bytes};\nadd.s64 %rd2, %rd2, {bytes};\nadd.s32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, {STEPS};\n@%p1 bra AGAIN;\n{STORE}",
        bytes = 16 * THREADS,
    )
}

const STORE: &str = "st.global.f32 [%rd60], %f16;\nst.global.f32 [%rd60+4], %f17;\nst.global.f32 [%rd60+8], %f18;\nst.global.f32 [%rd60+12], %f19;\n";

/// Words of all kinds: ordinary numbers of many sizes, denormal ones, zeros of both signs, infinities, NaN of several kinds.
fn numbers(seed: u32) -> Vec<u8> {
    let special =
        [0, 0x8000_0000, 1, 0x8000_0007, 0x7f80_0000, 0xff80_0000, 0x7fc0_1234, 0xffa0_0001, 0x7f7f_ffff, 0x0080_0000];
    let mut state = seed;
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 7
    };
    let word = |any: u32| match any % 23 {
        0 => special[(any / 23) as usize % special.len()],
        1 => any << 7,
        _ => any & 0x00ff_ffff | 0x3f00_0000 | any << 7 & 0x8000_0000,
    };
    std::iter::repeat_with(next).take((4 * THREADS * STEPS) as usize).flat_map(|any| word(any).to_le_bytes()).collect()
}

/// The words that all threads store, the same in both ways.
fn words(body: &str) -> Vec<u32> {
    let (one, two) = (numbers(1), numbers(2));
    let run = Run {
        body,
        inputs: [&one, &two, &[]],
        block: [THREADS, 1, 1],
        out_len: 16 * THREADS as usize,
        ..Run::default()
    };
    run.words()
}

#[test]
fn sums_of_products_of_any_numbers() {
    let found = words(&sums(""));
    let of = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
    };
    let (one, two) = (of(numbers(1)), of(numbers(2)));
    let mut ordinary = 0;
    for thread in 0..THREADS as usize {
        for lane in 0..4 {
            let step = |step: usize| 4 * (thread + step * THREADS as usize);
            let sum = (0..STEPS as usize).fold(0.0f32, |sum, at| one[step(at) + 2].mul_add(two[step(at) + lane], sum));
            let expected = if sum.is_nan() { 0x7fff_ffff } else { sum.to_bits() };
            assert_eq!(found[4 * thread + lane], expected, "thread {thread}, lane {lane}");
            ordinary += usize::from(sum.is_finite());
        }
    }
    assert!(ordinary > 50, "{ordinary}");
}

#[test]
fn lanes_are_used_one_by_one_too() {
    let each = [
        // What one lane becomes others read in the next step.
        "add.rn.f32 %f17, %f16, %f19;\n",
        // The bits of a lane, whatever NaN it has.
        "mov.b32 %r2, %f18;\nadd.s32 %r2, %r2, 1;\nmov.b32 %f18, %r2;\n",
        // Under a guard.
        "setp.gt.f32 %p2, %f16, %f17;\n@%p2 mov.f32 %f19, %f16;\n@!%p2 add.rn.f32 %f18, %f18, %f1;\n",
        "setp.eq.u32 %p2, %r1, 2;\n@%p2 ld.global.v4.f32 {%f16, %f17, %f18, %f19}, [%rd2];\n",
        // Places change.
        "mov.f32 %f20, %f16;\nmov.f32 %f16, %f19;\nmov.f32 %f19, %f17;\nmov.f32 %f17, %f20;\n",
        // Threads wait, and see each other's.
        "bar.sync 0;\n",
        "mov.b32 %r2, %f17;\nshfl.sync.bfly.b32 %r3, %r2, 1, 31, -1;\nmov.b32 %f17, %r3;\n",
        // Paths part.
        "and.b32 %r2, %r0, 1;\nsetp.eq.u32 %p2, %r2, 0;\n@%p2 bra EVEN;\nmul.rn.f32 %f16, %f16, 0f40400000;\nneg.f32 %f19, %f18;\nEVEN:\n",
    ];
    let plain = words(&sums(""));
    for then in each {
        let (one, two) = (numbers(1), numbers(2));
        // Whole warps where lanes of a warp meet.
        let body = sums(then);
        let run = Run { body: &body, inputs: [&one, &two, &[]], block: [32, 1, 1], out_len: 16 * 32, ..Run::default() };
        let found = run.words();
        assert_eq!(found == plain[..4 * 32], then == "bar.sync 0;\n", "{then}");
    }
}

#[test]
fn factors_from_different_places() {
    let start = "mov.f32 %f16, 0f00000000;\nmov.f32 %f17, %f16;\nmov.f32 %f18, %f16;\nmov.f32 %f19, %f16;\nmov.f32 %f24, 0f40400000;\n";
    let with = |shared: &str, own: [&str; 4]| -> String {
        own.iter().zip(16..).map(|(own, sum)| format!("fma.rn.f32 %f{sum}, {shared}, {own}, %f{sum};\n")).collect()
    };
    let steps = [
        // Columns of what was loaded line by line, several times.
        format!(
            "{}{}{}",
            with("%f2", ["%f0", "%f4", "%f1", "%f5"]),
            with("%f3", ["%f0", "%f4", "%f1", "%f5"]),
            with("%f4", ["%f3", "%f7", "%f2", "%f6"])
        ),
        // Lines and columns, and one factor more than once.
        format!(
            "{}{}{}",
            with("%f2", ["%f4", "%f5", "%f6", "%f7"]),
            with("%f3", ["%f7", "%f6", "%f5", "%f4"]),
            with("%f1", ["%f4", "%f4", "%f5", "%f5"])
        ),
        // A register that stays the same, and a number.
        format!("{}{}", with("%f2", ["%f24", "%f5", "%f24", "0f3f000000"]), with("%f24", ["%f4", "%f5", "%f6", "%f7"])),
        // The factors change between two uses.
        format!(
            "{}add.rn.f32 %f4, %f4, %f1;\n{}",
            with("%f2", ["%f4", "%f0", "%f5", "%f1"]),
            with("%f3", ["%f4", "%f0", "%f5", "%f1"])
        ),
        // The sums are factors of the next four.
        format!("{}{}", with("%f2", ["%f4", "%f0", "%f5", "%f1"]), with("%f2", ["%f19", "%f18", "%f17", "%f16"])),
    ];
    for step in steps {
        words(&sums_of(start, &step, ""));
    }
}

#[test]
fn operations_that_need_each_other_go_one_by_one() {
    let start = "mov.f32 %f16, 0f3f800000;\nmov.f32 %f17, %f16;\nmov.f32 %f18, %f16;\nmov.f32 %f19, %f16;\n";
    let steps = [
        // The second needs what the first gives: as its sum, as the shared value, as its own factor.
        "fma.rn.f32 %f16, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f16;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        "fma.rn.f32 %f2, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        "fma.rn.f32 %f5, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        // One sum twice, another order, a lane of the factors as the shared value.
        "fma.rn.f32 %f16, %f2, %f4, %f16;\nfma.rn.f32 %f16, %f2, %f5, %f16;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        "fma.rn.f32 %f16, %f2, %f5, %f16;\nfma.rn.f32 %f17, %f2, %f4, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n",
        "fma.rn.f32 %f16, %f5, %f4, %f16;\nfma.rn.f32 %f17, %f5, %f5, %f17;\nfma.rn.f32 %f18, %f5, %f6, %f18;\nfma.rn.f32 %f19, %f5, %f7, %f19;\n",
        // The sums are the factors.
        "fma.rn.f32 %f4, %f2, %f4, %f4;\nfma.rn.f32 %f5, %f2, %f5, %f5;\nfma.rn.f32 %f6, %f2, %f6, %f6;\nfma.rn.f32 %f7, %f2, %f7, %f7;\nadd.rn.f32 %f16, %f16, %f4;\nadd.rn.f32 %f19, %f19, %f7;\n",
        // Sums that change places with each other.
        "fma.rn.f32 %f20, %f4, %f2, %f19;\nfma.rn.f32 %f21, %f5, %f2, %f16;\nfma.rn.f32 %f22, %f6, %f2, %f17;\nfma.rn.f32 %f23, %f7, %f2, %f18;\nmov.f32 %f16, %f20;\nmov.f32 %f17, %f21;\nmov.f32 %f18, %f22;\nmov.f32 %f19, %f23;\n",
        // Twice with the same factors, in different lanes of the sums.
        "fma.rn.f32 %f16, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\nfma.rn.f32 %f17, %f1, %f4, %f17;\nfma.rn.f32 %f16, %f1, %f5, %f16;\nfma.rn.f32 %f19, %f1, %f6, %f19;\nfma.rn.f32 %f18, %f1, %f7, %f18;\n",
    ];
    for step in steps {
        words(&sums_of(start, step, ""));
    }
    // The same with registers that go from step to step, which keep their names: the first gives what all others share; and results
    // are, in other places, the factors, which are wanted later.
    let again: String = (0..4)
        .map(|lane| format!("fma.rn.f32 %f{0}, %f1, %f{1}, %f{2};\n", 16 + lane, 4 + lane, [8, 21, 22, 23][lane]))
        .collect();
    let shared = format!(
        "fma.rn.f32 %f8, %f8, %f4, %f16;\nfma.rn.f32 %f21, %f8, %f5, %f17;\nfma.rn.f32 %f22, %f8, %f6, %f18;\nfma.rn.f32 %f23, %f8, %f7, %f19;\n{again}"
    );
    words(&sums_of(&format!("{start}mov.f32 %f8, 0f3f000000;\n"), &shared, ""));
    let turned = "fma.rn.f32 %f20, %f2, %f4, %f16;\nfma.rn.f32 %f4, %f2, %f5, %f17;\nfma.rn.f32 %f5, %f2, %f6, %f18;\nfma.rn.f32 %f6, %f2, %f7, %f19;\n\
        fma.rn.f32 %f16, %f1, %f20, %f16;\nfma.rn.f32 %f17, %f1, %f4, %f17;\nfma.rn.f32 %f18, %f1, %f5, %f18;\nfma.rn.f32 %f19, %f1, %f6, %f19;\n";
    let later = "add.rn.f32 %f16, %f16, %f4;\nadd.rn.f32 %f17, %f17, %f5;\nadd.rn.f32 %f18, %f18, %f6;\nadd.rn.f32 %f19, %f19, %f20;\n";
    let body = sums_of(start, turned, "").replace(STORE, &format!("{later}{STORE}"));
    words(&body);
}

#[test]
fn products_of_bytes() {
    for types in ["u32.u32", "u32.s32", "s32.u32", "s32.s32"] {
        let (a, b) = types.split_once('.').unwrap();
        for (first, second) in [("%r2", "%r"), ("%r", "%r2")] {
            let one = |lane: u32| {
                let own = |register: &str| if register == "%r" { format!("%r{}", 4 + lane) } else { register.into() };
                format!("dp4a.{types} %r{0}, {1}, {2}, %r{0};\n", 16 + lane, own(first), own(second))
            };
            let step: String = (0..4).map(one).collect();
            let store: String =
                (0..4).map(|lane| format!("st.global.u32 [%rd60+{}], %r{};\n", 4 * lane, 16 + lane)).collect();
            let body = format!(
                "{PLACES}mov.u32 %r16, 7;\nmov.u32 %r17, %r16;\nmov.u32 %r18, %r16;\nmov.u32 %r19, %r16;\nmov.u32 %r1, 0;\nAGAIN:\n\
                 ld.global.u32 %r2, [%rd1];\nld.global.v4.u32 {{%r4, %r5, %r6, %r7}}, [%rd2];\n{step}add.s64 %rd1, %rd1, {bytes};\nadd.s64 %rd2, %rd2, {bytes};\n\
                 add.s32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, {STEPS};\n@%p1 bra AGAIN;\n{store}",
                bytes = 16 * THREADS,
            );
            let found = words(&body);
            let byte = |word: &[u8], i: usize, ty: &str| {
                if ty == "s32" { i64::from(word[i] as i8) } else { i64::from(word[i]) }
            };
            let (one, two) = (numbers(1), numbers(2));
            for (at, found) in found.iter().enumerate() {
                let (thread, lane) = (at / 4, at % 4);
                let mut sum = 7i64;
                for step in 0..STEPS as usize {
                    let place = 16 * (thread + step * THREADS as usize);
                    let (shared, own) = (&one[place..], &two[place + 4 * lane..]);
                    let (left, right) = if first == "%r2" { (shared, own) } else { (own, shared) };
                    sum += (0..4).map(|i| byte(left, i, a) * byte(right, i, b)).sum::<i64>();
                }
                assert_eq!(*found, sum as u32, "{types}, {first}, thread {thread}, lane {lane}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_loaded_the_long_way() {
    // From shared memory, whose address compiled code does not know; and beyond the end, in the last thread and step.
    let shared = sums("").replace(
        "ld.global.v4.f32 {%f4, %f5, %f6, %f7}, [%rd2];\n",
        "ld.global.v4.f32 {%f4, %f5, %f6, %f7}, [%rd2];\nmul.wide.u32 %rd5, %r0, 16;\nmov.u64 %rd6, store;\ncvta.shared.u64 %rd6, %rd6;\nadd.s64 %rd5, %rd5, %rd6;\n\
         st.v4.f32 [%rd5], {%f4, %f5, %f6, %f7};\nld.v4.f32 {%f4, %f5, %f6, %f7}, [%rd5];\n",
    );
    let (one, two) = (numbers(1), numbers(2));
    let run = Run {
        before: ".shared .align 16 .b8 store[640];\n",
        body: &shared,
        inputs: [&one, &two, &[]],
        block: [THREADS, 1, 1],
        out_len: 16 * THREADS as usize,
        ..Run::default()
    };
    assert_eq!(run.words(), words(&sums("")));
    let body = sums("");
    let run = Run {
        body: &body,
        inputs: [&one, &two[..two.len() - 16], &[]],
        block: [THREADS, 1, 1],
        out_len: 16 * THREADS as usize,
        ..Run::default()
    };
    run.fault();
}
