//! Declarations of variables and registers.

use super::{MAX_ALL_REGISTERS, MAX_REGISTERS, MAX_VARIABLE, Parser, Registers, Result};
use crate::ast::{RegId, Type, VarId, Variable};
use crate::error::{Error, Space};
use crate::lexer::Kind;

/// What stands before the names of a declaration.
pub(super) struct Head {
    pub space: Space,
    pub constant: bool,
    external: bool,
    align: Option<u64>,
    ty: Type,
    /// Elements of a vector.
    vector: u64,
    pointer: bool,
    /// A texture, sampler or surface.
    opaque: bool,
}

impl Parser<'_> {
    /// `.space declarations ;`
    pub(super) fn variables(&mut self, external: bool) -> Result<Vec<VarId>> {
        let head = self.head(external)?;
        let mut ids = vec![self.declarator(&head)?];
        while self.take(',') {
            ids.push(self.declarator(&head)?);
        }
        self.expect(';', "`;`")?;
        Ok(ids)
    }

    /// One parameter, without what follows.
    pub(super) fn parameter(&mut self) -> Result<VarId> {
        let head = self.head(false)?;
        self.declarator(&head)
    }

    /// `.space .align n .type`
    fn head(&mut self, external: bool) -> Result<Head> {
        let (space, constant) = Self::space_of(self.word("a state space")?);
        let (mut align, mut ty, mut vector, mut pointer, mut opaque) = (None, None, 1, false, false);
        loop {
            let Kind::Word(word) = self.peek() else { return self.wrong("a type or a name") };
            let Some(name) = word.strip_prefix('.') else { break };
            if matches!(name, "texref" | "samplerref" | "surfref") {
                let (reason, instead) = ("textures and surfaces are not in the profile", "a buffer");
                self.remark(word, reason, instead);
                (ty, opaque) = (Some(Type::U64), true);
            }
            if name == "attribute" {
                self.attribute()?;
                continue;
            }
            self.at += 1;
            match name {
                "align" => {
                    let found = self.number("an alignment")?;
                    // After `.ptr` it is the alignment of what the pointer points to.
                    align = if pointer { align } else { Some(found) };
                }
                "ptr" => pointer = true,
                "global" | "const" | "shared" | "local" | "generic" | "texref" | "samplerref" | "surfref" => {}
                "v2" => vector = 2,
                "v4" => vector = 4,
                "v8" => vector = 8,
                _ => match Type::parse(name) {
                    Some(found) => ty = Some(found),
                    None => return self.wrong_before("a type"),
                },
            }
        }
        let Some(ty) = ty else { return self.wrong("a type before the name") };
        Ok(Head { space, constant, external, align, ty, vector, pointer, opaque })
    }

    /// `.attribute(.managed)`
    pub(super) fn attribute(&mut self) -> Result<()> {
        if self.tokens.get(self.at + 2).map(|token| token.kind) == Some(Kind::Word(".managed")) {
            let (reason, instead) = ("managed memory moves between host and GPU", "a buffer");
            self.remark(".attribute(.managed)", reason, instead);
        }
        self.at += 1;
        self.skip_brackets()
    }

    /// `name[n] = {...}`
    fn declarator(&mut self, head: &Head) -> Result<VarId> {
        let (line, column) = self.place();
        let name = self.word("a name")?.to_string();
        let element = u64::from(head.ty.len()) * head.vector;
        let mut dimensions = Vec::new();
        let mut open = false;
        while self.take('[') {
            if self.take(']') {
                open = true;
                dimensions.push(0);
                continue;
            }
            dimensions.push(self.number("a number of elements")?);
            self.expect(']', "`]`")?;
        }
        let len = dimensions.iter().fold(element, |len, n| len.saturating_mul(*n));
        let align = head.align.unwrap_or(element);
        if !align.is_power_of_two() || align > 4096 {
            return Err(Error::Limit { line, column, what: "an alignment", found: align, limit: 4096 });
        }
        self.charge(len.saturating_add(align), line, column)?;
        let (mut len, mut init, mut relocations) = (len, None, Vec::new());
        if self.peek() == Kind::Punct('=') {
            self.at += 1;
            if head.opaque {
                self.skip_initialiser()?;
            } else {
                let (bytes, addresses) = self.initialised(head.ty, element, &dimensions)?;
                if open {
                    len = bytes.len() as u64;
                    self.charge(len, line, column)?;
                }
                if bytes.len() as u64 > len {
                    let found = bytes.len() as u64;
                    return Err(Error::Limit { line, column, what: "an initialiser", found, limit: len });
                }
                (init, relocations) = (Some(bytes), addresses);
            }
        }
        // Textures are refused by a remark already.
        let init = init.or_else(|| head.opaque.then(Vec::new)).map(|mut bytes| {
            bytes.resize(len as usize, 0);
            bytes
        });
        let variable = Variable {
            name: name.clone(),
            space: head.space,
            constant: head.constant,
            align: align as u32,
            len,
            init,
            relocations,
            ty: head.ty,
            pointer: head.pointer,
            external: head.external,
            line,
            column,
        };
        Ok(self.declare(name, variable))
    }

    /// Adds a variable; a definition takes the place of the `.extern` declaration before it.
    fn declare(&mut self, name: String, variable: Variable) -> VarId {
        let module = self.scopes.len() == 1;
        if module && let Some(id) = self.scopes[0].variables.get(&name).copied() {
            let before = &mut self.ast.variables[id.0 as usize];
            if before.external && before.space == variable.space {
                *before = variable;
                return id;
            }
        }
        let id = VarId(self.ast.variables.len() as u32);
        self.ast.variables.push(variable);
        if let Some(scope) = self.scopes.last_mut() {
            scope.variables.insert(name, id);
        }
        id
    }

    /// Counts bytes of variables, and what their alignment may cost.
    fn charge(&mut self, len: u64, line: u32, column: u32) -> Result<()> {
        self.variable_bytes = self.variable_bytes.saturating_add(len);
        if self.variable_bytes <= MAX_VARIABLE {
            return Ok(());
        }
        let found = self.variable_bytes;
        Err(Error::Limit { line, column, what: "the module's variables", found, limit: MAX_VARIABLE })
    }

    fn skip_initialiser(&mut self) -> Result<()> {
        while !matches!(self.peek(), Kind::Punct(';')) {
            if self.next() == Kind::End {
                return self.wrong_before("`;`");
            }
        }
        Ok(())
    }

    /// `.reg .v4 .type names ;`
    pub(super) fn register_declaration(&mut self) -> Result<()> {
        let (ty, width) = self.register_type()?;
        loop {
            self.new_registers(ty, width)?;
            if !self.take(',') {
                break;
            }
        }
        self.expect(';', "`;`")
    }

    /// `.reg .b32 name` of a parameter.
    pub(super) fn register_parameter(&mut self) -> Result<(String, RegId, Type)> {
        let (line, column) = self.place();
        let (ty, width) = self.register_type()?;
        let (name, registers) = self.new_registers(ty, width)?;
        if registers.count * registers.width != 1 || ty == Type::Pred {
            return Err(Error::Unsupported {
                line,
                column,
                instruction: ".reg".into(),
                reason: "a parameter is one register that is no predicate: use .param".into(),
            });
        }
        Ok((name, RegId(registers.first), ty))
    }

    fn register_type(&mut self) -> Result<(Type, u32)> {
        self.at += 1;
        let mut width = 1;
        loop {
            match self.word("a type")? {
                ".v2" => width = 2,
                ".v4" => width = 4,
                ".v8" => width = 8,
                word => match word.strip_prefix('.').and_then(Type::parse) {
                    Some(ty) => return Ok((ty, width)),
                    None => return self.wrong_before("a type of registers"),
                },
            }
        }
    }

    fn new_registers(&mut self, ty: Type, width: u32) -> Result<(String, Registers)> {
        let (line, column) = self.place();
        let name = self.word("the name of a register")?.to_string();
        let count = if self.take('<') {
            let count = self.literal("a number of registers")?;
            self.expect('>', "`>`")?;
            Some(count)
        } else {
            None
        };
        let first = self.registers.len() as u64;
        let new = count.unwrap_or(1).saturating_mul(u64::from(width));
        let total = first.saturating_add(new);
        for (found, limit) in [(total, MAX_REGISTERS), (total.saturating_add(self.registers_before), MAX_ALL_REGISTERS)]
        {
            if found > limit {
                return Err(Error::Limit { line, column, what: "the number of registers", found, limit });
            }
        }
        self.registers.resize(total as usize, ty);
        if new > 0 {
            self.register_names.push((first as u32, name.clone(), count.is_some()));
        }
        let registers = Registers { first: first as u32, width, count: count.unwrap_or(1) as u32 };
        if let Some(scope) = self.scopes.last_mut() {
            let names = if count.is_some() { &mut scope.ranges } else { &mut scope.registers };
            names.insert(name.clone(), registers);
        }
        Ok((name, registers))
    }
}
