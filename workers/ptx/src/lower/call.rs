//! Lowers calls: which functions a kernel reaches, and what they are handed.

use alloc::collections::BTreeMap;

use super::builder::Builder;
use super::cost;
use super::flow::Open;
use crate::ast::{Function, Instruction, Operand, Statement, VarId};
use crate::error::Error;
use crate::ir::{End, Guard, Op, What};

type Result<T> = std::result::Result<T, Error>;

/// Most functions that a kernel may reach.
const MAX_FUNCTIONS: usize = 4096;

/// What a failed `assert` calls.
pub(super) const ASSERT: &str = "__assertfail";

/// What callers need to know of a function that is lowered.
pub(super) struct Callee {
    pub entry: u32,
    pub link: u32,
}

impl<'a> Builder<'a> {
    /// The kernel and the functions that it reaches, each after those it calls.
    pub(super) fn reachable(&mut self, kernel: &'a Function) -> Result<Vec<&'a Function>> {
        let ast = self.ast;
        self.charge(cost(kernel) + 8 * self.layout.dynamic.len() as u64, kernel.line)?;
        let mut order: Vec<&Function> = Vec::new();
        // Functions that were met, and whether all that they call was met too.
        let mut met: BTreeMap<&str, bool> = BTreeMap::from([(kernel.name.as_str(), false)]);
        // Depth first, with an own stack: calls of the function, and the next one to visit.
        let mut stack = vec![(kernel, calls(kernel), 0)];
        while let Some((function, called, next)) = stack.last_mut() {
            let Some(&(name, line)) = called.get(*next) else {
                met.insert(&function.name, true);
                order.push(function);
                stack.pop();
                continue;
            };
            *next += 1;
            let wrong = |problem| Err(Error::Name { line, column: 0, name: name.to_string(), problem });
            match met.get(name) {
                Some(true) => continue,
                Some(false) => {
                    return wrong("calls itself: recursion is not in the profile, its depth depends on the device");
                }
                None if name == ASSERT => continue,
                None if name == "vprintf" => return wrong("prints: write to a buffer instead"),
                None => {}
            }
            let Some(callee) = ast.function(name).filter(|function| !function.entry) else {
                return wrong("is called but not defined in this module");
            };
            if met.len() > MAX_FUNCTIONS {
                let (found, limit) = (met.len() as u64, MAX_FUNCTIONS as u64);
                return Err(Error::Limit { line, column: 0, what: "the number of functions", found, limit });
            }
            self.charge(cost(callee), callee.line)?;
            met.insert(name, false);
            stack.push((callee, calls(callee), 0));
        }
        Ok(order)
    }

    pub(super) fn call(
        &mut self,
        ins: &Instruction,
        guard: Option<Guard>,
        open: &mut Open,
        callees: &BTreeMap<&str, Callee>,
    ) -> Result<()> {
        let (mut results, mut name, mut arguments) = (&[][..], None, &[][..]);
        for operand in &ins.operands {
            match operand {
                Operand::List(list) if name.is_none() => results = list,
                Operand::List(list) => arguments = list,
                Operand::Name(found) => name = Some(found),
                _ => return Err(ins.unsupported("only direct calls are in the profile")),
            }
        }
        let callee = name.and_then(|name| callees.get_key_value(name.as_str()));
        let (name, Callee { entry, link: target_link }) =
            callee.ok_or_else(|| ins.unsupported("only direct calls are in the profile"))?;
        let (entry, target_link) = (*entry, *target_link);
        let function = self.ast.function(name).ok_or_else(|| ins.unsupported("unknown function"))?;
        let copies = |formals: &[VarId], actuals: &[Operand]| -> Result<Vec<(VarId, VarId)>> {
            if formals.len() != actuals.len() {
                return Err(ins.unsupported(format!("{} parameters, expected {}", actuals.len(), formals.len())));
            }
            let mut pairs = Vec::new();
            for (formal, actual) in formals.iter().zip(actuals) {
                let Operand::Symbol(actual, 0) = actual else {
                    return Err(ins.unsupported("parameters are passed in .param variables"));
                };
                if self.ast.variable(*formal).len != self.ast.variable(*actual).len {
                    return Err(ins.unsupported("a parameter has another size than declared"));
                }
                pairs.push((*formal, *actual));
            }
            Ok(pairs)
        };
        let (inputs, outputs) = (copies(&function.params, arguments)?, copies(&function.returns, results)?);
        if let Some(guard) = guard {
            let own = self.blocks.len() as u32 + 1;
            // Threads outside the guard skip the blocks of the call: before it, and after it.
            self.close(open, End::Branch { guard, taken: own, next: own + 2 }, ins.line);
        }
        for (formal, actual) in inputs {
            self.copy_param(formal, actual)?;
        }
        let back = self.blocks.len() as u32 + 1;
        self.close(open, End::Call { target: entry, link: target_link, back }, ins.line);
        for (formal, actual) in outputs {
            self.copy_param(actual, formal)?;
        }
        if guard.is_some() {
            let next = self.blocks.len() as u32 + 1;
            self.close(open, End::Jump(next), ins.line);
        }
        Ok(())
    }

    fn copy_param(&mut self, to: VarId, from: VarId) -> Result<()> {
        let (len, to, from) = (self.ast.variable(to).len, self.address(to)?, self.address(from)?);
        let what = What::CopyLocal { to: to as u32, from: from as u32, len: len as u32 };
        self.ops.push(Op { what, guard: None, line: self.line });
        Ok(())
    }
}

/// Names that a function calls, with lines.
fn calls(function: &Function) -> Vec<(&str, u32)> {
    let mut names = Vec::new();
    for statement in &function.body {
        if let Statement::Instruction(ins) = statement
            && ins.name() == "call"
            // A call through a register is refused where it is lowered.
            && !ins.operands.iter().any(|operand| matches!(operand, Operand::Reg(_)))
        {
            names.extend(ins.operands.iter().filter_map(|operand| match operand {
                Operand::Name(name) => Some((name.as_str(), ins.line)),
                _ => None,
            }));
        }
    }
    names
}
