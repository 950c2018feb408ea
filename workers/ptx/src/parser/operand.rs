//! Instructions and their operands.

use super::{Parser, Result};
use crate::ast::{Base, Instruction, Operand, RegId, Type, VarId};
use crate::error::Error;
use crate::lexer::Kind;
use crate::opcode;

impl Parser<'_> {
    fn register(&self, name: &str) -> Option<RegId> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (prefix, number) = name.split_at(name.len() - digits);
        let number: Option<u32> = number.parse().ok();
        self.scopes.iter().rev().find_map(|scope| {
            scope.registers.get(name).copied().or_else(|| {
                let (first, count) = scope.ranges.get(prefix)?;
                number.filter(|n| n < count).map(|n| RegId(first + n))
            })
        })
    }

    fn variable(&self, name: &str) -> Option<VarId> {
        self.scopes.iter().rev().find_map(|scope| scope.variables.get(name).copied())
    }

    fn predicate(&mut self) -> Result<RegId> {
        let name = self.word("a predicate")?;
        match self.register(name) {
            Some(id) if self.registers[id.0 as usize] == Type::Pred => Ok(id),
            _ => {
                self.at -= 1;
                self.wrong("a declared predicate")
            }
        }
    }

    pub(super) fn instruction(&mut self) -> Result<Instruction> {
        let guard = if self.take('@') {
            let negated = self.take('!');
            Some((self.predicate()?, negated))
        } else {
            None
        };
        let line = self.line();
        let text = self.word("an opcode")?.to_string();
        let mut instruction = Instruction { line, guard, text, operands: Vec::new() };
        if opcode::find(instruction.name()).is_none_or(|op| op.refused.is_some()) {
            self.skip_to_semicolon()?;
            return Ok(instruction);
        }
        while !self.take(';') {
            let operand = self.operand(0)?;
            instruction.operands.push(operand);
            if !self.take(',') && self.peek() != Kind::Punct(';') {
                return self.wrong("`,` or `;`");
            }
        }
        Ok(instruction)
    }

    fn operand(&mut self, depth: usize) -> Result<Operand> {
        if depth > 2 {
            return self.wrong("a simpler operand");
        }
        let operand = match self.peek() {
            Kind::Punct(open @ ('{' | '(')) => {
                self.at += 1;
                let close = if open == '{' { '}' } else { ')' };
                let mut parts = Vec::new();
                while !self.take(close) {
                    parts.push(self.operand(depth + 1)?);
                    if !self.take(',') && self.peek() != Kind::Punct(close) {
                        return self.wrong("`,` or a closing bracket");
                    }
                }
                if open == '{' { Operand::Vector(parts) } else { Operand::List(parts) }
            }
            Kind::Punct('[') => {
                self.at += 1;
                let base = self.value()?;
                let mut offset = 0i64;
                while matches!(self.peek(), Kind::Punct('+' | '-')) {
                    self.take('+');
                    offset = offset.wrapping_add(self.number("an offset")? as i64);
                }
                self.expect(']', "`]`")?;
                match base {
                    Operand::Reg(id) => Operand::Address(Base::Reg(id), offset),
                    Operand::Symbol(id, more) => Operand::Address(Base::Var(id), offset.wrapping_add(more)),
                    Operand::Int(at) => Operand::Address(Base::Absolute, offset.wrapping_add(at as i64)),
                    _ => {
                        self.at -= 1;
                        return self.wrong("a register or a variable as address");
                    }
                }
            }
            Kind::Punct('!') => {
                self.at += 1;
                Operand::Not(self.predicate()?)
            }
            _ => self.value()?,
        };
        if self.take('|') {
            let second = self.operand(depth + 1)?;
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    /// A register, number, symbol or name.
    pub(super) fn value(&mut self) -> Result<Operand> {
        if self.peek() == Kind::Punct('-') {
            let at = self.at;
            self.at += 1;
            let word = self.word("a number")?;
            if let Some(fraction) = fraction(word) {
                return Ok(Operand::Double((-fraction).to_bits()));
            }
            self.at = at;
            return Ok(Operand::Int(self.number("a number")?));
        }
        let line = self.line();
        let word = self.word("an operand")?;
        if word == "_" {
            return Ok(Operand::Sink);
        }
        if let Some(id) = self.register(word) {
            return Ok(Operand::Reg(id));
        }
        if let Some(name) = word.strip_prefix('%') {
            if let Some(id) = self.variable(word) {
                return Ok(Operand::Symbol(id, 0));
            }
            if opcode::is_special(name) {
                return Ok(Operand::Special(name.to_string()));
            }
            return Err(Error::Name { line, name: word.into(), problem: "is not declared" });
        }
        if word.as_bytes()[0].is_ascii_digit() {
            let hex = |prefix: [&str; 2], len: usize| {
                let digits = word.strip_prefix(prefix[0]).or_else(|| word.strip_prefix(prefix[1]))?;
                (digits.len() == len).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
            };
            if let Some(bits) = hex(["0f", "0F"], 8) {
                return Ok(Operand::Single(bits as u32));
            }
            if let Some(bits) = hex(["0d", "0D"], 16) {
                return Ok(Operand::Double(bits));
            }
            if let Some(value) = integer(word) {
                return Ok(Operand::Int(value));
            }
            if let Some(value) = fraction(word) {
                return Ok(Operand::Double(value.to_bits()));
            }
            self.at -= 1;
            return self.wrong("a number");
        }
        if let Some(id) = self.variable(word) {
            let mut offset = 0i64;
            if self.peek() == Kind::Punct('+') {
                self.at += 1;
                offset = self.number("an offset")? as i64;
            }
            return Ok(Operand::Symbol(id, offset));
        }
        if word == "WARP_SZ" {
            return Ok(Operand::Int(32));
        }
        Ok(Operand::Name(word.to_string()))
    }
}

pub(super) fn integer(word: &str) -> Option<u64> {
    let word = word.strip_suffix('U').unwrap_or(word);
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = word.strip_prefix("0b").or_else(|| word.strip_prefix("0B")) {
        return u64::from_str_radix(digits, 2).ok();
    }
    if word.len() > 1 && word.starts_with('0') {
        return u64::from_str_radix(&word[1..], 8).ok();
    }
    word.parse().ok()
}

fn fraction(word: &str) -> Option<f64> {
    (word.as_bytes().first()?.is_ascii_digit() && word.contains(['.', 'e', 'E']) && !word.starts_with("0x"))
        .then(|| word.parse().ok())?
}
