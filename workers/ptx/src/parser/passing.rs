//! Values that functions pass in registers, rewritten to parameter variables: the form that all compilers emit.

use super::{Parser, Result};
use crate::ast::{Base, Instruction, Operand, RegId, Statement, Type, VarId};
use crate::error::Error;

/// Most stores before the ends of a function.
const MAX_RETURNED: u64 = 1 << 20;

/// Returns and parameters of a function.
pub(super) type Signature = (Vec<VarId>, Vec<VarId>);

/// Parameters and the registers of the text that stand for them.
type Registers = [(VarId, RegId, Type)];

/// `ld.param` or `st.param` at the place of another instruction.
fn copy(at: &Instruction, opcode: &str, ty: Type, operands: Vec<Operand>) -> Instruction {
    Instruction { text: format!("{opcode}.{}", ty.name()), operands, ..at.clone() }
}

fn load(at: &Instruction, ty: Type, to: Operand, from: VarId) -> Instruction {
    copy(at, "ld.param", ty, vec![to, Operand::Address(Base::Var(from), 0)])
}

fn store(at: &Instruction, ty: Type, to: VarId, from: Operand) -> Instruction {
    copy(at, "st.param", ty, vec![Operand::Address(Base::Var(to), 0), from])
}

/// Lets a function read its parameters from variables at its start, and write its returns before it leaves.
pub(super) fn bind(
    body: &mut Vec<Statement>,
    params: &Registers,
    returns: &Registers,
    line: u32,
    column: u32,
) -> Result<()> {
    if params.is_empty() && returns.is_empty() {
        return Ok(());
    }
    let leaves =
        body.iter().filter(|statement| matches!(statement, Statement::Instruction(ins) if ins.name() == "ret"));
    let found = (leaves.count() as u64 + 1).saturating_mul(returns.len() as u64);
    if found > MAX_RETURNED {
        let what = "the number of values that a function returns in registers at all its ends";
        return Err(Error::Limit { line, column, what, found, limit: MAX_RETURNED });
    }
    let blank = |line| Instruction { line, column: 0, guard: None, text: String::new(), operands: Vec::new() };
    let line = |statement: Option<&Statement>| match statement {
        Some(Statement::Instruction(ins)) => ins.line,
        Some(Statement::Label(_, line)) => *line,
        _ => 0,
    };
    let first = blank(line(body.first()));
    let loads = params.iter().map(|(id, register, ty)| load(&first, *ty, Operand::Reg(*register), *id));
    let mut bound: Vec<Statement> = loads.map(Statement::Instruction).collect();
    let leave = |at: &Instruction, bound: &mut Vec<Statement>| {
        for (id, register, ty) in returns {
            bound.push(Statement::Instruction(store(at, *ty, *id, Operand::Reg(*register))));
        }
    };
    let last = blank(line(body.last()));
    for statement in body.drain(..) {
        if let Statement::Instruction(ins) = &statement
            && ins.name() == "ret"
        {
            leave(ins, &mut bound);
        }
        bound.push(statement);
    }
    leave(&last, &mut bound);
    *body = bound;
    Ok(())
}

impl Parser<'_> {
    /// Adds a call; arguments and results that are registers or numbers go through variables of their own.
    pub(super) fn call(&mut self, mut call: Instruction, statements: &mut Vec<Statement>) -> Result<()> {
        let Some(name) = call.operands.iter().position(|operand| matches!(operand, Operand::Name(_))) else {
            statements.push(Statement::Instruction(call));
            return Ok(());
        };
        let Operand::Name(callee) = &call.operands[name] else { return Ok(()) };
        let callee = self.aliases.get(callee).unwrap_or(callee);
        let signature = self.signatures.get(callee).cloned().unwrap_or_default();
        let (returns, params) = &*signature;
        let mut after = Vec::new();
        let mut operands = std::mem::take(&mut call.operands);
        for (at, operand) in operands.iter_mut().enumerate() {
            let list = match operand {
                Operand::List(list) => list,
                _ => continue,
            };
            let formals = if at < name { returns } else { params };
            for (i, actual) in list.iter_mut().enumerate() {
                let formal = formals.get(i).map(|id| self.ast.variable(*id).ty);
                let ty = match actual {
                    Operand::Reg(id) => self.registers[id.0 as usize],
                    Operand::Int(_) | Operand::Single(_) | Operand::Double(_) => match formal {
                        Some(ty) => ty,
                        None => continue,
                    },
                    _ => continue,
                };
                let ty = formal.filter(|formal| formal.len() == ty.len()).unwrap_or(ty);
                if ty == Type::Pred {
                    continue;
                }
                let carrier = self.carrier("argument".into(), ty);
                let value = std::mem::replace(actual, Operand::Symbol(carrier, 0));
                if at < name {
                    after.push(Statement::Instruction(load(&call, ty, value, carrier)));
                } else {
                    statements.push(Statement::Instruction(store(&call, ty, carrier, value)));
                }
            }
        }
        call.operands = operands;
        statements.push(Statement::Instruction(call));
        statements.extend(after);
        Ok(())
    }
}
