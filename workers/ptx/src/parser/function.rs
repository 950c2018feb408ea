//! Kernels and device functions.

use alloc::rc::Rc;

use super::{MAX_FUNCTIONS, Parser, Result, Scope, passing};
use crate::ast::{Function, RegId, Type, VarId, Variable};
use crate::error::{Error, Space};
use crate::lexer::Kind;

/// Most bytes of a kernel's parameters: what the driver takes.
const MAX_PARAMS: u64 = 32_764;

/// The parameters of a function, or its returns.
#[derive(Default)]
pub(super) struct Formals {
    pub ids: Vec<VarId>,
    /// Those that are written as registers: the variable that carries the value, the register, its type.
    pub registers: Vec<(VarId, RegId, Type)>,
}

/// What the directives between a function's name and its body say.
#[derive(Default)]
struct Directives {
    max_threads: Option<[u32; 3]>,
    required_threads: Option<[u32; 3]>,
}

impl Parser<'_> {
    pub(super) fn function(&mut self, entry: bool) -> Result<()> {
        let (line, column) = self.place();
        self.at += 1;
        self.scopes.push(Scope::default());
        self.registers.clear();
        self.register_names.clear();
        if self.peek() == Kind::Word(".attribute") {
            self.attribute()?;
        }
        let returns = if !entry && self.take('(') { self.formals()? } else { Formals::default() };
        let name = self.word("the name of a function")?.to_string();
        let params = if self.take('(') { self.formals()? } else { Formals::default() };
        if entry {
            self.kernel_params(&params.ids, line, column)?;
        }
        self.signatures.insert(name.clone(), Rc::new((returns.ids.clone(), params.ids.clone())));
        let directives = self.directives()?;
        let body = if self.take(';') { None } else { Some(self.body()?) };
        self.scopes.pop();
        let Some(mut body) = body else {
            self.ast.declared.insert(name);
            return Ok(());
        };
        if !self.defined.insert(name.clone()) {
            return Err(Error::Name { line, column, name, problem: "is defined twice" });
        }
        if self.ast.functions.len() == MAX_FUNCTIONS {
            let (found, limit) = (MAX_FUNCTIONS as u64 + 1, MAX_FUNCTIONS as u64);
            return Err(Error::Limit { line, column, what: "the number of kernels and functions", found, limit });
        }
        passing::bind(&mut body, &params.registers, &returns.registers, line, column)?;
        let registers = std::mem::take(&mut self.registers);
        let register_names = std::mem::take(&mut self.register_names);
        self.registers_before += registers.len() as u64;
        let Directives { max_threads, required_threads } = directives;
        let (params, returns) = (params.ids, returns.ids);
        let function = Function {
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
        };
        self.ast.by_name.insert(function.name.clone(), self.ast.functions.len());
        self.ast.functions.push(function);
        Ok(())
    }

    fn kernel_params(&mut self, ids: &[VarId], line: u32, column: u32) -> Result<()> {
        let mut found = 0u64;
        for id in ids {
            let variable = &mut self.ast.variables[id.0 as usize];
            variable.constant = true;
            found = found.next_multiple_of(u64::from(variable.align)).saturating_add(variable.len);
        }
        if found > MAX_PARAMS {
            let what = "the bytes of a kernel's parameters";
            return Err(Error::Limit { line, column, what, found, limit: MAX_PARAMS });
        }
        Ok(())
    }

    /// Parameters or returns up to `)`.
    fn formals(&mut self) -> Result<Formals> {
        let mut formals = Formals::default();
        while !self.take(')') {
            match self.peek() {
                Kind::Word(".param") => formals.ids.push(self.parameter()?),
                Kind::Word(".reg") => {
                    let (name, register, ty) = self.register_parameter()?;
                    let id = self.carrier(name, ty);
                    formals.ids.push(id);
                    formals.registers.push((id, register, ty));
                }
                _ => return self.wrong("`.param`, `.reg` or `)`"),
            }
            if !self.take(',') && self.peek() != Kind::Punct(')') {
                return self.wrong("`,` or `)`");
            }
        }
        Ok(formals)
    }

    /// A parameter variable that no name of the text reaches.
    pub(super) fn carrier(&mut self, name: String, ty: Type) -> VarId {
        let (line, column) = self.place();
        let id = VarId(self.ast.variables.len() as u32);
        self.ast.variables.push(Variable {
            name,
            space: Space::Param,
            constant: false,
            align: ty.len(),
            len: u64::from(ty.len()),
            init: None,
            relocations: Vec::new(),
            ty,
            pointer: false,
            external: false,
            line,
            column,
        });
        id
    }

    fn directives(&mut self) -> Result<Directives> {
        const CLUSTER: (&str, &str) = ("needs a newer GPU than sm_80", "blocks without clusters");
        let mut directives = Directives::default();
        loop {
            let Kind::Word(word) = self.peek() else {
                return match self.peek() {
                    Kind::Punct('{' | ';') => Ok(directives),
                    _ => self.wrong("`{`, `;` or a directive of a function"),
                };
            };
            match word {
                ".maxntid" | ".reqntid" => {
                    self.at += 1;
                    let sizes = self.sizes()?;
                    match word {
                        ".maxntid" => directives.max_threads = Some(sizes),
                        _ => directives.required_threads = Some(sizes),
                    }
                }
                ".minnctapersm" | ".maxnreg" | ".maxnctapersm" | ".abi_preserve" | ".abi_preserve_control" => {
                    self.at += 1;
                    self.number("a number")?;
                }
                ".reqnctapercluster" | ".maxclusterrank" => {
                    self.remark(word, CLUSTER.0, CLUSTER.1);
                    self.at += 1;
                    self.sizes()?;
                }
                ".blocksareclusters" | ".explicitcluster" => {
                    self.remark(word, CLUSTER.0, CLUSTER.1);
                    self.at += 1;
                }
                ".noreturn" => self.at += 1,
                ".attribute" => self.attribute()?,
                ".pragma" => self.skip_to_semicolon()?,
                ".loc" | ".file" => self.skip_position(),
                _ => return self.wrong("`{`, `;` or a directive of a function"),
            }
        }
    }

    /// Up to three numbers; those that are missing are 1.
    fn sizes(&mut self) -> Result<[u32; 3]> {
        let mut sizes = [1; 3];
        for size in &mut sizes {
            *size = u32::try_from(self.number("a number of threads")?).unwrap_or(u32::MAX);
            if !self.take(',') {
                break;
            }
        }
        Ok(sizes)
    }
}
