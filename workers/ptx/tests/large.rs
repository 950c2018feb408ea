//! Large modules, each made of what a reader might take long for: reading them ends soon.

use std::time::{Duration, Instant};

use tessera_ptx::Module;

/// About so many bytes of each module.
const BYTES: usize = 1 << 20;

/// How long this thread has had a processor, where the host tells; else the time of the day, which others may stretch.
fn time(start: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|number| number.parse().ok());
    spent.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

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
fn large_modules_are_read_soon() {
    let half = BYTES / 2;
    let kernels = |body: &str| count(&format!(".entry k#() {{ {body} }}\n"), 12_000);
    let functions = count(".func f#() { }\n", 4000);
    let modules = [
        (
            "many kernels call one large function",
            format!(".func f() {{ {} }}\n{}", many("bar.sync 0;\n", BYTES), kernels("call f;")),
        ),
        (
            "many kernels call a function with many registers",
            format!(".func f() {{ .reg .b32 %r<1000000>; }}\n{}", kernels("call f;")),
        ),
        (
            "one kernel calls one of many functions very often",
            format!("{functions}.entry k() {{ {} }}\n", many("call f3999;\n", BYTES)),
        ),
        (
            "many kernels call many functions",
            format!("{functions}.func all() {{ {} }}\n{}", count("call f#;\n", 4000), kernels("call all;")),
        ),
        (
            "calls of a function with many parameters",
            format!(
                ".func f({} .param .b32 last) {{ }}\n.entry k() {{ {} }}\n",
                many(".param .b32 p#, ", half),
                many("call f;\n", half)
            ),
        ),
        (
            "many ends of a function with many results",
            format!(".func ({} .reg .b32 last) f() {{ {} }}\n", many(".reg .b32 r#, ", half), many("ret;\n", half)),
        ),
        (
            "branches through a large table",
            format!(
                ".entry k() {{ .reg .b32 %r; A: T: .branchtargets {} A; {} }}\n",
                "A, ".repeat(half / 3),
                many("brx.idx %r, T;\n", half)
            ),
        ),
        (
            "many kernels fail at a long word",
            format!(".func f() {{ {}; }}\n{}", "frobnicate".repeat(1600), kernels("call f;")),
        ),
        (
            "kernels and dynamic shared memory",
            format!("{}{}", many(".extern .shared .b8 s#[];\n", half), kernels("ret;")),
        ),
        ("labels", format!(".entry k() {{ {} }}\n", many("L#: bra L#;\n", BYTES))),
        (
            "pointers that may be numbers",
            format!(
                ".entry k(.param .u64 p) {{ .reg .b64 %d<9>; ld.param.u64 %d0, [p]; {} }}\n",
                many("L#: mov.u64 %d1, %d0; st.global.u64 [%d1], 1; mov.u64 %d1, #; add.u64 %d0, %d1, %d0;\n", BYTES)
            ),
        ),
        (
            "modifiers",
            format!(".entry k() {{ {} }}\n", many("add.rn.sat.ftz.u32.f32.cc.lo.hi.wide.approx %r1;\n", BYTES)),
        ),
        ("open braces", ".entry k() {".to_string() + &"{".repeat(BYTES)),
        ("open brackets", ".entry k() { ld.u32 %r1, ".to_string() + &"[".repeat(BYTES)),
        ("an initialiser", format!(".global .b8 a[] = {{ {} 1 }};\n", "1, ".repeat(BYTES / 3))),
        ("nested initialisers", format!(".global .b8 a[] = {}\n", "{".repeat(BYTES))),
    ];
    for (name, text) in modules {
        let text = module(&text);
        let start = Instant::now();
        let before = time(start);
        let refusals = Module::parse(&text).map(|module| module.check().len());
        let took = time(start).saturating_sub(before);
        let found = match refusals {
            Ok(refusals) => format!("{refusals} refusals"),
            Err(error) => error.to_string().chars().take(120).collect(),
        };
        println!("{took:?} {name}: {found}");
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
    }
}
