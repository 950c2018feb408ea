//! Writes a case as a module, with what comes before and after its random part.

use fastrand::Rng;

use super::registers::{POOL_BYTES, POOLS, chunks, declarations, predicates};
use super::{Case, Statement};
use crate::pattern::tallies;
use crate::values;
use crate::work::{Argument, Work};

/// Bytes of the input.
pub(super) const INPUT: u32 = 8192;
/// Bytes of a thread's cell in global and in shared memory.
pub(super) const CELL: u32 = 32;
/// Bytes of a thread's local memory.
pub(super) const LOCAL: u32 = 64;
/// Bytes of the variables of the module, and of the last parameter.
pub(super) const VARIABLE: u32 = 64;
pub(super) const PARAM: u32 = 32;
/// Bytes of what a thread leaves: its registers, its local memory and its shared cell.
const RESULT: u32 = POOL_BYTES + 16;

fn lines(statements: &[Statement], out: &mut String) {
    let put = |lines: &[String], out: &mut String| {
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
    };
    for statement in statements {
        match statement {
            Statement::Lines(text) => put(text, out),
            Statement::Nest { parts, tail } => {
                for (head, body) in parts {
                    put(head, out);
                    lines(body, out);
                }
                put(tail, out);
            }
        }
    }
}

/// Bytes as an initialiser.
fn initialiser(rng: &mut Rng, len: u32) -> String {
    let bytes: Vec<String> = values::mixture(rng, len as usize).iter().map(u8::to_string).collect();
    bytes.join(", ")
}

pub(super) fn work(case: &Case) -> Work {
    let mut rng = Rng::with_seed(case.seed ^ 0x5bd1_e995_97f4_a7c1);
    let mut body = String::new();
    lines(&case.body, &mut body);
    let mut functions: Vec<String> = Vec::new();
    // The last one first: only what is called is written.
    for function in case.functions.iter().rev() {
        let call = format!(", {},", function.name);
        if body.contains(&call) || functions.iter().any(|text| text.contains(&call)) {
            functions.push(device_function(&function.name, &function.body));
        }
    }
    functions.reverse();
    let (threads, blocks) = (case.threads(), case.blocks());
    let (uses_shared, uses_local) = (body.contains("cells") || body.contains("%cell"), body.contains("slots"));
    let uses_tally = body.contains("tally");
    let tally_len = (8 * tallies()).next_multiple_of(16);

    let mut text = String::from(".version 8.5\n.target sm_80\n.address_size 64\n");
    if body.contains("table") || functions.iter().any(|f| f.contains("table")) {
        text.push_str(&format!(".const .align 16 .b8 table[{VARIABLE}] = {{{}}};\n", initialiser(&mut rng, VARIABLE)));
    }
    if body.contains("words") || functions.iter().any(|f| f.contains("words")) {
        text.push_str(&format!(".global .align 16 .b8 words[{VARIABLE}] = {{{}}};\n", initialiser(&mut rng, VARIABLE)));
    }
    if body.contains("extra") {
        text.push_str(".extern .shared .align 16 .b8 extra[];\n");
    }
    functions.iter().for_each(|function| text.push_str(function));
    text.push_str(&format!(
        ".visible .entry test(.param .u64 in, .param .u64 out, .param .u64 own, .param .u64 count, .param .u64 sums,\n\
         .param .align 16 .b8 given[{PARAM}])\n{{\n"
    ));
    text.push_str(&declarations());
    text.push_str(".reg .b32 %me, %bid, %gid, %lane;\n.reg .b64 %in, %out, %own, %count, %sums, %cell, %wide;\n");
    if uses_local {
        text.push_str(&format!(".local .align 16 .b8 slots[{LOCAL}];\n"));
    }
    if uses_shared {
        text.push_str(&format!(".shared .align 16 .b8 cells[{}];\n", CELL * threads));
    }
    if uses_tally {
        text.push_str(&format!(".shared .align 16 .b8 tally[{tally_len}];\n"));
    }
    text.push_str(PLACES);
    let mut start = String::new();
    if uses_local {
        let pair = |i| 2 * i % POOLS[3].2;
        (0..LOCAL / 16).for_each(|i| {
            start.push_str(&format!("st.local.v2.b64 [slots+{}], {{%d{}, %d{}}};\n", 16 * i, pair(i), pair(i) + 1));
        });
    }
    if uses_shared {
        start.push_str("mov.u64 %cell, cells;\nmul.wide.u32 %wide, %me, 32;\nadd.u64 %cell, %cell, %wide;\n");
        (0..CELL / 16).for_each(|i| {
            start.push_str(&format!("st.shared.v2.b64 [%cell+{}], {{%d{}, %d{}}};\n", 16 * i, 2 * i, 2 * i + 1));
        });
    }
    text.push_str(&take_registers(&format!("{start}{body}")));
    text.push_str(&start);
    if uses_tally {
        text.push_str("setp.eq.u32 %q0, %me, 0;\nmov.u64 %z0, 0;\n");
        (0..tally_len / 16).for_each(|i| {
            text.push_str(&format!("@%q0 st.shared.v2.b64 [tally+{}], {{%z0, %z0}};\n", 16 * i));
        });
        text.push_str("bar.sync 0;\n");
    }
    text.push_str("// the random part\n");
    text.push_str(&body);
    text.push_str("// the results\n");
    text.push_str(&give_registers(&body));
    if uses_local {
        text.push_str(&mixed("local", "slots", LOCAL));
        text.push_str(&format!("st.global.b64 [%out+{POOL_BYTES}], %z1;\n"));
    }
    if uses_shared {
        text.push_str(&mixed("shared", "%cell", CELL));
        text.push_str(&format!("st.global.b64 [%out+{}], %z1;\n", POOL_BYTES + 8));
    }
    if uses_tally {
        text.push_str("bar.sync 0;\nsetp.eq.u32 %q0, %me, 0;\n@!%q0 bra DONE;\n");
        text.push_str(&format!("mul.wide.u32 %wide, %bid, {tally_len};\nadd.u64 %sums, %sums, %wide;\n"));
        (0..tally_len / 16).for_each(|i| {
            let at = 16 * i;
            text.push_str(&format!("ld.shared.v2.b64 {{%z1, %z2}}, [tally+{at}];\n"));
            text.push_str(&format!("st.global.v2.b64 [%sums+{at}], {{%z1, %z2}};\n"));
        });
    }
    let uni = if uses_tally || case.seed.is_multiple_of(2) { "" } else { ".uni" };
    text.push_str(&format!("DONE:\nret{uni};\n}}\n"));

    let all = u64::from(threads) * u64::from(blocks);
    let own = all * u64::from(RESULT);
    let count = own + all * u64::from(CELL);
    let sums = count + u64::from(tally_len);
    Work {
        text,
        grid: case.grid,
        block: case.block,
        shared_len: if body.contains("extra") { CELL * threads } else { 0 },
        input: values::mixture(&mut rng, INPUT as usize),
        output_len: sums + u64::from(tally_len) * u64::from(blocks),
        arguments: vec![
            Argument::Input(0),
            Argument::Output(0),
            Argument::Output(own),
            Argument::Output(count),
            Argument::Output(sums),
            Argument::Value(values::mixture(&mut rng, PARAM as usize)),
        ],
        gas: case.gas,
    }
}

/// Computes where the thread's places in memory are.
const PLACES: &str = "mov.u32 %y0, %tid.x;
mov.u32 %y1, %tid.y;
mov.u32 %y2, %tid.z;
mov.u32 %y3, %ntid.x;
mov.u32 %y4, %ntid.y;
mad.lo.u32 %y2, %y2, %y4, %y1;
mad.lo.u32 %me, %y2, %y3, %y0;
mov.u32 %y5, %ntid.z;
mul.lo.u32 %y5, %y5, %y4;
mul.lo.u32 %y5, %y5, %y3;
mov.u32 %y0, %ctaid.x;
mov.u32 %y1, %ctaid.y;
mov.u32 %y2, %ctaid.z;
mov.u32 %y3, %nctaid.x;
mov.u32 %y4, %nctaid.y;
mad.lo.u32 %y2, %y2, %y4, %y1;
mad.lo.u32 %bid, %y2, %y3, %y0;
mad.lo.u32 %gid, %bid, %y5, %me;
mov.u32 %lane, %laneid;
ld.param.u64 %in, [in];
ld.param.u64 %out, [out];
ld.param.u64 %own, [own];
ld.param.u64 %count, [count];
ld.param.u64 %sums, [sums];
mul.wide.u32 %wide, %gid, 32;
add.u64 %own, %own, %wide;
mul.wide.u32 %wide, %gid, 144;
add.u64 %out, %out, %wide;
and.b32 %y0, %gid, 31;
mul.wide.u32 %wide, %y0, 128;
add.u64 %wide, %in, %wide;
";

/// Writes the registers of the pools that a text names, with numbers of the thread's row of the input.
fn take_registers(named: &str) -> String {
    let mut text = String::new();
    for chunk in chunks(named) {
        let (ty, registers) = chunk.moved();
        text.push_str(&format!("ld.global.{ty} {registers}, [%wide+{}];\n", chunk.at));
    }
    let predicates = predicates(named);
    if !predicates.is_empty() {
        text.push_str(&format!("ld.global.u32 %y0, [%wide+{}];\n", POOL_BYTES - 4));
    }
    for i in predicates {
        text.push_str(&format!("and.b32 %y1, %y0, {};\nsetp.ne.u32 %p{i}, %y1, 0;\n", 1 << (3 * i)));
    }
    text
}

/// Stores the registers of the pools that a text names.
fn give_registers(named: &str) -> String {
    let mut text = String::new();
    for chunk in chunks(named) {
        let (ty, registers) = chunk.moved();
        text.push_str(&format!("st.global.{ty} [%out+{}], {registers};\n", chunk.at));
    }
    let predicates = predicates(named);
    if !predicates.is_empty() {
        text.push_str("mov.u32 %y0, 0;\n");
        predicates.iter().for_each(|i| text.push_str(&format!("@%p{i} or.b32 %y0, %y0, {};\n", 1 << i)));
        text.push_str(&format!("st.global.u32 [%out+{}], %y0;\n", POOL_BYTES - 4));
    }
    text
}

/// Mixes bytes of memory into one number in `%z1`.
fn mixed(space: &str, base: &str, len: u32) -> String {
    let mut text = String::from("mov.u64 %z1, 1;\n");
    for at in (0..len).step_by(16) {
        text.push_str(&format!("ld.{space}.v2.b64 {{%z2, %z3}}, [{base}+{at}];\n"));
        text.push_str("mad.lo.u64 %z1, %z1, 31, %z2;\nmad.lo.u64 %z1, %z1, 31, %z3;\n");
    }
    text
}

/// What a device function gives.
const GIVE: &str = "mov.b64 {%y0, %y1}, %d0;
xor.b32 %y0, %y0, %r0;
mad.lo.u32 %y0, %r1, 31, %y0;
cvt.u32.u16 %y1, %h0;
add.u32 %y0, %y0, %y1;
st.param.b32 [r], %y0;
ret;
}
";

/// A device function: its registers start from its two parameters, its result mixes some of them.
fn device_function(name: &str, body: &[Statement]) -> String {
    let mut text = format!(".func (.param .b32 r) {name}(.param .b32 a, .param .b64 b)\n{{\n{}", declarations());
    text.push_str("ld.param.b32 %y0, [a];\nld.param.b64 %z0, [b];\n");
    let mut inside = String::new();
    lines(body, &mut inside);
    inside.push_str(GIVE);
    let chunks = chunks(&inside);
    let registers = chunks.iter().flat_map(|chunk| chunk.registers.iter().map(|register| (register, chunk.ty)));
    for (i, (register, ty)) in registers.enumerate() {
        let (word, odd) = (i % 2 == 0, 0x9e37_79b9u64.wrapping_mul(i as u64 + 1) | 1);
        match ty {
            "b16" => text.push_str(&format!("cvt.u16.u32 {register}, %y0;\nxor.b16 {register}, {register}, {i};\n")),
            "f32" => text.push_str(&format!("cvt.rn.f32.s32 {register}, %y0;\n")),
            "f64" => text.push_str(&format!("cvt.rn.f64.s64 {register}, %z0;\n")),
            "b32" if word => text.push_str(&format!("mov.b32 {register}, %y0;\n")),
            "b32" => text.push_str(&format!("mul.lo.u32 {register}, %y0, {:#x};\n", odd as u32)),
            _ if word => text.push_str(&format!("mov.b64 {register}, %z0;\n")),
            _ => text.push_str(&format!("mul.lo.u64 {register}, %z0, {odd:#x};\n")),
        }
    }
    for i in predicates(&inside) {
        text.push_str(&format!("and.b32 %y1, %y0, {};\nsetp.ne.u32 %p{i}, %y1, 0;\n", 1 << i));
    }
    text.push_str(&inside);
    text
}
