//! The check of the reproducible profile `tessera-ptx-1`: what is refused, where, why, and what to write instead.

mod convert;
mod instruction;
mod pending;
mod pointers;
mod value;

use std::collections::HashSet;
use std::fmt;

use crate::ast::{Ast, Statement};
use crate::error::{Error, Space, place};
use crate::opcode::Advice;

/// Most refusals that a check returns: nobody reads more, and a hostile module could have millions.
const MAX_REFUSALS: usize = 10_000;

/// Something in a module that is not in the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Line of the module, from 1.
    pub line: u32,
    /// Column of that line in bytes, from 1; 0 where the whole line is meant.
    pub column: u32,
    /// The opcode with its modifiers, or what else is refused.
    pub instruction: String,
    /// Why.
    pub reason: String,
    /// What to write in its place, where something does the same.
    pub instead: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = place(self.line, self.column);
        write!(f, "{place}: `{}` is not reproducible: {}", self.instruction, self.reason)?;
        match &self.instead {
            Some(instead) => write!(f, "; instead: {instead}"),
            None => Ok(()),
        }
    }
}

/// A reason, and what to write instead.
struct Why {
    reason: String,
    instead: Option<String>,
}

impl Why {
    fn new(reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { reason: reason.into(), instead: Some(instead.into()) }
    }
}

impl From<Advice> for Why {
    fn from(advice: Advice) -> Self {
        Self::new(advice.reason, advice.instead)
    }
}

/// All refusals in the order of the text. `errors` are what lowering the kernels found: what the table allows and this
/// machine cannot do.
pub(crate) fn check<'a>(ast: &Ast, errors: impl Iterator<Item = &'a Error>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if !target_is_known(&ast.target) {
        refusals.push(Refusal {
            line: 1,
            column: 0,
            instruction: format!(".target {}", ast.target),
            reason: "a module must run on every GPU since sm_80, without features of one architecture".into(),
            instead: Some("-arch=compute_80".into()),
        });
    }
    refusals.extend(ast.remarks.iter().take(MAX_REFUSALS).map(|remark| Refusal {
        line: remark.line,
        column: remark.column,
        instruction: remark.what.clone(),
        reason: remark.reason.into(),
        instead: Some(remark.instead.into()),
    }));
    variables(ast, &mut refusals);
    for function in &ast.functions {
        let mut refused = HashSet::new();
        let facts = instruction::Facts::new(ast, function);
        for (at, statement) in function.body.iter().enumerate() {
            let Statement::Instruction(ins) = statement else { continue };
            if let Some(why) = instruction::check(ins, &facts) {
                refused.insert(at);
                refusals.push(refusal(ins.line, ins.column, &ins.text, why));
            }
            if refusals.len() >= MAX_REFUSALS {
                break;
            }
        }
        for (at, why) in pointers::check(ast, function) {
            // The first reason is enough: others would repeat the place.
            if let (Statement::Instruction(ins), false) = (&function.body[at], refused.contains(&at)) {
                refusals.push(refusal(ins.line, ins.column, &ins.text, why));
            }
        }
        if refusals.len() >= MAX_REFUSALS {
            break;
        }
    }
    let mut lines: HashSet<u32> = refusals.iter().map(|refusal| refusal.line).collect();
    refusals.extend(errors.map(cannot_run).filter(|refusal| lines.insert(refusal.line)));
    refusals.sort_by_key(|refusal| (refusal.line, refusal.column));
    refusals.truncate(MAX_REFUSALS);
    refusals
}

fn refusal(line: u32, column: u32, text: &str, why: Why) -> Refusal {
    Refusal { line, column, instruction: text.to_string(), reason: why.reason, instead: why.instead }
}

fn cannot_run(error: &Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    let (instruction, reason) = match error {
        Error::Unsupported { instruction, reason, .. } => (instruction.clone(), reason.clone()),
        Error::Name { name, problem, .. } => (name.clone(), (*problem).to_string()),
        other => (String::new(), other.to_string()),
    };
    Refusal { line, column, instruction, reason, instead: None }
}

fn variables(ast: &Ast, refusals: &mut Vec<Refusal>) {
    for id in &ast.globals {
        let variable = ast.variable(*id);
        if variable.space != Space::Global || variable.init.is_some() {
            continue;
        }
        let why = if variable.external {
            Why::new("a variable of another module has no value here", "a buffer, or the definition in this module")
        } else {
            Why::new("a variable without initial value would carry what one unit wrote to the next", "a buffer")
        };
        refusals.push(refusal(variable.line, variable.column, &variable.name, why));
        if refusals.len() >= MAX_REFUSALS {
            return;
        }
    }
}

/// Whether a target is sm_80 or older, with no features of one architecture. Options for debuggers and textures change
/// no result.
fn target_is_known(target: &str) -> bool {
    let mut parts = target.split(',');
    let number = parts.next().and_then(|name| name.strip_prefix("sm_")).and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| (50..=80).contains(&number))
        && parts.all(|option| matches!(option, "debug" | "texmode_unified" | "texmode_independent"))
}
