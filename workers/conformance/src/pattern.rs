//! Reads the lines of [`crate::templates`].

use std::sync::OnceLock;

use crate::templates::{FAMILIES, Where};
use crate::values::Type;

/// Memory that an instruction touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The input, which is read only.
    Input,
    /// The thread's cell in global memory.
    Own,
    /// The thread's cell in shared memory.
    Shared,
    /// The thread's local memory.
    Local,
    /// Any of the three before, through a generic address.
    Generic,
    /// The module's `.const` variable.
    Const,
    /// The module's `.global` variable.
    Variable,
    /// The parameters of the kernel.
    Param,
    /// A number that all threads change, of global or shared memory; one for each way of changing it.
    Tally {
        /// Whether it is in shared memory.
        shared: bool,
    },
}

/// What an instruction reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Reads a value; `Some(n)`: a vector of n.
    Read(Type, Option<usize>),
    /// Reads a value that is not zero.
    ReadNonZero(Type),
    /// Reads a predicate, negated.
    ReadNegated,
    /// Writes a register; `Some(n)`: a vector of n.
    Write(Type, Option<usize>),
    /// Writes a register and a predicate.
    WritePair(Type),
    /// A number from 0 to this one, written in the instruction.
    Number(u64),
    /// Just this text.
    Text(String),
    /// An address, for an access of so many bytes.
    Address(Place, u32),
    /// The mask of the lanes that are here.
    Members,
    /// Lane and clamp of a shuffle: two operands.
    Source,
    /// Number of a barrier.
    Barrier,
    /// Threads of the block, in whole warps.
    Threads,
}

/// One instruction with its opcode in full.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The opcode with modifiers.
    pub opcode: String,
    /// Its operands in order.
    pub operands: Vec<Operand>,
}

/// One way to write a template: an instruction, or several that belong together.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it may stand.
    pub place: Where,
    /// The instructions.
    pub instructions: Vec<Instruction>,
}

impl Form {
    /// The opcodes, as a name.
    #[must_use]
    pub fn name(&self) -> String {
        let opcodes: Vec<&str> = self.instructions.iter().map(|ins| ins.opcode.as_str()).collect();
        opcodes.join("; ")
    }

    /// The operands of all its instructions.
    pub fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.instructions.iter().flat_map(|ins| &ins.operands)
    }
}

/// All forms; those of one template together.
///
/// # Panics
/// If a template cannot be read: they are part of this crate.
pub fn forms() -> &'static [Vec<Form>] {
    static FORMS: OnceLock<Vec<Vec<Form>>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let lines = FAMILIES.iter().flat_map(|(place, lines)| lines.iter().map(move |line| (*place, *line)));
        lines.map(|(place, line)| read(place, line).unwrap_or_else(|why| panic!("template `{line}`: {why}"))).collect()
    })
}

/// The forms of a template.
fn read(place: Where, line: &str) -> Result<Vec<Form>, String> {
    let mut forms = Vec::new();
    for text in expand(line) {
        let mut instructions: Vec<Instruction> = Vec::new();
        for part in text.split(';') {
            let first = instructions.first().and_then(|ins| types(&ins.opcode).last().copied());
            let mut words = part.split_whitespace();
            let opcode = words.next().ok_or("an opcode is missing")?;
            let opcode = opcode.replace('~', first.map_or("~", |ty| ty.name));
            let mut operands = Vec::new();
            for word in words {
                operands.push(operand(word, &opcode).ok_or_else(|| format!("operand `{word}` of `{opcode}`"))?);
            }
            instructions.push(Instruction { opcode, operands });
        }
        // `{ld,st} {=t [a],[a] t}` makes loads that write and stores that read, and two forms that are neither.
        let mixed = instructions.iter().any(|ins| {
            let writes = ins.operands.iter().any(|operand| matches!(operand, Operand::Write(..)));
            (ins.opcode.starts_with("st.") && writes) || (ins.opcode.starts_with("ld.") && !writes)
        });
        if !mixed {
            forms.push(Form { place, instructions });
        }
    }
    Ok(forms)
}

/// Every combination of the alternatives in braces.
fn expand(line: &str) -> Vec<String> {
    let Some(start) = line.find('{') else { return vec![line.to_string()] };
    let end = line[start..].find('}').map_or(line.len() - 1, |end| start + end);
    let (before, rest) = (&line[..start], &line[end + 1..]);
    let rests = expand(rest);
    let alternatives = line[start + 1..end].split(',');
    alternatives.flat_map(|one| rests.iter().map(move |rest| format!("{before}{one}{rest}"))).collect()
}

/// The types among the modifiers of an opcode.
fn types(opcode: &str) -> Vec<Type> {
    opcode.split('.').skip(1).filter_map(Type::parse).collect()
}

/// How many elements an opcode moves, if it is a vector instruction.
fn vector(opcode: &str) -> Option<usize> {
    opcode.split('.').find_map(|modifier| match modifier {
        "v2" => Some(2),
        "v4" => Some(4),
        _ => None,
    })
}

fn operand(word: &str, opcode: &str) -> Option<Operand> {
    let found = types(opcode);
    let named = |name: &str| match name {
        "t" => found.last().copied(),
        "t1" => found.first().copied(),
        "w" => found.last().and_then(|ty| ty.wide()),
        name => Type::parse(name),
    };
    let count = |text: &str| -> Option<(Type, Option<usize>)> {
        match text.split_once('*') {
            None => Some((named(text)?, None)),
            Some((name, "v")) => Some((named(name)?, vector(opcode))),
            Some((name, count)) => Some((named(name)?, Some(count.parse().ok()?))),
        }
    };
    Some(match word {
        "members" => Operand::Members,
        "source" => Operand::Source,
        "barrier" => Operand::Barrier,
        "threads" => Operand::Threads,
        "!pred" => Operand::ReadNegated,
        _ if word.starts_with('%') => Operand::Text(word.to_string()),
        _ => match word.split_at(1) {
            ("'", text) => Operand::Text(text.to_string()),
            ("@", name) => Operand::Read(Type { literal: false, ..named(name)? }, None),
            ("#", most) => Operand::Number(most.parse().ok()?),
            ("=", target) => match target.strip_suffix("|pred") {
                Some(first) => Operand::WritePair(named(first)?),
                None => {
                    let (ty, count) = count(target)?;
                    Operand::Write(ty, count)
                }
            },
            ("[", name) => {
                // Copies and rows of matrices have no type of their own; 16 bytes are aligned for all of them.
                let whole = opcode.starts_with("ldmatrix") || opcode.starts_with("cp.");
                let element = found.last().filter(|_| !whole).map_or(16, |ty| ty.bytes());
                let len = element * vector(opcode).unwrap_or(1) as u32;
                Operand::Address(place(name.strip_suffix(']')?, opcode)?, len)
            }
            _ => match word.strip_suffix("!0") {
                Some(name) => Operand::ReadNonZero(named(name)?),
                None => {
                    let (ty, count) = count(word)?;
                    Operand::Read(ty, count)
                }
            },
        },
    })
}

fn place(name: &str, opcode: &str) -> Option<Place> {
    let space = opcode.split('.').find(|m| matches!(*m, "global" | "shared" | "shared::cta" | "local"));
    Some(match name {
        "in" => Place::Input,
        "own" => Place::Own,
        "shared" => Place::Shared,
        "local" => Place::Local,
        "generic" => Place::Generic,
        "const" => Place::Const,
        "variable" => Place::Variable,
        "param" => Place::Param,
        "tally" => Place::Tally { shared: space != Some("global") },
        "space" => match space? {
            "global" => Place::Own,
            "local" => Place::Local,
            _ => Place::Shared,
        },
        _ => return None,
    })
}

/// What tells the ways of changing a tally apart: threads may only mix those that give the same in any order.
fn change(opcode: &str) -> Option<String> {
    let by = opcode.split('.').find(|m| matches!(*m, "add" | "min" | "max" | "and" | "or" | "xor" | "inc" | "dec"))?;
    Some(format!("{by}.{}", types(opcode).last()?.name))
}

/// The ways of changing a tally that occur.
fn changes() -> &'static [String] {
    static CHANGES: OnceLock<Vec<String>> = OnceLock::new();
    CHANGES.get_or_init(|| {
        let all = forms().iter().flatten().flat_map(|form| &form.instructions);
        let tallies =
            all.filter(|ins| ins.operands.iter().any(|o| matches!(o, Operand::Address(Place::Tally { .. }, _))));
        let mut found: Vec<String> = tallies.filter_map(|ins| change(&ins.opcode)).collect();
        found.sort_unstable();
        found.dedup();
        found
    })
}

/// How many tallies there are.
#[must_use]
pub fn tallies() -> u32 {
    changes().len() as u32
}

/// The tally that an opcode changes.
#[must_use]
pub fn tally(opcode: &str) -> u32 {
    let key = change(opcode).unwrap_or_default();
    changes().iter().position(|change| *change == key).unwrap_or_default() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read() {
        let forms = read(Where::Anywhere, "cvt{,.sat}.{u8,f32}.s16 =t1 t").unwrap();
        let names: Vec<String> = forms.iter().map(Form::name).collect();
        assert_eq!(names, ["cvt.u8.s16", "cvt.f32.s16", "cvt.sat.u8.s16", "cvt.sat.f32.s16"]);
        let forms = read(Where::Anywhere, "add.cc.{u32,s64} =t t t; addc.~ =t t t").unwrap();
        assert_eq!(forms[1].name(), "add.cc.s64; addc.s64");
        assert_eq!(forms[1].instructions[1].operands[0], Operand::Write(Type::parse("s64").unwrap(), None));
        assert!(read(Where::Anywhere, "add.u32 =t q").is_err());
        assert!(tallies() >= 15 && tally("red.global.add.u32") != tally("red.global.add.u64"));
    }
}
