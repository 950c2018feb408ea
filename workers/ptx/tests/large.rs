//! Large modules, each made of what a reader might take long or much memory for. Reading one takes milliseconds; without the
//! limits that they meet it would take minutes, or all memory.

use tessera_ptx::Module;

/// About so many bytes of each module.
const BYTES: usize = 1 << 20;

fn module(text: &str) -> String {
    format!(".version 8.5\n.target sm_80\n.address_size 64\n{text}")
}

/// Something so often: its number stands in place of `#`.
fn count(text: &str, often: usize) -> String {
    (0..often).map(|i| text.replace('#', &i.to_string())).collect()
}

/// Something until there are about so many bytes.
fn many(text: &str, bytes: usize) -> String {
    count(text, bytes / text.len())
}

#[test]
fn large_modules_are_read_or_refused() {
    let half = BYTES / 2;
    let kernels = |body: &str| count(&format!(".entry k#() {{ {body} }}\n"), 12_000);
    let functions = count(".func f#() { }\n", 4000);
    let modules = [
        (
            "many kernels call one large function",
            "10000 refusals",
            format!(".func f() {{ {} }}\n{}", many("bar.sync 0;\n", BYTES), kernels("call f;")),
        ),
        (
            "many kernels call a function with many registers",
            "10000 refusals",
            format!(".func f() {{ .reg .b32 %r<1000000>; }}\n{}", kernels("call f;")),
        ),
        (
            "one kernel calls one of many functions very often",
            "0 refusals",
            format!("{functions}.entry k() {{ {} }}\n", many("call f3999;\n", BYTES)),
        ),
        (
            "many kernels call many functions",
            "10000 refusals",
            format!("{functions}.func all() {{ {} }}\n{}", count("call f#;\n", 4000), kernels("call all;")),
        ),
        (
            "calls of a function with many parameters",
            "1 refusals",
            format!(
                ".func f({} .param .b32 last) {{ }}\n.entry k() {{ {} }}\n",
                many(".param .b32 p#, ", half),
                many("call f;\n", half)
            ),
        ),
        (
            "many ends of a function with many results",
            "line 4, column 1: the number of values that a function returns in registers at all its ends is ",
            format!(".func ({} .reg .b32 last) f() {{ {} }}\n", many(".reg .b32 r#, ", half), many("ret;\n", half)),
        ),
        (
            "branches through a large table",
            "1 refusals",
            format!(
                ".entry k() {{ .reg .b32 %r; A: T: .branchtargets {} A; {} }}\n",
                "A, ".repeat(half / 3),
                many("brx.idx %r, T;\n", half)
            ),
        ),
        (
            "many kernels fail at a long word",
            "1 refusals",
            format!(".func f() {{ {}; }}\n{}", "frobnicate".repeat(1600), kernels("call f;")),
        ),
        (
            "kernels and dynamic shared memory",
            "10000 refusals",
            format!("{}{}", many(".extern .shared .b8 s#[];\n", half), kernels("ret;")),
        ),
        ("labels", "0 refusals", format!(".entry k() {{ {} }}\n", many("L#: bra L#;\n", BYTES))),
        (
            "pointers that may be numbers",
            "0 refusals",
            format!(
                ".entry k(.param .u64 p) {{ .reg .b64 %d<9>; ld.param.u64 %d0, [p]; {} }}\n",
                many("L#: mov.u64 %d1, %d0; st.global.u64 [%d1], 1; mov.u64 %d1, #; add.u64 %d0, %d1, %d0;\n", BYTES)
            ),
        ),
        (
            "modifiers",
            "10000 refusals",
            format!(".entry k() {{ {} }}\n", many("add.rn.sat.ftz.u32.f32.cc.lo.hi.wide.approx %r1;\n", BYTES)),
        ),
        (
            "open braces",
            "line 4, column 75: expected fewer nested `{`",
            ".entry k() {".to_string() + &"{".repeat(BYTES),
        ),
        (
            "open brackets",
            "line 4, column 21: %r1 is not declared",
            ".entry k() { ld.u32 %r1, ".to_string() + &"[".repeat(BYTES),
        ),
        ("an initialiser", "0 refusals", format!(".global .b8 a[] = {{ {} 1 }};\n", "1, ".repeat(BYTES / 3))),
        (
            "nested initialisers",
            "line 4, column 84: expected a shorter initialiser",
            format!(".global .b8 a[] = {}\n", "{".repeat(BYTES)),
        ),
    ];
    for (name, expected, text) in modules {
        let found = match Module::parse(&module(&text)).map(|module| module.check().len()) {
            Ok(refusals) => format!("{refusals} refusals"),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{name}: {}", found.chars().take(200).collect::<String>());
    }
}
