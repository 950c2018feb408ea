//! Forms of the language that are rewritten while reading give the same results as those that compilers emit.

mod common;

use common::Run;

const BEFORE: &str = "
.func (.reg .b32 %out, .reg .b64 %wide) both(.reg .b32 %x, .reg .b64 %y)
{
    .reg .pred %p;
    .reg .b64 %t;
    cvt.u64.u32 %t, %x;
    add.s64 %wide, %t, %y;
    add.s32 %out, %x, 1;
    setp.gt.u32 %p, %x, 100;
    @%p ret;
    add.s32 %out, %out, 1000;
}
.alias again, both;
.global .align 4 .u32 later[2] = {(1 + 2) * 4, 3 > 2 ? 5 : 6};
";

#[test]
fn registers_as_parameters_vectors_of_registers_and_expressions() {
    let run = Run {
        before: BEFORE,
        body: "
            .reg .v4 .b32 %v;
            ld.param.u64 %rd1, [out];
            mov.u32 %r1, %tid.x;
            mul.wide.u32 %rd2, %r1, 16;
            add.s64 %rd1, %rd1, %rd2;
            mad.lo.s32 %r2, %r1, 10, 1;
            call (%v.x, %rd3), both, (%r2, 7);
            cvt.u32.u64 %v.y, %rd3;
            call (%v.z, %rd4), again, (200, %rd3);
            mov.u64 %rd5, later;
            ld.global.u32 %v.w, [%rd5];
            st.global.v4.b32 [%rd1], %v;",
        out_len: 32 * 16,
        ..Run::default()
    };
    let expected: Vec<u32> = (0..32u32)
        .flat_map(|thread| {
            let x = thread * 10 + 1;
            [if x > 100 { x + 1 } else { x + 1001 }, x + 7, 201, 12]
        })
        .collect();
    assert_eq!(run.words(), expected);
}
