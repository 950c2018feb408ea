use super::*;
use cranelift_module::Module as _;

use crate::module::Module;

/// What is packed in the only kernel of a module.
fn packed(text: &str) -> Packs {
    let module = Module::parse(text).unwrap();
    let prepared = Prepared::new(module.kernels()[0].program().unwrap());
    let kinds = Kinds::new(&prepared, 64);
    let features = Features { fma: true, round: true, vectors: true };
    let config = super::super::module().unwrap().isa().frontend_config();
    Packs::new(&prepared, &kinds, features, config)
}

/// A kernel that adds products to four sums in a loop; `then` runs at the end of each step, `after` when the loop is over.
fn sums(then: &str, after: &str) -> String {
    format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry test(.param .u64 in, .param .u64 out)\n{{\n\
         .reg .pred %p<4>;\n.reg .b32 %r<8>;\n.reg .f32 %f<32>;\n.reg .b64 %rd<8>;\n\
         ld.param.u64 %rd1, [in];\nld.param.u64 %rd2, [out];\nmov.f32 %f16, 0f00000000;\nmov.f32 %f17, %f16;\nmov.f32 %f18, %f16;\nmov.f32 %f19, %f16;\nmov.u32 %r1, 0;\n\
         AGAIN:\nld.global.v4.f32 {{%f0, %f1, %f2, %f3}}, [%rd1];\nld.global.v4.f32 {{%f4, %f5, %f6, %f7}}, [%rd1+16];\n\
         fma.rn.f32 %f16, %f2, %f4, %f16;\nfma.rn.f32 %f17, %f2, %f5, %f17;\nfma.rn.f32 %f18, %f2, %f6, %f18;\nfma.rn.f32 %f19, %f2, %f7, %f19;\n\
         {then}add.s64 %rd1, %rd1, 32;\nadd.s32 %r1, %r1, 1;\nsetp.lt.u32 %p1, %r1, 9;\n@%p1 bra AGAIN;\n{after}ret;\n}}\n"
    )
}

const STORE: &str = "st.global.f32 [%rd2], %f16;\nst.global.f32 [%rd2+4], %f17;\nst.global.f32 [%rd2+8], %f18;\nst.global.f32 [%rd2+12], %f19;\n";

#[test]
fn a_loop_of_sums_is_packed_and_what_is_shared_is_a_lane() {
    let others = ["%f0", "%f1", "%f3"].map(|shared| {
        let sum = |lane: u32| format!("fma.rn.f32 %f{0}, {shared}, %f{1}, %f{0};\n", 16 + lane, 4 + lane);
        (0..4).map(sum).collect::<String>()
    });
    let packs = packed(&sums(&others.concat(), STORE));
    assert_eq!((packs.packs.len(), packs.vectors.iter().flatten().count()), (4, 3));
    let pack = packs.packs.values().next().unwrap();
    assert_eq!((pack.f, pack.is_second, pack.c), (Scalar::FmaF32, false, pack.d));
    assert_eq!(packs.place(pack.shared).map(|(_, lane)| lane), Some(2));
}

#[test]
fn what_is_used_one_by_one_in_the_loop_is_not() {
    let each: String = (16..20)
        .map(|i| format!("add.rn.f32 %f{i}, %f{i}, %f{};\nmul.rn.f32 %f{i}, %f{i}, %f{i};\n", i - 12))
        .collect();
    let packs = packed(&sums(&each, STORE));
    assert!(packs.packs.is_empty() && packs.vectors.iter().all(Option::is_none) && packs.places.is_empty());
    // After the loop it costs less than the loop saves.
    assert_eq!(
        packed(&sums(
            "",
            &each.replace("%f4", "%f8").replace("%f5", "%f9").replace("%f6", "%f10").replace("%f7", "%f11")
        ))
        .packs
        .len(),
        1
    );
}

#[test]
fn a_program_with_too_many_of_them_has_none() {
    // Each of these has results of its own, since no register goes on to another block.
    let four = |first: u32| -> String {
        (0..4)
            .map(|lane| format!("fma.rn.f32 %f{0}, %f2, %f{1}, %f{2};\n", 24 + lane, 4 + lane, first + lane))
            .collect()
    };
    let sums_of = |packs: usize, diamonds: usize| {
        let back: String = (16..20).map(|sum| format!("mov.f32 %f{sum}, %f{};\n", sum + 8)).collect();
        let each =
            |i: usize| format!("setp.lt.u32 %p2, %r1, {i};\n@%p2 bra SKIP{i};\nadd.s32 %r2, %r2, %r1;\nSKIP{i}:\n");
        let after: String = (0..diamonds).map(each).collect();
        let packs = packed(&sums(&format!("{}{}{back}", four(16), four(24).repeat(packs)), &format!("{after}{STORE}")));
        packs.packs.len()
    };
    assert_eq!(sums_of(1_000, 10), 1_002);
    assert_eq!(sums_of(1_000, MOST_WORK / 2_000), 0);
}

#[test]
fn what_needs_each_other_or_is_in_another_order_is_not() {
    let with = |from: &str, to: &str| packed(&sums("", STORE).replace(from, to)).packs.len();
    assert_eq!(with("%f2, %f5, %f17", "%f2, %f5, %f16"), 0);
    assert_eq!(with("%f2, %f5, %f17", "%f3, %f5, %f17"), 0);
    // Factors in another order are joined, which pays where they are used more than once.
    assert_eq!(with("%f2, %f5, %f17", "%f2, %f6, %f17"), 0);
    let twice = |shared: &str| {
        format!(
            "fma.rn.f32 %f16, {shared}, %f5, %f16;\nfma.rn.f32 %f17, {shared}, %f4, %f17;\nfma.rn.f32 %f18, {shared}, %f7, %f18;\nfma.rn.f32 %f19, {shared}, %f6, %f19;\n"
        )
    };
    let packs = packed(&sums(&["%f0", "%f1", "%f3"].map(twice).concat(), STORE));
    assert_eq!(packs.packs.values().filter(|pack| matches!(pack.own, Own::Joined(_))).count(), 3);
    assert_eq!(with("fma.rn.f32 %f18, %f2", "@%p1 fma.rn.f32 %f18, %f2"), 0);
    // The shared value may come first or second.
    let turned = sums("", STORE).replace("%f2, %f4, ", "%f4, %f2, ").replace("%f2, %f5, ", "%f5, %f2, ");
    let turned = turned.replace("%f2, %f6, ", "%f6, %f2, ").replace("%f2, %f7, ", "%f7, %f2, ");
    assert!(packed(&turned).packs.values().next().unwrap().is_second);
}
