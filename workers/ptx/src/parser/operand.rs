//! Instructions and their operands.

use super::number::{Constant, double, single};
use super::{Parser, Result};
use crate::ast::{Base, Instruction, Operand, RegId, Statement, Type};
use crate::error::Error;
use crate::lexer::Kind;
use crate::opcode;

/// Most modifiers of an instruction; no instruction of PTX has half as many.
const MAX_MODIFIERS: usize = 40;

impl Parser<'_> {
    fn predicate(&mut self) -> Result<RegId> {
        let name = self.word("a predicate")?;
        match self.register(name) {
            Some(id) if self.registers[id.0 as usize] == Type::Pred => Ok(id),
            _ => self.wrong_before("a declared predicate"),
        }
    }

    /// An instruction with its guard; a call may become several.
    pub(super) fn instruction(&mut self, statements: &mut Vec<Statement>) -> Result<()> {
        let guard = if self.take('@') {
            let negated = self.take('!');
            Some((self.predicate()?, negated))
        } else {
            None
        };
        let (line, column) = self.place();
        let text = self.word("an opcode")?;
        if text.split('.').nth(MAX_MODIFIERS).is_some() {
            return self.wrong_before("an opcode with fewer modifiers");
        }
        let mut instruction = Instruction { line, column, guard, text: text.to_string(), operands: Vec::new() };
        // What is refused may have operands of any form; nothing of the profile has them.
        let refused = match opcode::find(text) {
            None => true,
            Some(row) => row.refused.is_some() || instruction.modifiers().any(|modifier| !row.knows(modifier)),
        };
        let start = self.at;
        match self.operands(&mut instruction) {
            Ok(()) => {}
            Err(_) if refused => {
                self.at = start;
                instruction.operands.clear();
                self.skip_to_semicolon()?;
            }
            Err(error) => return Err(error),
        }
        if instruction.name() == "call" {
            return self.call(instruction, statements);
        }
        statements.push(Statement::Instruction(instruction));
        Ok(())
    }

    fn operands(&mut self, instruction: &mut Instruction) -> Result<()> {
        let call = instruction.name() == "call";
        while !self.take(';') {
            let operand = self.operand(0, call)?;
            instruction.operands.push(operand);
            if !self.take(',') && self.peek() != Kind::Punct(';') {
                return self.wrong("`,` or `;`");
            }
        }
        Ok(())
    }

    fn operand(&mut self, depth: usize, call: bool) -> Result<Operand> {
        if depth > 2 {
            return self.wrong("a simpler operand");
        }
        let operand = match self.peek() {
            Kind::Punct('{') => {
                self.at += 1;
                Operand::Vector(self.list('}', depth, call)?)
            }
            Kind::Punct('(') if call => {
                self.at += 1;
                Operand::List(self.list(')', depth, call)?)
            }
            Kind::Punct('[') => self.address()?,
            Kind::Punct('!') if matches!(self.second(), Some(Kind::Word(word)) if !word.as_bytes()[0].is_ascii_digit()) =>
            {
                self.at += 1;
                Operand::Not(self.predicate()?)
            }
            _ => self.value()?,
        };
        if self.take('|') {
            let second = self.operand(depth + 1, call)?;
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    fn list(&mut self, close: char, depth: usize, call: bool) -> Result<Vec<Operand>> {
        let mut parts = Vec::new();
        while !self.take(close) {
            parts.push(self.operand(depth + 1, call)?);
            if !self.take(',') && self.peek() != Kind::Punct(close) {
                return self.wrong("`,` or a closing bracket");
            }
        }
        Ok(parts)
    }

    /// `[base + offset]`
    fn address(&mut self) -> Result<Operand> {
        self.at += 1;
        let base = self.value()?;
        let mut offset = 0i64;
        while matches!(self.peek(), Kind::Punct('+' | '-')) {
            self.take('+');
            offset = offset.wrapping_add(self.number("an offset")? as i64);
        }
        self.expect(']', "`]`")?;
        match base {
            Operand::Reg(id) => Ok(Operand::Address(Base::Reg(id), offset)),
            Operand::Symbol(id, more) => Ok(Operand::Address(Base::Var(id), offset.wrapping_add(more))),
            Operand::Int(at) => Ok(Operand::Address(Base::Absolute, offset.wrapping_add(at as i64))),
            _ => self.wrong_before("a register or a variable as address"),
        }
    }

    /// A register, number, symbol or name.
    fn value(&mut self) -> Result<Operand> {
        let (line, column) = self.place();
        let word = match self.peek() {
            Kind::Word(word) if !word.as_bytes()[0].is_ascii_digit() && word != "WARP_SZ" => word,
            Kind::Word(_) | Kind::Punct('-' | '+' | '(' | '~' | '!') => return self.constant_operand(),
            _ => return self.wrong("an operand"),
        };
        self.at += 1;
        if word == "_" {
            return Ok(Operand::Sink);
        }
        if let Some(id) = self.register(word) {
            return Ok(Operand::Reg(id));
        }
        if let Some(found) = self.find_registers(word) {
            let parts = (found.first..found.first + found.width).map(|id| Operand::Reg(RegId(id)));
            return Ok(Operand::Vector(parts.collect()));
        }
        if let Some(id) = self.variable(word) {
            let mut offset = 0i64;
            while matches!(self.peek(), Kind::Punct('+' | '-')) {
                self.take('+');
                offset = offset.wrapping_add(self.number("an offset")? as i64);
            }
            return Ok(Operand::Symbol(id, offset));
        }
        if let Some(name) = word.strip_prefix('%') {
            if opcode::is_special(name) {
                return Ok(Operand::Special(name.to_string()));
            }
            return Err(Error::Name { line, column, name: word.into(), problem: "is not declared" });
        }
        Ok(Operand::Name(word.to_string()))
    }

    /// A number. Those in hexadecimal keep their bits, which may be those of a NaN.
    fn constant_operand(&mut self) -> Result<Operand> {
        let negative = self.peek() == Kind::Punct('-');
        let word = if negative { self.second() } else { Some(self.peek()) };
        if let Some(Kind::Word(word)) = word {
            let end = self.at + usize::from(negative) + 1;
            let exact = match (single(word), double(word)) {
                (Some(bits), _) => Some(Operand::Single(bits ^ u32::from(negative) << 31)),
                (_, Some(bits)) => Some(Operand::Double(bits ^ u64::from(negative) << 63)),
                _ => None,
            };
            if let Some(operand) = exact {
                self.at = end;
                return Ok(operand);
            }
        }
        Ok(match self.constant("a number")? {
            Constant::Int(value, _) => Operand::Int(value),
            Constant::Float(value) => Operand::Double(value.to_bits()),
        })
    }
}
