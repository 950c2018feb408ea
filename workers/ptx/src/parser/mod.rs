//! Reads PTX text into an [`Ast`].

mod declaration;
mod operand;

use std::collections::HashMap;

use crate::ast::{Ast, Function, RegId, Statement, Type, VarId};
use crate::error::{Error, Space};
use crate::lexer::{Kind, Token, tokens};
use operand::integer;

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
    register_names: Vec<(u32, String, bool)>,
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
        register_names: Vec::new(),
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
        self.register_names.clear();
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
            let register_names = std::mem::take(&mut self.register_names);
            self.ast.functions.push(Function {
                name,
                entry,
                params,
                returns,
                registers,
                register_names,
                body,
                max_threads,
                required_threads,
                line,
            });
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
}
