//! Whether one instruction is in the profile: its opcode, types, modifiers and operands.

use std::collections::HashSet;

use super::{Why, convert, pending};
use crate::ast::{Ast, Base, Function, Instruction, Operand, RegId, Statement, Type};
use crate::opcode::{self, Form, Kind, Opcode, Rounding};

/// What the check of an instruction needs to know of its function and module.
pub(super) struct Facts<'a> {
    ast: &'a Ast,
    /// Registers that some instruction reads.
    read: HashSet<RegId>,
}

impl<'a> Facts<'a> {
    pub fn new(ast: &'a Ast, function: &Function) -> Self {
        let mut read = HashSet::new();
        let mut atomics = false;
        for statement in &function.body {
            let Statement::Instruction(ins) = statement else { continue };
            atomics |= ins.name() == "atom";
            read.extend(ins.guard.map(|(id, _)| id));
            for (i, operand) in ins.operands.iter().enumerate() {
                collect(operand, i > 0 || !has_destination(ins), &mut read);
            }
        }
        if !atomics {
            read.clear();
        }
        Self { ast, read }
    }
}

/// Whether the first operand is written.
pub(super) fn has_destination(ins: &Instruction) -> bool {
    match opcode::find(&ins.text).map(|row| row.kind) {
        None | Some(Kind::Refused) => false,
        Some(Kind::Bar) => ins.has("red"),
        Some(kind) => !matches!(
            kind,
            Kind::Bra
                | Kind::Brx
                | Kind::Call
                | Kind::CpAsync
                | Kind::CpCommit
                | Kind::CpWait
                | Kind::Exit
                | Kind::Fence
                | Kind::Nop
                | Kind::Red
                | Kind::Ret
                | Kind::St
                | Kind::Trap
        ),
    }
}

/// Registers that an operand reads; the base of an address is read even where the operand is written.
fn collect(operand: &Operand, reads: bool, read: &mut HashSet<RegId>) {
    match operand {
        Operand::Reg(id) | Operand::Not(id) if reads => {
            read.insert(*id);
        }
        Operand::Address(Base::Reg(id), _) => {
            read.insert(*id);
        }
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| collect(part, reads, read)),
        Operand::Pair(first, second) => [first, second].into_iter().for_each(|part| collect(part, reads, read)),
        _ => {}
    }
}

/// Why an instruction is refused; the first reason is enough.
pub(super) fn check(ins: &Instruction, facts: &Facts) -> Option<Why> {
    let Some(row) = opcode::find(&ins.text) else {
        return Some(Why { reason: "unknown instruction".into(), instead: None });
    };
    if let Some(reason) = row.refused {
        return Some(Why::new(reason, row.instead));
    }
    order(ins, row, facts)
        .or_else(|| form(ins, row))
        .or_else(|| convergence(ins, row.kind))
        .or_else(|| if row.kind == Kind::Cvt { convert::check(ins) } else { None })
        .or_else(|| if row.kind == Kind::Call { call(ins, facts) } else { None })
        .or_else(|| specials(&ins.operands))
        .or_else(|| pending::check(ins, row.kind).map(|reason| Why { reason: reason.into(), instead: None }))
}

/// Whether types and modifiers go together.
fn form(ins: &Instruction, row: &Opcode) -> Option<Why> {
    for modifier in ins.modifiers().filter(|modifier| !row.knows(modifier)) {
        if let Some(advice) = opcode::modifier_advice(row.kind, modifier) {
            let why = Why::from(advice);
            let reason =
                if Type::parse(modifier).is_some() { why.reason } else { format!(".{modifier}: {}", why.reason) };
            return Some(Why { reason, ..why });
        }
    }
    let misfit = |form: &Form| {
        let fits = |modifier: &&str| match Type::parse(modifier) {
            Some(ty) => form.types.contains(&ty),
            None => {
                form.modifiers.contains(modifier)
                    || row.name.split('.').skip(1).any(|part| part == *modifier)
                    || opcode::is_cache_hint(row.kind, modifier)
            }
        };
        ins.modifiers().position(|modifier| !fits(&modifier))
    };
    let mut best: Option<(usize, &Form)> = None;
    for form in row.forms {
        match misfit(form) {
            None => return rounding(ins, form),
            // The form that goes furthest, or has the type, tells best what is wrong.
            Some(at) => {
                let rank = |at: usize, form: &Form| (ins.types().all(|ty| form.types.contains(&ty)), at);
                if best.is_none_or(|(best_at, best_form)| rank(at, form) > rank(best_at, best_form)) {
                    best = Some((at, form));
                }
            }
        }
    }
    let (at, form) = best?;
    let modifier = ins.modifiers().nth(at).unwrap_or_default();
    let name = row.name;
    if Type::parse(modifier).is_some() {
        let mut types: Vec<&str> = Vec::new();
        for ty in row.forms.iter().flat_map(|form| form.types) {
            if !types.contains(&ty.name()) {
                types.push(ty.name());
            }
        }
        if types.is_empty() {
            return Some(Why::new(format!("not for type .{modifier}"), format!("{name} without a type")));
        }
        return Some(Why::new(format!("not for type .{modifier}"), format!("{name} with one of {}", types.join(", "))));
    }
    let allowed: Vec<String> = form.modifiers.iter().map(|modifier| format!(".{modifier}")).collect();
    let with = ins.types().next().map_or_else(String::new, |ty| format!(" for .{}", ty.name()));
    let instead = match allowed.is_empty() {
        true => format!("{name}{with} without modifiers"),
        false => format!("{name}{with} with {} only", allowed.join(" ")),
    };
    Some(Why::new(format!(".{modifier} is not in the profile{with}"), instead))
}

fn rounding(ins: &Instruction, form: &Form) -> Option<Why> {
    let modes = ["rn", "rz", "rm", "rp"];
    if form.rounding != Rounding::Written || modes.iter().any(|mode| ins.has(mode)) {
        return None;
    }
    let (name, ty) = (ins.name(), ins.types().next().map_or("f32", Type::name));
    Some(Why::new(
        "without a rounding mode the compiler may fuse it with another operation",
        format!("{name}.rn.{ty}: compile with --fmad=false"),
    ))
}

/// What depends on the order in which threads come.
fn order(ins: &Instruction, row: &Opcode, facts: &Facts) -> Option<Why> {
    let atom = row.kind == Kind::Atom;
    if !atom && row.kind != Kind::Red {
        return None;
    }
    if atom && (ins.has("exch") || ins.has("cas")) {
        return Some(Why::new(
            "its effect depends on the order in which threads reach it",
            "red with .add, .min, .max, .and, .or or .xor",
        ));
    }
    // A bound that differs between threads makes the order matter.
    let bound = ins.operands.get(1 + usize::from(atom));
    if (ins.has("inc") || ins.has("dec")) && !matches!(bound, Some(Operand::Int(_))) {
        return Some(Why::new(
            "with bounds that may differ its effect depends on the order in which threads reach it",
            "a constant as bound, or .add",
        ));
    }
    match ins.operands.first() {
        Some(Operand::Reg(id)) if atom && facts.read.contains(id) => Some(Why::new(
            "the value that it returns depends on the order in which threads reach it",
            "red, and a prefix sum where each thread needs a place of its own",
        )),
        _ => None,
    }
}

/// Which lanes take part must be written.
fn convergence(ins: &Instruction, kind: Kind) -> Option<Why> {
    let partial = matches!(kind, Kind::Shfl | Kind::Vote | Kind::Match | Kind::Redux | Kind::Ldmatrix | Kind::Mma);
    (partial && !ins.has("sync")).then(|| {
        Why::new("without .sync the lanes that take part are not defined", format!("{}.sync with a mask", ins.name()))
    })
}

fn call(ins: &Instruction, facts: &Facts) -> Option<Why> {
    if ins.operands.iter().any(|operand| matches!(operand, Operand::Reg(_))) {
        return Some(Why::new("only direct calls are in the profile", "a switch whose cases call functions by name"));
    }
    let name = ins.operands.iter().find_map(|operand| match operand {
        Operand::Name(name) => Some(name.as_str()),
        _ => None,
    })?;
    if !facts.ast.declared.contains(name) {
        return None;
    }
    match name {
        "vprintf" => Some(Why::new("a kernel cannot print", "a buffer for what you want to see")),
        "malloc" | "free" => Some(Why::new("device memory has no heap in the profile", "a buffer of fixed size")),
        _ => None,
    }
}

fn specials(operands: &[Operand]) -> Option<Why> {
    operands.iter().find_map(|operand| match operand {
        Operand::Special(name) => {
            let why = Why::from(opcode::refused_special(name)?);
            Some(Why { reason: format!("%{name}: {}", why.reason), ..why })
        }
        Operand::Vector(parts) | Operand::List(parts) => specials(parts),
        _ => None,
    })
}
