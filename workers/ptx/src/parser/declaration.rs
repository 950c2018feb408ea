//! Declarations of variables and registers.

use super::{MAX_DEPTH, MAX_REGISTERS, MAX_VARIABLE, Parser, Result};
use crate::ast::{Operand, RegId, Type, VarId, Variable};
use crate::error::{Error, Space};
use crate::lexer::Kind;

impl Parser<'_> {
    /// `.space declarations ;`
    pub(super) fn variables(&mut self) -> Result<Vec<VarId>> {
        let (space, constant) = match self.peek() {
            Kind::Word(".global") => (Space::Global, false),
            Kind::Word(".const") => (Space::Global, true),
            Kind::Word(".shared") => (Space::Shared, false),
            Kind::Word(".local") => (Space::Local, false),
            _ => (Space::Param, false),
        };
        let id = self.declaration(space, constant)?;
        self.expect(';', "`;`")?;
        Ok(vec![id])
    }

    /// `.space .align n .type name[n] = {...}` without what follows.
    pub(super) fn declaration(&mut self, space: Space, constant: bool) -> Result<VarId> {
        let line = self.line();
        self.at += 1;
        let (mut align, mut ty, mut vector, mut pointer) = (None, None, 1, false);
        let name = loop {
            match self.word("a type or a name")? {
                ".align" => {
                    let found = self.number("an alignment")?;
                    // After `.ptr` it is the alignment of what the pointer points to.
                    align = if pointer { align } else { Some(found) };
                }
                ".ptr" => pointer = true,
                ".global" | ".const" | ".shared" | ".local" | ".attribute" => {}
                ".v2" => vector = 2,
                ".v4" => vector = 4,
                word => match word.strip_prefix('.') {
                    Some(name) => match Type::parse(name) {
                        Some(found) => ty = Some(found),
                        None => {
                            self.at -= 1;
                            return self.wrong("a type");
                        }
                    },
                    None => break word,
                },
            }
        };
        let Some(ty) = ty else { return self.wrong("a type before the name") };
        let mut count = vector;
        let mut open = false;
        while self.take('[') {
            if self.take(']') {
                open = true;
                continue;
            }
            count = u64::checked_mul(count, self.number("a number of elements")?).unwrap_or(u64::MAX);
            self.expect(']', "`]`")?;
        }
        let len = if open { 0 } else { count.saturating_mul(u64::from(ty.len())) };
        self.variable_bytes = self.variable_bytes.saturating_add(len);
        if self.variable_bytes > MAX_VARIABLE {
            return Err(Error::Limit {
                line,
                what: "the module's variables",
                found: self.variable_bytes,
                limit: MAX_VARIABLE,
            });
        }
        let natural = u64::from(ty.len()) * vector;
        let align = align.unwrap_or(natural);
        if !align.is_power_of_two() || align > 4096 {
            return Err(Error::Limit { line, what: "an alignment", found: align, limit: 4096 });
        }
        let id = VarId(self.ast.variables.len() as u32);
        let (mut init, mut relocations) = (None, Vec::new());
        let mut len = len;
        if self.take('=') {
            let mut bytes = Vec::new();
            self.initialiser(ty, &mut bytes, &mut relocations, 0)?;
            if open {
                len = bytes.len() as u64;
            }
            if bytes.len() as u64 > len {
                return Err(Error::Limit { line, what: "an initialiser", found: bytes.len() as u64, limit: len });
            }
            bytes.resize(len as usize, 0);
            init = Some(bytes);
        }
        let name = name.to_string();
        self.ast.variables.push(Variable {
            name: name.clone(),
            space,
            constant,
            align: align as u32,
            len,
            init,
            relocations,
            line,
        });
        if let Some(scope) = self.scopes.last_mut() {
            scope.variables.insert(name, id);
        }
        Ok(id)
    }

    fn initialiser(
        &mut self,
        ty: Type,
        bytes: &mut Vec<u8>,
        relocations: &mut Vec<(u32, VarId, i64)>,
        depth: usize,
    ) -> Result<()> {
        if bytes.len() as u64 > MAX_VARIABLE || depth > MAX_DEPTH {
            return self.wrong("a shorter initialiser");
        }
        if self.take('{') {
            while !self.take('}') {
                self.initialiser(ty, bytes, relocations, depth + 1)?;
                if !self.take(',') && self.peek() != Kind::Punct('}') {
                    return self.wrong("`,` or `}`");
                }
            }
            return Ok(());
        }
        let at = bytes.len() as u32;
        let value = match self.value()? {
            Operand::Int(value) if ty == Type::F32 => u64::from((value as i64 as f32).to_bits()),
            Operand::Int(value) if ty == Type::F64 => (value as i64 as f64).to_bits(),
            Operand::Int(value) => value,
            Operand::Single(bits) => u64::from(bits),
            Operand::Double(bits) if ty == Type::F32 => u64::from((f64::from_bits(bits) as f32).to_bits()),
            Operand::Double(bits) => bits,
            Operand::Symbol(id, offset) if ty.len() == 8 => {
                relocations.push((at, id, offset));
                0
            }
            Operand::Name(name) if name == "generic" && self.take('(') => {
                let Operand::Symbol(id, offset) = self.value()? else { return self.wrong("a variable") };
                self.expect(')', "`)`")?;
                relocations.push((at, id, offset));
                0
            }
            _ => {
                self.at -= 1;
                return self.wrong("a number or an address");
            }
        };
        bytes.extend_from_slice(&value.to_le_bytes()[..ty.len() as usize]);
        Ok(())
    }

    pub(super) fn register_declaration(&mut self) -> Result<()> {
        self.at += 1;
        let ty = self.word("a type")?;
        let Some(ty) = ty.strip_prefix('.').and_then(Type::parse) else {
            self.at -= 1;
            return self.wrong("a type of registers");
        };
        loop {
            let line = self.line();
            let name = self.word("the name of a register")?.to_string();
            let count = if self.take('<') {
                let count = self.number("a number of registers")?;
                self.expect('>', "`>`")?;
                Some(count)
            } else {
                None
            };
            let first = self.registers.len() as u64;
            let total = first.saturating_add(count.unwrap_or(1));
            if total > MAX_REGISTERS {
                return Err(Error::Limit { line, what: "the number of registers", found: total, limit: MAX_REGISTERS });
            }
            self.registers.resize(total as usize, ty);
            if count != Some(0) {
                self.register_names.push((first as u32, name.clone(), count.is_some()));
            }
            if let Some(scope) = self.scopes.last_mut() {
                match count {
                    Some(count) => {
                        scope.ranges.insert(name, (first as u32, count as u32));
                    }
                    None => {
                        scope.registers.insert(name, RegId(first as u32));
                    }
                }
            }
            if !self.take(',') {
                break;
            }
        }
        self.expect(';', "`;`")
    }
}
