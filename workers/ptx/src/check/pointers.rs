//! Where pointers go: their values differ between machines, so they may only become addresses.
//!
//! Every register of a function gets one value that holds at all its definitions, found by propagation to a fixed point.
//! A register that is a pointer at some definitions and a number at others is followed from its last definition to the
//! next label, and taken for unknown after it. A parameter is a pointer if the text says so (`.ptr`), if it becomes an
//! address, or if `cvta` takes it; other 64-bit parameters are numbers.

use std::collections::{HashMap, HashSet};

use super::Why;
use super::instruction::has_destination;
use super::value::{Origin, Pointer, Value, comparable, keeps_pointer, sum};
use crate::ast::{Ast, Base, Function, Instruction, Operand, RegId, Statement, VarId};
use crate::error::Space;
use crate::opcode::{self, Kind};

/// Places in a function's body and why each misuses a pointer.
pub(super) fn check(ast: &Ast, function: &Function) -> Vec<(usize, Why)> {
    let flow = Flow::new(ast, function);
    let first = flow.values(|variable, _| (true, ast.variable(variable).pointer));
    let proven = flow.proven(&first);
    let param = |variable, offset| {
        let pointer = proven.contains(&(variable, offset)) || ast.variable(variable).pointer;
        (pointer, pointer)
    };
    let values = flow.values(param);
    flow.misuses(&values, param)
}

/// Instructions of a function, with what each does.
struct Flow<'a> {
    ast: &'a Ast,
    function: &'a Function,
    instructions: Vec<(usize, &'a Instruction, Kind)>,
    /// By register: positions in `instructions` that read it.
    uses: Vec<Vec<u32>>,
}

impl<'a> Flow<'a> {
    fn new(ast: &'a Ast, function: &'a Function) -> Self {
        let mut instructions = Vec::new();
        let mut uses = vec![Vec::new(); function.registers.len()];
        for (at, statement) in function.body.iter().enumerate() {
            let Statement::Instruction(ins) = statement else { continue };
            let Some(row) = opcode::find(&ins.text).filter(|row| row.refused.is_none()) else { continue };
            let position = instructions.len() as u32;
            let from = usize::from(has_destination(ins));
            for operand in ins.operands.iter().skip(from) {
                for_each_register(operand, &mut |id| uses[id.0 as usize].push(position));
            }
            instructions.push((at, ins, row.kind));
        }
        Self { ast, function, instructions, uses }
    }

    /// One value for each register. `param` tells of eight bytes of a parameter whether they may be a pointer, and
    /// whether they surely are.
    fn values(&self, param: impl Fn(VarId, i64) -> (bool, bool)) -> Vec<Value> {
        let mut values = vec![Value::Undefined; self.function.registers.len()];
        let mut queue: Vec<u32> = (0..self.instructions.len() as u32).rev().collect();
        while let Some(position) = queue.pop() {
            let (_, ins, kind) = self.instructions[position as usize];
            if !has_destination(ins) {
                continue;
            }
            let mut targets = Vec::new();
            if let Some(operand) = ins.operands.first() {
                for_each_register(operand, &mut |id| targets.push(id));
            }
            for (i, target) in targets.into_iter().enumerate() {
                let new = self.result(ins, kind, i, &param, |id: RegId| values[id.0 as usize]);
                let value = &mut values[target.0 as usize];
                let joined = value.join(new);
                if joined != *value {
                    *value = joined;
                    queue.extend(&self.uses[target.0 as usize]);
                }
            }
        }
        values
    }

    fn operand(&self, operand: &Operand, of: &impl Fn(RegId) -> Value) -> Value {
        match operand {
            Operand::Reg(id) => of(*id),
            Operand::Int(0) => Value::Null,
            Operand::Symbol(id, _) => {
                let shared = self.ast.variable(*id).space == Space::Shared;
                Value::Pointer(Pointer { origin: Origin::Variable(*id), shared, sure: true })
            }
            _ => Value::Number,
        }
    }

    /// What an instruction writes to the `i`-th register of its destination.
    fn result(
        &self,
        ins: &Instruction,
        kind: Kind,
        i: usize,
        param: &impl Fn(VarId, i64) -> (bool, bool),
        of: impl Fn(RegId) -> Value,
    ) -> Value {
        let source = |n: usize| ins.operands.get(n).map_or(Value::Number, |operand| self.operand(operand, &of));
        match kind {
            Kind::Mov if matches!(ins.operands.first(), Some(Operand::Reg(_))) => source(1),
            Kind::Cvta => {
                let shared = ins.has("to") && (ins.has("shared") || ins.has("shared::cta"));
                match source(1) {
                    Value::Undefined => Value::Undefined,
                    value => {
                        let origin = value.pointer().map_or(Origin::Unknown, |pointer| pointer.origin);
                        Value::Pointer(Pointer { origin, shared, sure: true })
                    }
                }
            }
            Kind::Add => sum(source(1), source(2)),
            Kind::Sub => match (source(1), source(2)) {
                (Value::Pointer(_), Value::Pointer(_)) => Value::Number,
                (Value::Pointer(a), _) => Value::Pointer(a),
                (Value::Undefined, _) | (_, Value::Undefined) => Value::Undefined,
                (Value::Either, _) => Value::Either,
                _ => Value::Number,
            },
            Kind::Mad => match source(3) {
                Value::Null => Value::Number,
                value => value,
            },
            Kind::Selp => source(1).join(source(2)),
            Kind::Min | Kind::Max => match (source(1), source(2)) {
                (a @ Value::Pointer(_), b @ Value::Pointer(_)) => a.join(b),
                (Value::Undefined, _) | (_, Value::Undefined) => Value::Undefined,
                _ => Value::Number,
            },
            Kind::Cvt => match source(1) {
                Value::Pointer(pointer) if !keeps_pointer(ins, pointer) => Value::Number,
                Value::Null => Value::Number,
                value => value,
            },
            Kind::Ld => self.loaded(ins, i, param),
            _ => Value::Number,
        }
    }

    /// The value of a load: a parameter may be a pointer.
    fn loaded(&self, ins: &Instruction, i: usize, param: &impl Fn(VarId, i64) -> (bool, bool)) -> Value {
        let (Some(Operand::Address(Base::Var(id), offset)), Some(ty)) = (ins.operands.get(1), ins.types().last())
        else {
            return Value::Number;
        };
        if self.ast.variable(*id).space != Space::Param || ty.len() != 8 || ty.is_float() {
            return Value::Number;
        }
        let offset = offset.wrapping_add(8 * i as i64);
        match param(*id, offset) {
            (true, sure) => Value::Pointer(Pointer { origin: Origin::Param(*id, offset), shared: false, sure }),
            (false, _) => Value::Number,
        }
    }

    /// Parameters that become addresses.
    fn proven(&self, values: &[Value]) -> HashSet<(VarId, i64)> {
        let mut proven = HashSet::new();
        for (_, ins, kind) in &self.instructions {
            for operand in &ins.operands {
                let id = match operand {
                    Operand::Address(Base::Reg(id), _) => id,
                    Operand::Reg(id) if *kind == Kind::Cvta => id,
                    _ => continue,
                };
                if let Value::Pointer(Pointer { origin: Origin::Param(variable, offset), .. }) = values[id.0 as usize] {
                    proven.insert((variable, offset));
                }
            }
        }
        proven
    }

    /// A walk over the body with the values of all registers.
    fn misuses(&self, values: &[Value], param: impl Fn(VarId, i64) -> (bool, bool)) -> Vec<(usize, Why)> {
        let mut found = Vec::new();
        // Since the last label: registers that are a pointer here and a number there.
        let mut recent: HashMap<RegId, Value> = HashMap::new();
        let mut next = self.instructions.iter().peekable();
        for (at, statement) in self.function.body.iter().enumerate() {
            if matches!(statement, Statement::Label(..)) {
                recent.clear();
            }
            let Some((_, ins, kind)) = next.next_if(|(place, ..)| *place == at) else { continue };
            let of = |id: RegId| match values[id.0 as usize] {
                Value::Either => recent.get(&id).copied().unwrap_or(Value::Either),
                value => value,
            };
            if let Some(why) = self.misuse(ins, *kind, &of) {
                found.push((at, why));
            }
            if !has_destination(ins) {
                continue;
            }
            let mut new = Vec::new();
            if let Some(operand) = ins.operands.first() {
                for_each_register(operand, &mut |id| new.push(id));
            }
            let written: Vec<(RegId, Value)> = new
                .iter()
                .enumerate()
                .filter(|(_, id)| values[id.0 as usize] == Value::Either)
                .map(|(i, id)| (*id, self.result(ins, *kind, i, &param, of)))
                .collect();
            for (id, value) in written {
                let value = match ins.guard {
                    Some(_) => recent.get(&id).copied().unwrap_or(Value::Either).join(value),
                    None => value,
                };
                recent.insert(id, value);
            }
        }
        found
    }

    /// Why an instruction may not have the pointers that it has.
    fn misuse(&self, ins: &Instruction, kind: Kind, of: &impl Fn(RegId) -> Value) -> Option<Why> {
        let value = |n: usize| ins.operands.get(n).map_or(Value::Number, |operand| self.operand(operand, of));
        let pointer = |n: usize| value(n).pointer();
        match kind {
            Kind::Mov if !matches!(ins.operands.first(), Some(Operand::Vector(_))) => self.inside(ins, 1, of),
            Kind::Cvta | Kind::Ld | Kind::Ldmatrix | Kind::Nop | Kind::Selp | Kind::Call => None,
            Kind::St => {
                let own = matches!(ins.operands.first(), Some(Operand::Address(base, _)) if self.is_private(base, of));
                if ins.has("local") || ins.has("param") || own {
                    return None;
                }
                let stored = pointer(1).is_some() || self.inside(ins, 1, of).is_some();
                stored.then(|| {
                    Why::new(
                        "a pointer is stored to memory: its value differs between machines",
                        "an index into the buffer",
                    )
                })
            }
            Kind::Add => (pointer(1).is_some() && pointer(2).is_some())
                .then(|| Why::new("the sum of two pointers differs between machines", "a pointer and an offset")),
            Kind::Sub => match (value(1), value(2)) {
                (Value::Pointer(a), Value::Pointer(b)) if comparable(a, b) => None,
                (Value::Either, _) => None,
                (_, Value::Pointer(_)) => Some(Why::new(
                    "the distance of pointers to different buffers differs between machines",
                    "offsets within one buffer",
                )),
                _ => None,
            },
            Kind::Mad => (pointer(1).is_some() || pointer(2).is_some()).then(computed),
            Kind::Setp | Kind::Set => self.comparison(ins, value(1), value(2)),
            Kind::Min | Kind::Max => self.comparison(ins, value(1), value(2)),
            Kind::Cvt => match pointer(1) {
                Some(pointer) if !keeps_pointer(ins, pointer) => Some(Why::new(
                    "a pointer is cut or converted: its value differs between machines",
                    "64-bit addresses",
                )),
                _ => None,
            },
            _ => {
                let from = usize::from(has_destination(ins));
                let used =
                    (from..ins.operands.len()).any(|n| pointer(n).is_some() || self.inside(ins, n, of).is_some());
                used.then(computed)
            }
        }
    }

    /// Whether a vector operand has a pointer inside.
    fn inside(&self, ins: &Instruction, n: usize, of: &impl Fn(RegId) -> Value) -> Option<Why> {
        let Some(Operand::Vector(parts)) = ins.operands.get(n) else { return None };
        parts.iter().any(|part| self.operand(part, of).pointer().is_some()).then(computed)
    }

    /// Whether a base is memory of the thread alone.
    fn is_private(&self, base: &Base, of: &impl Fn(RegId) -> Value) -> bool {
        let private = |id: VarId| matches!(self.ast.variable(id).space, Space::Local | Space::Param);
        match base {
            Base::Var(id) => private(*id),
            Base::Reg(id) => match of(*id).pointer() {
                Some(Pointer { origin: Origin::Variable(id), .. }) => private(id),
                _ => false,
            },
            Base::Absolute => false,
        }
    }

    fn comparison(&self, ins: &Instruction, a: Value, b: Value) -> Option<Why> {
        let (pointer, other) = match (a, b) {
            (Value::Pointer(pointer), other) | (other, Value::Pointer(pointer)) => (pointer, other),
            _ => return None,
        };
        match other {
            Value::Pointer(other) if comparable(pointer, other) => None,
            Value::Null if ins.has("eq") || ins.has("ne") => None,
            Value::Either | Value::Undefined => None,
            Value::Pointer(_) => Some(Why::new(
                "how pointers to different buffers compare differs between machines",
                "offsets within one buffer",
            )),
            _ => Some(Why::new("a pointer is compared with a number", "an offset within the buffer")),
        }
    }
}

fn computed() -> Why {
    Why::new(
        "a pointer is used as a number: its value differs between machines",
        "the operation on the offset, before it is added",
    )
}

/// All registers of an operand, bases of addresses left out.
fn for_each_register(operand: &Operand, act: &mut impl FnMut(RegId)) {
    match operand {
        Operand::Reg(id) | Operand::Not(id) => act(*id),
        Operand::Vector(parts) | Operand::List(parts) => parts.iter().for_each(|part| for_each_register(part, act)),
        Operand::Pair(first, second) => [first, second].into_iter().for_each(|part| for_each_register(part, act)),
        _ => {}
    }
}
