//! Random programs in the interpreter and in compiled code, and whether they are made of everything there is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tessera_conformance::differential::compare;
use tessera_conformance::instructions;
use tessera_conformance::pattern::forms;
use tessera_conformance::program::{Case, Purpose};
use tessera_conformance::work::{Engine, Outcome};
use tessera_executor::{Backend, Device, ExecError, Executor, Program, Session, open};
use tessera_ptx::opcodes;

/// How many programs the test `executors_agree` runs; without it, as many as it can in some seconds.
const CASES: &str = "TESSERA_CONFORMANCE_CASES";

/// Runs programs from a number on until there are enough or the time has passed. Returns how many ran.
fn agree(start: u64, cases: u64, time: Duration) -> u64 {
    const STEP: u64 = 250;
    let began = Instant::now();
    let mut at = 0;
    while at < cases && (at < STEP || began.elapsed() < time) {
        let next = (at + STEP).min(cases);
        let range = start.wrapping_add(at)..start.wrapping_add(next);
        let report = compare(range, Purpose::Engines, Engine::Interpreter, Engine::Machine, |_| {});
        for difference in &report.differences {
            println!("== difference\n{difference}");
        }
        assert!(report.differences.is_empty(), "interpreter and compiled code differ: see above");
        let refused = report.ends.keys().find(|end| end.starts_with("launch") || end.starts_with("error"));
        assert_eq!(refused, None, "a program that nobody runs compares nothing");
        at = next;
    }
    at
}

#[test]
fn executors_agree() {
    let wanted =
        std::env::var(CASES).ok().map(|cases| cases.parse::<u64>().expect("TESSERA_CONFORMANCE_CASES is a number"));
    let day = Duration::from_secs(86_400);
    let ran = match wanted {
        Some(cases) => agree(0, cases, day),
        None => agree(0, 20_000, Duration::from_secs(12)),
    };
    println!("{ran} programs from number 0");
    // Others each time, so that many runs see many programs.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64) >> 1;
    println!("and programs from number {seed}");
    agree(seed, 20_000, Duration::from_secs(6));
}

#[test]
fn every_form_runs_alone() {
    for form in forms().iter().flatten() {
        let work = Case::alone(form).work();
        let outcome = Engine::Interpreter.run(&work);
        assert!(
            matches!(outcome, Outcome::Done { .. }),
            "{}: {}\n{}",
            form.name(),
            outcome.describe(&outcome),
            work.text
        );
    }
}

#[test]
fn instructions_agree_on_edge_values() {
    let table = instructions::compare(Engine::Interpreter, Engine::Machine, None).unwrap();
    assert_eq!(table.different(), 0, "{table}");
    assert!(table.rows.len() > 40 && table.rows.values().all(|row| row.cases > 0));
}

/// An operation that is added to the table must get a template, else nobody compares it.
#[test]
fn programs_show_every_opcode_type_and_modifier() {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut note = |text: &str| {
        for line in text.lines() {
            let line = line.trim_start();
            let line = if line.starts_with('@') { line.split_once(' ').map_or("", |(_, rest)| rest) } else { line };
            let opcode = line.split([' ', ';']).next().unwrap_or_default();
            let mut parts = opcode.split('.');
            let name = parts.next().unwrap_or_default();
            seen.insert((name.into(), String::new()));
            parts.for_each(|part| {
                seen.insert((name.into(), part.into()));
            });
        }
    };
    for seed in 0..4000 {
        note(&Case::new(seed, Purpose::Engines).work().text);
    }
    for form in forms().iter().flatten() {
        note(&Case::alone(form).work().text);
    }
    let mut missing = Vec::new();
    for op in opcodes().filter(|op| op.refused.is_none()) {
        let parts = op.types.iter().map(String::as_str).chain(op.modifiers.iter().copied()).chain([""]);
        for part in parts {
            let name = op.name.split('.').next().unwrap_or_default();
            if !seen.contains(&(name.to_string(), part.to_string())) {
                missing.push(format!("{}.{part}", op.name));
            }
        }
    }
    assert!(missing.is_empty(), "add templates with {missing:?}");
}

#[test]
fn a_number_is_a_program() {
    for seed in [0, 1, 77, u64::MAX] {
        let [a, b] = [Purpose::Engines, Purpose::Engines].map(|purpose| Case::new(seed, purpose).work());
        assert_eq!((a.text, a.input, a.grid, a.block, a.gas), (b.text, b.input, b.grid, b.block, b.gas));
    }
}

/// An executor with a mistake: it takes one instruction for another.
struct Mistaken {
    right: Box<dyn Executor>,
    mistake: [&'static str; 2],
}

impl Executor for Mistaken {
    fn devices(&self) -> &[Device] {
        self.right.devices()
    }

    fn prepare(&self, device: usize, program: &Program<'_>) -> Result<Box<dyn Session>, ExecError> {
        let module = program.module.replace(self.mistake[0], self.mistake[1]);
        self.right.prepare(device, &Program { module: &module, ..*program })
    }
}

#[test]
fn mistakes_are_found_and_made_small() {
    let mistakes = [
        ["min.s32", "max.s32"],
        ["rzi.s32.f32", "rmi.s32.f32"],
        ["setp.ltu.f32", "setp.lt.f32"],
        ["ld.shared.s8", "ld.shared.u8"],
        ["min.u32 %m", "max.u32 %m"],
        ["shfl.sync.bfly", "shfl.sync.down"],
        ["bfind.shiftamt", "bfind"],
    ];
    for mistake in mistakes {
        let wrong = Mistaken { right: open(Backend::Cpu).unwrap(), mistake };
        let has = |seed: &u64| Case::new(*seed, Purpose::Devices).work().text.contains(mistake[0]);
        let found = (0..20_000).filter(has).take(60).find_map(|seed| {
            let range = seed..seed + 1;
            compare(range, Purpose::Devices, Engine::Interpreter, Engine::Device(&wrong, 0), |_| {}).differences.pop()
        });
        let found = found.unwrap_or_else(|| panic!("nobody finds that {} becomes {}", mistake[0], mistake[1]));
        let text = found.smallest.work().text;
        let random = text.split("// the random part").nth(1).and_then(|rest| rest.split("// the results").next());
        // The instruction may stand in a function that the kernel calls.
        assert!(text.contains(mistake[0]) && random.is_some_and(|text| text.lines().count() < 40), "{found}");
        assert!(found.to_string().contains(&format!("seed {}", found.seed)));
    }
}
