//! Makes a program from a number.

use std::sync::OnceLock;

use fastrand::Rng;

use super::operands::{B64, U32};
use super::registers::{NESTED, register};
use super::text::CELL;
use super::{Case, Function, Purpose, Statement, faults};
use crate::pattern::{Form, Operand, Place, forms};
use crate::templates::Where;
use crate::work::{GAS, in_profile};

/// What is known where a statement stands.
#[derive(Clone)]
pub(super) struct Context {
    /// The mask of the lanes that are here, if it is known: a register or a number.
    pub members: Option<String>,
    /// Whether all threads of the block are here.
    pub whole: bool,
    depth: u32,
}

pub(super) struct Generator {
    pub rng: Rng,
    pub threads: u32,
    purpose: Purpose,
    /// The next number of a label, and of a register that belongs to one statement.
    next: u32,
    /// Functions that may be called.
    callable: Vec<String>,
    /// In a device function there are no places of the thread.
    in_function: bool,
    uses_tally: bool,
}

pub(super) fn case(seed: u64, purpose: Purpose) -> Case {
    let mut rng = Rng::with_seed(seed);
    let threads = match rng.u8(..16) {
        0..=2 => rng.u32(1..=8),
        3..=5 => 32,
        6..=9 => rng.u32(1..=64),
        10 | 11 => 64,
        12 | 13 => rng.u32(33..=128),
        14 => 96,
        _ => rng.u32(1..=256),
    };
    let (block, grid) =
        (shape(&mut rng, threads), [1 + rng.u32(..8) / 6, 1 + rng.u32(..12) / 10, 1 + rng.u32(..16) / 15]);
    let faulty = purpose == Purpose::Engines && rng.u8(..8) == 0;
    let gas = match rng.u8(..24) {
        // Somewhere within the program.
        0 if purpose == Purpose::Engines => rng.u64(1..40_000),
        _ => GAS,
    };
    let uses_tally = rng.u8(..3) == 0;
    let mut generator =
        Generator { rng, threads, purpose, next: 1, callable: Vec::new(), in_function: false, uses_tally };
    let mut case = Case { seed, grid, block, gas, faulty, functions: Vec::new(), body: Vec::new() };
    for i in 0..generator.rng.u32(..3) {
        let name = format!("f{i}");
        generator.in_function = true;
        let context = Context { members: None, whole: false, depth: 1 };
        let mut budget = generator.rng.i32(2..=8);
        let body = generator.statements(&context, &mut budget);
        case.functions.push(Function { name: name.clone(), body });
        generator.callable.push(name);
    }
    generator.in_function = false;
    // Programs in which no thread waits for another run in a way of their own.
    let collective = generator.rng.u8(..4) != 0;
    let context = Context { members: collective.then(|| "0xffffffff".into()), whole: collective, depth: 0 };
    // Many small ones: to compile a statement takes about as long in a large one.
    let mut budget = match generator.rng.u8(..16) {
        0 => generator.rng.i32(20..80),
        1..=3 => generator.rng.i32(10..24),
        _ => generator.rng.i32(3..12),
    };
    while budget > 0 {
        let mut part = budget.min(10);
        budget -= part;
        case.body.extend(generator.statements(&context, &mut part));
    }
    if faulty {
        let (fault, limited) = faults::fault(&mut generator);
        if limited {
            case.gas = generator.rng.u64(5_000..200_000);
        }
        insert(&mut generator.rng, &mut case.body, Statement::Lines(fault));
    } else if purpose == Purpose::Engines && generator.rng.u8(..6) == 0 {
        let way = ["exit", "ret"][generator.rng.usize(..2)];
        let line = format!("@{}%p{} {way};", ["", "!"][generator.rng.usize(..2)], generator.rng.u32(..4));
        case.body.push(Statement::Lines(vec![line]));
    }
    case
}

/// A shape of a number of threads.
fn shape(rng: &mut Rng, threads: u32) -> [u32; 3] {
    let divisor = |rng: &mut Rng, of: u32, most: u32| {
        let divisors: Vec<u32> = (1..=of.min(most)).filter(|n| of.is_multiple_of(*n)).collect();
        divisors[rng.usize(..divisors.len())]
    };
    if rng.bool() {
        return [threads, 1, 1];
    }
    let z = divisor(rng, threads, 64);
    let y = divisor(rng, threads / z, 1024);
    [threads / z / y, y, z]
}

/// Puts a statement anywhere.
fn insert(rng: &mut Rng, body: &mut Vec<Statement>, statement: Statement) {
    let at = rng.usize(..=body.len());
    match body.get_mut(at) {
        Some(Statement::Nest { parts, .. }) if rng.bool() => {
            let part = rng.usize(..parts.len());
            insert(rng, &mut parts[part].1, statement);
        }
        _ => body.insert(at, statement),
    }
}

/// The forms that a GPU may be given, by template.
fn device_forms() -> &'static [Vec<bool>] {
    static ALLOWED: OnceLock<Vec<Vec<bool>>> = OnceLock::new();
    ALLOWED.get_or_init(|| {
        forms()
            .iter()
            .map(|template| template.iter().map(|form| in_profile(&alone(form).work().text)).collect())
            .collect()
    })
}

/// A program of one form.
pub(super) fn alone(form: &Form) -> Case {
    let mut generator = Generator {
        rng: Rng::with_seed(1),
        threads: 32,
        purpose: Purpose::Engines,
        next: 1,
        callable: Vec::new(),
        in_function: false,
        uses_tally: true,
    };
    let context = Context { members: Some("0xffffffff".into()), whole: true, depth: 0 };
    let lines = generator.form(form, &context);
    Case {
        seed: 1,
        grid: [1; 3],
        block: [32, 1, 1],
        gas: GAS,
        faulty: false,
        functions: Vec::new(),
        body: vec![Statement::Lines(lines)],
    }
}

impl Generator {
    pub fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(..one_in) == 0
    }

    pub fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    pub fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.rng.usize(..list.len())]
    }

    fn statements(&mut self, context: &Context, budget: &mut i32) -> Vec<Statement> {
        let mut found = Vec::new();
        while *budget > 0 {
            *budget -= 1;
            found.push(self.statement(context, budget));
        }
        found
    }

    fn statement(&mut self, context: &Context, budget: &mut i32) -> Statement {
        let nests = context.depth < 4 && self.next + 2 < NESTED && *budget > 1;
        match self.rng.u8(..32) {
            0 | 1 if nests => self.condition(context, budget),
            2 if nests => self.repeat(context, budget),
            3 if nests => self.switch(context, budget),
            4 if !self.callable.is_empty() => Statement::Lines(self.call(context)),
            5 | 6 if context.whole => Statement::Lines(self.exchange()),
            _ => loop {
                let at = self.rng.usize(..forms().len());
                let template = &forms()[at];
                let which = self.rng.usize(..template.len());
                let form = &template[which];
                let allowed = self.purpose == Purpose::Engines || device_forms()[at][which];
                if allowed && self.fits(form, context) {
                    break Statement::Lines(self.form(form, context));
                }
            },
        }
    }

    fn fits(&self, form: &Form, context: &Context) -> bool {
        let place = match form.place {
            Where::Anywhere => true,
            Where::KnownLanes => context.members.is_some(),
            Where::WholeWarps => context.whole && self.threads.is_multiple_of(32),
            Where::WholeBlock => context.whole,
        };
        place
            && form.operands().all(|operand| match operand {
                Operand::Address(Place::Const | Place::Variable, _) => true,
                Operand::Address(Place::Tally { shared: true }, _) => self.uses_tally && !self.in_function,
                Operand::Address(..) => !self.in_function,
                Operand::Text(text) => !(self.in_function && text.starts_with('[')),
                _ => true,
            })
    }

    /// A part of the budget for something inside.
    fn share(&mut self, budget: &mut i32) -> i32 {
        let share = self.rng.i32(1..=(*budget).clamp(1, 10));
        *budget -= share;
        share
    }

    /// Writes a condition: lines, and its register. `uniform`: the same in all threads of the block.
    fn decide(&mut self, uniform: bool) -> (Vec<String>, String) {
        let q = format!("%q{}", self.fresh());
        let line = match self.rng.u8(..3) {
            _ if uniform => format!("setp.{}.u32 {q}, %bid, {};", self.pick(&["lt", "eq", "ne"]), self.rng.u32(..3)),
            0 if !self.in_function => {
                format!("setp.{}.u32 {q}, %me, {};", self.pick(&["lt", "ge", "ne"]), self.rng.u32(..self.threads + 2))
            }
            1 => {
                let [a, b] = [(); 2].map(|()| register(&mut self.rng, U32));
                format!("setp.{}.u32 {q}, {a}, {b};", self.pick(&["lt", "ge", "ne", "hi"]))
            }
            _ => format!("mov.pred {q}, %p{};", self.rng.u32(..4)),
        };
        (vec![line], q)
    }

    fn condition(&mut self, context: &Context, budget: &mut i32) -> Statement {
        let uniform = context.whole && self.rng.bool();
        let (mut head, q) = self.decide(uniform);
        let label = self.fresh();
        let mut inside = [context.clone(), context.clone()];
        for (side, not) in inside.iter_mut().zip(["", "!"]) {
            side.depth += 1;
            if uniform {
                continue;
            }
            side.whole = false;
            side.members = match &context.members {
                Some(members) if self.next + 2 < NESTED && self.rng.u8(..4) != 0 => {
                    let mask = format!("%m{}", self.fresh());
                    head.push(format!("vote.sync.ballot.b32 {mask}, {not}{q}, {members};"));
                    Some(mask)
                }
                _ => None,
            };
        }
        let uni = if uniform { ".uni" } else { "" };
        head.push(format!("@!{q} bra{uni} ELSE{label};"));
        let mut then = self.share(budget);
        let mut parts = vec![(head, self.statements(&inside[0], &mut then))];
        let other = vec![format!("bra{uni} END{label};"), format!("ELSE{label}:")];
        let mut otherwise = if self.rng.bool() { self.share(budget) } else { 0 };
        parts.push((other, self.statements(&inside[1], &mut otherwise)));
        Statement::Nest { parts, tail: vec![format!("END{label}:")] }
    }

    fn repeat(&mut self, context: &Context, budget: &mut i32) -> Statement {
        let (n, same) = (self.fresh(), self.rng.bool());
        let (counter, q) = (format!("%c{n}"), format!("%q{n}"));
        let mut inside = context.clone();
        inside.depth += 1;
        let (mut head, most) = (Vec::new(), format!("%m{n}"));
        if same {
            head.push(format!("mov.u32 {most}, {};", self.rng.u32(..4)));
        } else {
            head.push(format!("and.b32 {most}, {}, 3;", register(&mut self.rng, U32)));
            (inside.whole, inside.members) = (false, None);
        }
        head.push(format!("mov.u32 {counter}, 0;"));
        head.push(format!("LOOP{n}:"));
        let step = format!("add.u32 {counter}, {counter}, 1;");
        let mut share = self.share(budget);
        let uni = if same && context.whole { ".uni" } else { "" };
        if self.rng.bool() {
            head.extend([format!("setp.ge.u32 {q}, {counter}, {most};"), format!("@{q} bra{uni} END{n};"), step]);
            let tail = vec![format!("bra{uni} LOOP{n};"), format!("END{n}:")];
            Statement::Nest { parts: vec![(head, self.statements(&inside, &mut share))], tail }
        } else {
            head.push(step);
            let tail = vec![format!("setp.lt.u32 {q}, {counter}, {most};"), format!("@{q} bra{uni} LOOP{n};")];
            Statement::Nest { parts: vec![(head, self.statements(&inside, &mut share))], tail }
        }
    }

    fn switch(&mut self, context: &Context, budget: &mut i32) -> Statement {
        let (n, uniform) = (self.fresh(), context.whole && self.rng.bool());
        let arms = self.rng.usize(2..=4);
        let mut inside = context.clone();
        inside.depth += 1;
        let index = format!("%m{n}");
        let mut head = Vec::new();
        if uniform {
            head.push(format!("and.b32 {index}, %bid, 3;"));
        } else {
            (inside.whole, inside.members) = (false, None);
            head.push(format!("and.b32 {index}, {}, 3;", register(&mut self.rng, U32)));
        }
        let labels: Vec<String> = (0..arms).map(|arm| format!("ARM{n}_{arm}")).collect();
        head.push(format!("min.u32 {index}, {index}, {};", arms - 1));
        head.push(format!("TABLE{n}: .branchtargets {};", labels.join(", ")));
        head.push(format!("brx.idx{} {index}, TABLE{n};", if uniform { ".uni" } else { "" }));
        let mut parts = Vec::new();
        for label in labels {
            head.push(format!("{label}:"));
            let mut share = self.share(budget).min(4);
            let body = self.statements(&inside, &mut share);
            // Some arms go on into the next one.
            let next = if self.rng.u8(..4) == 0 { Vec::new() } else { vec![format!("bra END{n};")] };
            parts.push((std::mem::replace(&mut head, next), body));
        }
        head.push(format!("END{n}:"));
        Statement::Nest { parts, tail: head }
    }

    fn call(&mut self, context: &Context) -> Vec<String> {
        let name = self.callable[self.rng.usize(..self.callable.len())].clone();
        let (n, func) = (self.fresh_label(), self.pick(&["param", "param::func"]));
        // An assembler takes no guard at the load of a result, so a GPU gets calls without guards.
        let guarded = self.purpose == Purpose::Engines && !context.whole && self.chance(4);
        let guard = if guarded { format!("@%p{} ", self.rng.u32(..4)) } else { String::new() };
        let uni = if context.whole { ".uni" } else { "" };
        let (a, b, r) = (register(&mut self.rng, U32), register(&mut self.rng, B64), register(&mut self.rng, U32));
        vec![
            "{".into(),
            format!(".param .b32 a{n};\n.param .b64 b{n};\n.param .b32 r{n};"),
            format!("st.{func}.b32 [a{n}], {a};"),
            format!("st.{func}.b64 [b{n}], {b};"),
            format!("{guard}call{uni} (r{n}), {name}, (a{n}, b{n});"),
            format!("{guard}ld.{func}.b32 {r}, [r{n}];"),
            "}".into(),
        ]
    }

    /// Numbers of labels and names without registers may go on for ever.
    fn fresh_label(&mut self) -> u32 {
        self.rng.u32(1000..1_000_000)
    }

    /// All threads meet, read what others have written, and meet again.
    fn exchange(&mut self) -> Vec<String> {
        let (id, by) = (self.rng.u32(..16), self.rng.u32(..self.threads));
        let shared = self.rng.u8(..3) != 0;
        let ty = [U32, B64][self.rng.usize(..2)];
        let (space, base) = if shared { ("shared", "%cell") } else { ("global", "%own") };
        let target = register(&mut self.rng, ty);
        let at = self.rng.u32(..CELL / ty.bytes()) * ty.bytes();
        vec![
            format!("bar.sync {id};"),
            format!("add.u32 %y0, %me, {by};"),
            format!("rem.u32 %y0, %y0, {};", self.threads),
            "mul.wide.u32 %z0, %y0, 32;".into(),
            "mul.wide.u32 %z1, %me, 32;".into(),
            format!("sub.u64 %z1, {base}, %z1;"),
            "add.u64 %z0, %z0, %z1;".into(),
            format!("ld.{space}.{} {target}, [%z0+{at}];", ty.name),
            format!("bar.sync {id};"),
        ]
    }
}
