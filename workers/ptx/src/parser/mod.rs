//! Reads PTX text into an [`Ast`].

mod declaration;
mod function;
mod initialiser;
mod number;
mod operand;
mod passing;

use alloc::rc::Rc;
use std::collections::{HashMap, HashSet};

use crate::ast::{Ast, Operand, RegId, Remark, Statement, Type, VarId};
use crate::error::{Error, Space};
use crate::lexer::{Kind, Token, tokens};

/// Most bytes of a module.
pub(crate) const MAX_MODULE: usize = 16 << 20;
/// Most registers that a function may declare.
const MAX_REGISTERS: u64 = 1 << 20;
/// Most registers that all functions of a module may declare.
const MAX_ALL_REGISTERS: u64 = 1 << 24;
/// Most kernels and functions of a module.
const MAX_FUNCTIONS: usize = 1 << 14;
/// Most bytes of the variables that a module declares.
const MAX_VARIABLE: u64 = 64 << 20;
/// Deepest nesting of `{` or `(`.
const MAX_DEPTH: usize = 64;

type Result<T> = std::result::Result<T, Error>;

/// Registers that were declared by one name: one, a vector, or a range of either.
#[derive(Clone, Copy)]
struct Registers {
    first: u32,
    /// Elements of a vector, 1 for an ordinary register.
    width: u32,
    /// Of `%r<12>`: 12.
    count: u32,
}

/// What one `{ }` declares.
#[derive(Default)]
struct Scope {
    registers: HashMap<String, Registers>,
    /// `%r<12>` by its prefix.
    ranges: HashMap<String, Registers>,
    variables: HashMap<String, VarId>,
}

pub(crate) struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    ast: Ast,
    /// The module's scope first.
    scopes: Vec<Scope>,
    /// Types of the registers of the function at work.
    registers: Vec<Type>,
    /// Registers of the functions before.
    registers_before: u64,
    register_names: Vec<(u32, String, bool)>,
    /// Bytes of all variables so far.
    variable_bytes: u64,
    /// Names of the functions that have a body.
    defined: HashSet<String>,
    /// Returns and parameters of every function that was declared or defined.
    signatures: HashMap<String, Rc<passing::Signature>>,
    /// `.alias`: other names of functions.
    aliases: HashMap<String, String>,
}

pub(crate) fn parse(text: &str) -> Result<Ast> {
    if text.len() > MAX_MODULE {
        let (found, limit) = (text.len() as u64, MAX_MODULE as u64);
        return Err(Error::Limit { line: 1, column: 0, what: "the module", found, limit });
    }
    let mut parser = Parser { tokens: tokens(text)?, ..Parser::empty() };
    parser.module()?;
    parser.resolve_aliases();
    Ok(parser.ast)
}

impl<'a> Parser<'a> {
    fn empty() -> Self {
        Self {
            tokens: Vec::new(),
            at: 0,
            ast: Ast::default(),
            scopes: vec![Scope::default()],
            registers: Vec::new(),
            register_names: Vec::new(),
            registers_before: 0,
            variable_bytes: 0,
            defined: HashSet::new(),
            signatures: HashMap::new(),
            aliases: HashMap::new(),
        }
    }

    fn token(&self) -> Token<'a> {
        self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> Kind<'a> {
        self.token().kind
    }

    /// The kind of the token after the next.
    fn second(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.at + 1).map(|token| token.kind)
    }

    /// Line and column of the next token.
    fn place(&self) -> (u32, u32) {
        let token = self.token();
        (token.line, token.column)
    }

    fn next(&mut self) -> Kind<'a> {
        let kind = self.peek();
        self.at += 1;
        kind
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T> {
        let (line, column) = self.place();
        Err(Error::Syntax { line, column, expected, found: self.peek().describe() })
    }

    /// As [`Parser::wrong`], for the token before the next.
    fn wrong_before<T>(&mut self, expected: &'static str) -> Result<T> {
        self.at -= 1;
        self.wrong(expected)
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

    /// Notes something that the profile refuses and that is no instruction. The place is that of the next token.
    fn remark(&mut self, what: &str, reason: &'static str, instead: &'static str) {
        let (line, column) = self.place();
        self.ast.remarks.push(Remark { line, column, what: what.to_string(), reason, instead });
    }

    /// `.loc 1 23 5, function_name $L, inlined_at 1 10 3` and `.file 1 "name", 12, 34`: where code comes from.
    fn skip_position(&mut self) {
        self.at += 1;
        loop {
            match self.peek() {
                Kind::Text(_) => self.at += 1,
                Kind::Word(word) if word.as_bytes()[0].is_ascii_digit() => self.at += 1,
                Kind::Punct(',') => match self.second() {
                    Some(Kind::Word("function_name")) => {
                        self.at += 3;
                        self.at += usize::from(self.take('+'));
                    }
                    Some(Kind::Word("inlined_at")) => self.at += 2,
                    Some(Kind::Word(word)) if word.as_bytes()[0].is_ascii_digit() => self.at += 2,
                    _ => return,
                },
                _ => return,
            }
        }
    }

    /// `( … )`, if it stands here.
    fn skip_brackets(&mut self) -> Result<()> {
        let mut depth = 0u32;
        loop {
            match self.peek() {
                Kind::Punct('(') => depth += 1,
                Kind::Punct(')') if depth > 0 => depth -= 1,
                Kind::End if depth > 0 => return self.wrong("`)`"),
                _ if depth == 0 => return Ok(()),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_to_semicolon(&mut self) -> Result<()> {
        let mut depth = 0u32;
        loop {
            match self.next() {
                Kind::Punct(';') if depth == 0 => return Ok(()),
                Kind::Punct('{') => depth += 1,
                Kind::Punct('}') if depth > 0 => depth -= 1,
                Kind::End | Kind::Punct('}' | ';') => return self.wrong_before("`;`"),
                _ => {}
            }
        }
    }

    fn module(&mut self) -> Result<()> {
        let mut external = false;
        loop {
            let linking = std::mem::take(&mut external);
            match self.peek() {
                Kind::End => return Ok(()),
                Kind::Punct(';') => self.at += 1,
                Kind::Word(".version" | ".target" | ".address_size") => self.header()?,
                Kind::Word(".file" | ".loc") => self.skip_position(),
                Kind::Word(".section") => {
                    while !matches!(self.next(), Kind::Punct('}')) {
                        if self.peek() == Kind::End {
                            return self.wrong("`}`");
                        }
                    }
                }
                Kind::Word(".pragma") => self.skip_to_semicolon()?,
                Kind::Word(".alias") => self.alias()?,
                Kind::Word(".extern") => {
                    self.at += 1;
                    external = true;
                }
                Kind::Word(".visible" | ".weak" | ".common" | ".internal") => self.at += 1,
                Kind::Word(".func") => self.function(false)?,
                Kind::Word(".entry") => self.function(true)?,
                Kind::Word(".global" | ".const" | ".shared" | ".tex") => {
                    let ids = self.variables(linking)?;
                    self.ast.globals.extend(ids);
                }
                _ => return self.wrong("a declaration"),
            }
        }
    }

    fn header(&mut self) -> Result<()> {
        match self.word("a directive")? {
            ".version" => {
                let text = self.word("a version such as 9.0")?;
                let version = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let Some(version) = version else { return self.wrong_before("a version such as 9.0") };
                self.ast.version = version;
            }
            ".target" => {
                self.ast.target = self.word("a target such as sm_80")?.to_string();
                while self.take(',') {
                    self.ast.target.push(',');
                    let more = self.word("a target option")?;
                    self.ast.target.push_str(more);
                }
            }
            _ => {
                if self.literal("64")? != 64 {
                    return self.wrong_before("64 as address size");
                }
            }
        }
        Ok(())
    }

    /// `.alias name, function;`
    fn alias(&mut self) -> Result<()> {
        self.at += 1;
        let name = self.word("a name")?.to_string();
        self.expect(',', "`,`")?;
        let function = self.word("the name of a function")?.to_string();
        self.aliases.insert(name, function);
        self.expect(';', "`;`")
    }

    /// Lets calls name the functions themselves. One step is enough: an alias may not name another one.
    fn resolve_aliases(&mut self) {
        if self.aliases.is_empty() {
            return;
        }
        for function in &mut self.ast.functions {
            for statement in &mut function.body {
                let Statement::Instruction(ins) = statement else { continue };
                if ins.name() != "call" {
                    continue;
                }
                for operand in &mut ins.operands {
                    if let Operand::Name(name) = operand
                        && let Some(target) = self.aliases.get(name)
                    {
                        *name = target.clone();
                    }
                }
            }
        }
    }

    /// A function's body, from `{` to its `}`.
    fn body(&mut self) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        let base = self.scopes.len();
        loop {
            let (line, _) = self.place();
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
                Kind::Punct('@') => self.instruction(&mut statements)?,
                Kind::Word(".reg") => self.register_declaration()?,
                Kind::Word(".local" | ".shared" | ".param" | ".global" | ".const") => {
                    let global = matches!(self.peek(), Kind::Word(".global" | ".const"));
                    let ids = self.variables(false)?;
                    if global {
                        self.ast.globals.extend(ids);
                    }
                }
                Kind::Word(".extern" | ".visible" | ".weak") => self.at += 1,
                Kind::Word(".pragma" | ".calltargets" | ".callprototype") => self.skip_to_semicolon()?,
                Kind::Word(".loc" | ".file") => self.skip_position(),
                Kind::Word(".branchtargets") => {
                    self.at += 1;
                    let mut targets = vec![self.word("a label")?.to_string()];
                    while self.take(',') {
                        targets.push(self.word("a label")?.to_string());
                    }
                    self.expect(';', "`;`")?;
                    statements.push(Statement::Targets(targets));
                }
                Kind::Word(word) if self.second() == Some(Kind::Punct(':')) => {
                    self.at += 2;
                    statements.push(Statement::Label(word.to_string(), line));
                }
                Kind::Word(_) => self.instruction(&mut statements)?,
                _ => return self.wrong("an instruction"),
            }
        }
    }

    /// The registers that a name stands for.
    fn find_registers(&self, name: &str) -> Option<Registers> {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (prefix, number) = name.split_at(name.len() - digits);
        let number: Option<u32> = number.parse().ok();
        self.scopes.iter().rev().find_map(|scope| {
            scope.registers.get(name).copied().or_else(|| {
                let range = scope.ranges.get(prefix)?;
                let number = number.filter(|n| *n < range.count)?;
                Some(Registers { first: range.first + number * range.width, count: 1, ..*range })
            })
        })
    }

    /// A register, or a component of a vector of registers.
    fn register(&self, name: &str) -> Option<RegId> {
        if let Some(found) = self.find_registers(name) {
            return (found.width == 1).then_some(RegId(found.first));
        }
        let (vector, component) = name.rsplit_once('.')?;
        let at = ["x", "y", "z", "w", "r", "g", "b", "a"].iter().position(|c| *c == component)? as u32 % 4;
        let found = self.find_registers(vector)?;
        (at < found.width).then_some(RegId(found.first + at))
    }

    fn variable(&self, name: &str) -> Option<VarId> {
        self.scopes.iter().rev().find_map(|scope| scope.variables.get(name).copied())
    }

    fn space_of(word: &str) -> (Space, bool) {
        match word {
            ".global" | ".tex" => (Space::Global, false),
            ".const" => (Space::Global, true),
            ".shared" => (Space::Shared, false),
            ".local" => (Space::Local, false),
            _ => (Space::Param, false),
        }
    }
}
