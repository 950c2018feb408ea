//! The check of the reproducible profile `tessera-ptx-1`: what is refused, where, and why.

use std::collections::HashSet;
use std::fmt;

use crate::ast::{Ast, Function, Instruction, Operand, RegId, Statement, Type};
use crate::error::Space;
use crate::opcode::{self, Float, Kind};

/// Something in a module that is not in the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Line of the module, from 1.
    pub line: u32,
    /// The opcode with its modifiers, or what else is refused.
    pub instruction: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` is not reproducible: {}", self.line, self.instruction, self.reason)
    }
}

/// All refusals, in the order of lines.
pub(crate) fn check(ast: &Ast) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if !target_is_known(&ast.target) {
        refusals.push(Refusal {
            line: 1,
            instruction: format!(".target {}", ast.target),
            reason: "the profile is for sm_80 without architecture-specific features: compile with -arch=compute_80"
                .into(),
        });
    }
    for id in &ast.globals {
        let variable = ast.variable(*id);
        if variable.space == Space::Global && variable.init.is_none() {
            refusals.push(Refusal {
                line: variable.line,
                instruction: variable.name.clone(),
                reason: "a variable without initial value would carry what one unit wrote to the next: use a buffer"
                    .into(),
            });
        }
    }
    for function in &ast.functions {
        let read = read_registers(function);
        for statement in &function.body {
            if let Statement::Instruction(ins) = statement {
                instruction(ins, &read, &mut refusals);
            }
        }
    }
    refusals.sort_by_key(|refusal| refusal.line);
    refusals
}

/// Whether a target is sm_80 or older, with no features of one architecture.
fn target_is_known(target: &str) -> bool {
    let number = target.strip_prefix("sm_").and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| (50..=80).contains(&number))
}

/// Registers that some instruction reads.
fn read_registers(function: &Function) -> HashSet<RegId> {
    fn collect(operand: &Operand, read: &mut HashSet<RegId>) {
        match operand {
            Operand::Reg(id) | Operand::Not(id) | Operand::Address(crate::ast::Base::Reg(id), _) => {
                read.insert(*id);
            }
            Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| collect(part, read)),
            Operand::Pair(first, second) => [first, second].into_iter().for_each(|part| collect(part, read)),
            _ => {}
        }
    }
    let mut read = HashSet::new();
    for statement in &function.body {
        let Statement::Instruction(ins) = statement else { continue };
        if let Some((id, _)) = ins.guard {
            read.insert(id);
        }
        // Stores and the like have no destination: their first operand is read too.
        let kind = opcode::find(ins.name()).map(|op| op.kind);
        let first_is_read =
            matches!(kind, Some(Kind::St | Kind::Red | Kind::Bar | Kind::Brx | Kind::Call | Kind::CpAsync));
        for operand in ins.operands.iter().skip(usize::from(!first_is_read)) {
            collect(operand, &mut read);
        }
    }
    read
}

fn instruction(ins: &Instruction, read: &HashSet<RegId>, refusals: &mut Vec<Refusal>) {
    // The first reason is enough: the others would repeat the line.
    let before = refusals.len();
    let mut refuse = |reason: String| {
        if refusals.len() == before {
            refusals.push(Refusal { line: ins.line, instruction: ins.text.clone(), reason });
        }
    };
    let Some(op) = opcode::find(ins.name()) else { return refuse("unknown instruction".into()) };
    if let Some(reason) = op.refused {
        return refuse(reason.into());
    }
    let float = ins.types().find(|ty| ty.is_float());
    let mut has_mode = false;
    for modifier in ins.modifiers() {
        has_mode |= matches!(modifier, "rn" | "rz" | "rm" | "rp" | "approx" | "full");
        match Type::parse(modifier) {
            Some(ty) if op.types.contains(&ty) => {}
            Some(ty) if ty.is_float() => match (op.float, opcode::refused_modifier(modifier)) {
                (Float::Refused(reason), _) | (_, Some(reason)) => refuse(reason.into()),
                _ => refuse(format!("not for type .{modifier}")),
            },
            Some(_) => refuse(format!("not for type .{modifier}")),
            None if op.modifiers.contains(&modifier) || cache_hint(op.kind, modifier) => {}
            None => match opcode::refused_modifier(modifier) {
                Some(reason) => refuse(format!(".{modifier}: {reason}")),
                None => refuse(format!(".{modifier} is not in the profile")),
            },
        }
    }
    if op.float == Float::Rounded && float.is_some() && !has_mode {
        refuse(
            "without a rounding mode the compiler may fuse it with another operation: compile with --fmad=false".into(),
        );
    }
    if matches!(op.kind, Kind::Shfl | Kind::Vote) && !ins.has("sync") {
        refuse("without .sync the lanes that take part are not defined".into());
    }
    if op.kind == Kind::Atom {
        if ins.has("exch") || ins.has("cas") {
            refuse("its effect depends on the order in which threads reach it".into());
        } else if let Some(Operand::Reg(id)) = ins.operands.first()
            && read.contains(id)
        {
            refuse("the value that it returns depends on the order in which threads reach it".into());
        }
    }
    specials(&ins.operands, &mut refuse);
}

/// Hints to caches change no result.
fn cache_hint(kind: Kind, modifier: &str) -> bool {
    matches!(kind, Kind::Ld | Kind::St)
        && (modifier.starts_with("L1::") || modifier.starts_with("L2::") || modifier == "level::eviction_priority")
}

fn specials(operands: &[Operand], refuse: &mut impl FnMut(String)) {
    for operand in operands {
        match operand {
            Operand::Special(name) => {
                if let Some(reason) = opcode::refused_special(name) {
                    refuse(format!("%{name}: {reason}"));
                }
            }
            Operand::Vector(parts) | Operand::List(parts) => specials(parts, refuse),
            _ => {}
        }
    }
}
