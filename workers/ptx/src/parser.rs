//! Reads PTX text into an [`Ast`].

use std::collections::HashMap;

use crate::ast::{Ast, Base, Function, Instruction, Operand, RegId, Statement, Type, VarId, Variable};
use crate::error::{Error, Space};
use crate::lexer::{Kind, Token, tokens};
use crate::opcode;

/// Most bytes of a module.
pub(crate) const MAX_MODULE: usize = 16 << 20;
/// Most registers that a function may declare.
const MAX_REGISTERS: u64 = 1 << 20;
/// Most bytes of a variable that is declared in the module.
const MAX_VARIABLE: u64 = 64 << 20;
/// Deepest nesting of `{`.
const MAX_DEPTH: usize = 64;

type Result<T> = std::result::Result<T, Error>;

/// What one `{ }` declares.
#[derive(Default)]
struct Scope {
    registers: HashMap<String, RegId>,
    /// `%r<12>`: first register and count by prefix.
    ranges: HashMap<String, (u32, u32)>,
    variables: HashMap<String, VarId>,
}

pub(crate) struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    ast: Ast,
    /// The module's scope first.
    scopes: Vec<Scope>,
    registers: Vec<Type>,
    /// Bytes of all variables so far.
    variable_bytes: u64,
}

pub(crate) fn parse(text: &str) -> Result<Ast> {
    if text.len() > MAX_MODULE {
        return Err(Error::Limit { line: 1, what: "the module", found: text.len() as u64, limit: MAX_MODULE as u64 });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        at: 0,
        ast: Ast::default(),
        scopes: vec![Scope::default()],
        registers: Vec::new(),
        variable_bytes: 0,
    };
    parser.module()?;
    Ok(parser.ast)
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Kind<'a> {
        self.tokens[self.at.min(self.tokens.len() - 1)].kind
    }

    fn line(&self) -> u32 {
        self.tokens[self.at.min(self.tokens.len() - 1)].line
    }

    fn next(&mut self) -> Kind<'a> {
        let kind = self.peek();
        self.at += 1;
        kind
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T> {
        Err(Error::Syntax { line: self.line(), expected, found: self.peek().describe() })
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Kind::Punct(c);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, c: char, expected: &'static str) -> Result<()> {
        if self.take(c) { Ok(()) } else { self.wrong(expected) }
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str> {
        match self.peek() {
            Kind::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => self.wrong(expected),
        }
    }

    fn number(&mut self, expected: &'static str) -> Result<u64> {
        let negative = self.take('-');
        match self.peek() {
            Kind::Word(word) => match integer(word) {
                Some(value) => {
                    self.at += 1;
                    Ok(if negative { value.wrapping_neg() } else { value })
                }
                None => self.wrong(expected),
            },
            _ => self.wrong(expected),
        }
    }

    /// `.loc` and `.file` end with their line.
    fn skip_line(&mut self) {
        let line = self.line();
        while self.line() == line && self.peek() != Kind::End {
            self.at += 1;
        }
    }

    fn skip_to_semicolon(&mut self) -> Result<()> {
        let mut depth = 0u32;
        loop {
            match self.next() {
                Kind::Punct(';') if depth == 0 => return Ok(()),
                Kind::Punct('{') => depth += 1,
                Kind::Punct('}') if depth > 0 => depth -= 1,
                Kind::End | Kind::Punct('}' | ';') => {
                    self.at -= 1;
                    return self.wrong("`;`");
                }
                _ => {}
            }
        }
    }

    fn module(&mut self) -> Result<()> {
        loop {
            match self.peek() {
                Kind::End => return Ok(()),
                Kind::Punct(';') => self.at += 1,
                Kind::Punct('@') => return self.wrong("a declaration"),
                Kind::Word(".version") => {
                    self.at += 1;
                    let text = self.word("a version such as 9.0")?;
                    let version = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                    let Some(version) = version else {
                        self.at -= 1;
                        return self.wrong("a version such as 9.0");
                    };
                    self.ast.version = version;
                }
                Kind::Word(".target") => {
                    self.at += 1;
                    self.ast.target = self.word("a target such as sm_80")?.to_string();
                    while self.take(',') {
                        self.ast.target.push(',');
                        let more = self.word("a target option")?;
                        self.ast.target.push_str(more);
                    }
                }
                Kind::Word(".address_size") => {
                    self.at += 1;
                    if self.number("64")? != 64 {
                        self.at -= 1;
                        return self.wrong("64 as address size");
                    }
                }
                Kind::Word(".file" | ".loc") => self.skip_line(),
                Kind::Word(".section") => {
                    while !matches!(self.next(), Kind::Punct('}')) {
                        if self.peek() == Kind::End {
                            return self.wrong("`}`");
                        }
                    }
                }
                Kind::Word(".pragma" | ".alias") => self.skip_to_semicolon()?,
                Kind::Word(".visible" | ".extern" | ".weak" | ".common" | ".internal") => {
                    self.at += 1;
                }
                Kind::Word(".func") => self.function(false)?,
                Kind::Word(".entry") => self.function(true)?,
                Kind::Word(".global" | ".const" | ".shared") => {
                    let ids = self.variables()?;
                    self.ast.globals.extend(ids);
                }
                _ => return self.wrong("a declaration"),
            }
        }
    }

    fn function(&mut self, entry: bool) -> Result<()> {
        let line = self.line();
        self.at += 1;
        self.scopes.push(Scope::default());
        self.registers.clear();
        let returns = if !entry && self.take('(') { self.parameters()? } else { Vec::new() };
        let name = self.word("the name of a function")?.to_string();
        let params = if self.take('(') { self.parameters()? } else { Vec::new() };
        if entry {
            for id in &params {
                self.ast.variables[id.0 as usize].constant = true;
            }
        }
        let (mut max_threads, mut required_threads) = (None, None);
        let body = loop {
            match self.peek() {
                Kind::Punct(';') => {
                    self.at += 1;
                    break None;
                }
                Kind::Punct('{') => break Some(self.body()?),
                Kind::Word(directive @ (".maxntid" | ".reqntid")) => {
                    self.at += 1;
                    let mut sizes = [1; 3];
                    for size in &mut sizes {
                        *size = u32::try_from(self.number("a number of threads")?).unwrap_or(u32::MAX);
                        if !self.take(',') {
                            break;
                        }
                    }
                    *(if directive == ".maxntid" { &mut max_threads } else { &mut required_threads }) = Some(sizes);
                }
                Kind::Word(".minnctapersm" | ".maxnreg" | ".maxnctapersm") => {
                    self.at += 1;
                    self.number("a number")?;
                }
                Kind::Word(".noreturn") => self.at += 1,
                Kind::Word(".pragma") => self.skip_to_semicolon()?,
                _ => return self.wrong("`{`, `;` or a directive of a function"),
            }
        };
        self.scopes.pop();
        if let Some(body) = body {
            if self.ast.functions.iter().any(|f| f.name == name) {
                return Err(Error::Name { line, name, problem: "is defined twice" });
            }
            let registers = std::mem::take(&mut self.registers);
            let function =
                Function { name, entry, params, returns, registers, body, max_threads, required_threads, line };
            self.ast.functions.push(function);
        }
        Ok(())
    }

    /// Parameters up to `)`.
    fn parameters(&mut self) -> Result<Vec<VarId>> {
        let mut params = Vec::new();
        while !self.take(')') {
            match self.peek() {
                Kind::Word(".param") => {
                    let id = self.declaration(Space::Param, false)?;
                    params.push(id);
                }
                Kind::Word(".reg") => {
                    return Err(Error::Unsupported {
                        line: self.line(),
                        instruction: ".reg".into(),
                        reason: "parameters in registers are not in the profile: use .param".into(),
                    });
                }
                _ => return self.wrong("`.param` or `)`"),
            }
            self.take(',');
        }
        Ok(params)
    }

    /// `.space declarations ;`
    fn variables(&mut self) -> Result<Vec<VarId>> {
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
    fn declaration(&mut self, space: Space, constant: bool) -> Result<VarId> {
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

    fn body(&mut self) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        let base = self.scopes.len();
        loop {
            let line = self.line();
            match self.peek() {
                Kind::Punct('{') => {
                    if self.scopes.len() > MAX_DEPTH {
                        return self.wrong("fewer nested `{`");
                    }
                    self.at += 1;
                    self.scopes.push(Scope::default());
                }
                Kind::Punct('}') => {
                    self.at += 1;
                    self.scopes.pop();
                    if self.scopes.len() == base {
                        // The function's own braces share the scope of its parameters' child.
                        return Ok(statements);
                    }
                }
                Kind::Punct(';') => self.at += 1,
                Kind::Punct('@') => statements.push(Statement::Instruction(self.instruction()?)),
                Kind::Word(".reg") => self.register_declaration()?,
                Kind::Word(".local" | ".shared" | ".param" | ".global" | ".const") => {
                    let global = matches!(self.peek(), Kind::Word(".global" | ".const"));
                    let ids = self.variables()?;
                    if global {
                        self.ast.globals.extend(ids);
                    }
                }
                Kind::Word(".extern") => self.at += 1,
                Kind::Word(".pragma") => self.skip_to_semicolon()?,
                Kind::Word(".loc" | ".file") => self.skip_line(),
                Kind::Word(".branchtargets") => {
                    self.at += 1;
                    let mut targets = vec![self.word("a label")?.to_string()];
                    while self.take(',') {
                        targets.push(self.word("a label")?.to_string());
                    }
                    self.expect(';', "`;`")?;
                    statements.push(Statement::Targets(targets));
                }
                Kind::Word(".calltargets" | ".callprototype") => self.skip_to_semicolon()?,
                Kind::Word(word) => {
                    if self.tokens.get(self.at + 1).map(|t| t.kind) == Some(Kind::Punct(':')) {
                        self.at += 2;
                        statements.push(Statement::Label(word.to_string(), line));
                    } else {
                        statements.push(Statement::Instruction(self.instruction()?));
                    }
                }
                _ => return self.wrong("an instruction"),
            }
        }
    }

    fn register_declaration(&mut self) -> Result<()> {
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

    fn instruction(&mut self) -> Result<Instruction> {
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
    fn value(&mut self) -> Result<Operand> {
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

fn integer(word: &str) -> Option<u64> {
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
