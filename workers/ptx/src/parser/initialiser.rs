//! Initial values of variables: numbers, and addresses of other variables.

use super::number::Constant;
use super::{MAX_DEPTH, MAX_VARIABLE, Parser, Result};
use crate::ast::{Type, VarId};
use crate::error::Error;
use crate::lexer::Kind;

/// Addresses inside the bytes of a variable: offset, variable, addend.
type Relocations = Vec<(u32, VarId, i64)>;

/// One byte of an address, as nvcc writes pointers inside structures: `0xFF00(x)`.
struct AddressByte {
    at: u32,
    /// Which byte, from the lowest.
    index: u32,
    variable: VarId,
    addend: i64,
}

struct Values<'a> {
    ty: Type,
    /// Bytes of an element of the outermost list, of one inside it, and so on.
    strides: &'a [u64],
    bytes: Vec<u8>,
    relocations: Relocations,
    address_bytes: Vec<AddressByte>,
}

impl Parser<'_> {
    /// The bytes after `=`, and the addresses among them.
    pub(super) fn initialised(&mut self, ty: Type, element: u64, dimensions: &[u64]) -> Result<(Vec<u8>, Relocations)> {
        let mut strides: Vec<u64> = Vec::with_capacity(dimensions.len() + 1);
        let mut stride = element;
        for n in dimensions.iter().rev() {
            strides.push(stride);
            stride = stride.saturating_mul(*n);
        }
        strides.reverse();
        let (line, column) = self.place();
        let mut values =
            Values { ty, strides: &strides, bytes: Vec::new(), relocations: Vec::new(), address_bytes: Vec::new() };
        self.values(&mut values, 0)?;
        let Values { bytes, mut relocations, address_bytes, .. } = values;
        for parts in address_bytes.chunks(8) {
            let first = &parts[0];
            let whole = parts.len() == 8
                && parts.iter().zip(0..).all(|(part, i)| {
                    (part.at, part.index) == (first.at + i, i)
                        && (part.variable, part.addend) == (first.variable, first.addend)
                });
            if !whole {
                return Err(Error::Unsupported {
                    line,
                    column,
                    instruction: "0xFF(…)".into(),
                    reason: "expected all eight bytes of an address in order".into(),
                });
            }
            relocations.push((first.at, first.variable, first.addend));
        }
        Ok((bytes, relocations))
    }

    /// A number, or a list in `{ }`.
    fn values(&mut self, values: &mut Values, depth: usize) -> Result<()> {
        if values.bytes.len() as u64 > MAX_VARIABLE || depth > MAX_DEPTH {
            return self.wrong("a shorter initialiser");
        }
        if !self.take('{') {
            return self.one_value(values);
        }
        let start = values.bytes.len();
        while !self.take('}') {
            self.values(values, depth + 1)?;
            if !self.take(',') && self.peek() != Kind::Punct('}') {
                return self.wrong("`,` or `}`");
            }
        }
        // A list inside another one fills its row: what it leaves out is zero.
        if depth > 0
            && let Some(stride) = values.strides.get(depth - 1)
        {
            let end = (start as u64).saturating_add(*stride);
            if values.bytes.len() as u64 > end || end > MAX_VARIABLE {
                return self.wrong_before("fewer values in this list");
            }
            values.bytes.resize(end as usize, 0);
        }
        Ok(())
    }

    fn one_value(&mut self, values: &mut Values) -> Result<()> {
        let at = values.bytes.len() as u32;
        let len = values.ty.len();
        let mut bytes = [0; 16];
        match self.peek() {
            Kind::Word(word) if word.as_bytes()[0].is_ascii_digit() && self.second() == Some(Kind::Punct('(')) => {
                let mask = self.literal("a mask such as 0xFF")?;
                self.expect('(', "`(`")?;
                let (variable, addend) = self.address_value(0)?;
                self.expect(')', "`)`")?;
                let index = mask.trailing_zeros() / 8;
                if len != 1 || mask == 0 || mask != 0xff << (8 * index) {
                    return self.wrong_before("a mask of one byte, in a list of bytes");
                }
                if let Some(variable) = variable {
                    values.address_bytes.push(AddressByte { at, index, variable, addend });
                }
            }
            Kind::Word(word) if !word.as_bytes()[0].is_ascii_digit() && word != "WARP_SZ" => {
                let (variable, addend) = self.address_value(0)?;
                if len != 8 {
                    return self.wrong_before("an address in a list of 64-bit values");
                }
                if let Some(variable) = variable {
                    values.relocations.push((at, variable, addend));
                }
            }
            _ => {
                let value = match (self.constant("a number or an address")?, values.ty) {
                    (Constant::Int(value, _), Type::F32) => u64::from((value as i64 as f32).to_bits()),
                    (Constant::Int(value, _), Type::F64) => (value as i64 as f64).to_bits(),
                    (Constant::Int(value, _), _) => value,
                    (Constant::Float(value), Type::F64) => value.to_bits(),
                    (Constant::Float(value), Type::F32) => u64::from((value as f32).to_bits()),
                    (Constant::Float(_), _) => return self.wrong_before("an integer"),
                };
                bytes[..8].copy_from_slice(&value.to_le_bytes());
            }
        }
        values.bytes.extend_from_slice(&bytes[..len as usize]);
        Ok(())
    }

    /// `x`, `x+4`, `generic(x)+4`. Nothing for the address of a function, which is refused by a remark.
    fn address_value(&mut self, depth: usize) -> Result<(Option<VarId>, i64)> {
        if depth > 2 {
            return self.wrong("a simpler address");
        }
        let (variable, mut addend) = if self.peek() == Kind::Word("generic") && self.second() == Some(Kind::Punct('('))
        {
            self.at += 2;
            let inner = self.address_value(depth + 1)?;
            self.expect(')', "`)`")?;
            inner
        } else {
            (self.symbol()?, 0)
        };
        while matches!(self.peek(), Kind::Punct('+' | '-')) {
            self.take('+');
            addend = addend.wrapping_add(self.literal("an offset")? as i64);
        }
        Ok((variable, addend))
    }

    fn symbol(&mut self) -> Result<Option<VarId>> {
        let (line, column) = self.place();
        let Kind::Word(name) = self.peek() else { return self.wrong("a variable") };
        if let Some(id) = self.variable(name) {
            self.at += 1;
            return Ok(Some(id));
        }
        if !self.signatures.contains_key(name) {
            return Err(Error::Name { line, column, name: name.into(), problem: "is not declared" });
        }
        self.remark(name, "the address of a function is not the same everywhere", "a number and direct calls");
        self.at += 1;
        Ok(None)
    }
}
