//! Lowers `mma` on integers and `ldmatrix`.

use super::builder::Builder;
use crate::ast::{Instruction, Operand, Type};
use crate::collective::{Collective, Product, Tile};
use crate::error::Error;
use crate::ir::{Class, NO_SLOT};

type Result<T> = std::result::Result<T, Error>;

/// The tile that an instruction names: shape, and types of D, A, B and C.
fn tile(ins: &Instruction) -> Option<Tile> {
    const TYPES: [&str; 6] = ["s32", "s8", "u8", "s4", "u4", "b1"];
    let types: Vec<&str> = ins.modifiers().filter(|modifier| TYPES.contains(modifier)).collect();
    let ["s32", a, b, "s32"] = types[..] else { return None };
    let (a_signed, b_signed) = (a.starts_with('s'), b.starts_with('s'));
    // Elements of a register.
    let (product, elements) = match (a.trim_start_matches(['s', 'u']), b.trim_start_matches(['s', 'u'])) {
        ("8", "8") => (Product::Bytes { a_signed, b_signed }, 4),
        ("4", "4") => (Product::Nibbles { a_signed, b_signed }, 8),
        ("b1", "b1") if ins.has("popc") && ins.has("xor") => (Product::Xor, 32),
        ("b1", "b1") if ins.has("popc") && ins.has("and") => (Product::And, 32),
        _ => return None,
    };
    let shape = ins.modifiers().find_map(|modifier| modifier.strip_prefix('m')?.split_once("n8k"))?;
    let k: u32 = shape.1.parse().ok()?;
    let (tall, deep) = match (shape.0, k / elements) {
        ("8", 4) => (false, false),
        ("16", 4) => (true, false),
        ("16", 8) => (true, true),
        _ => return None,
    };
    let saturate = ins.has("satfinite");
    (ins.has("row") && ins.has("col") && k.is_multiple_of(elements)).then_some(Tile { product, tall, deep, saturate })
}

impl Builder<'_> {
    pub(super) fn mma(&mut self, ins: &Instruction) -> Result<(Collective, u32)> {
        self.expect(ins, 4)?;
        let tile = tile(ins).ok_or_else(|| {
            ins.unsupported("s32 = s8, u8, s4, u4 or b1 in a shape that sm_80 has, with .row.col, is expected")
        })?;
        let mut slots = [[0u32; 4]; 4];
        for (i, wanted) in tile.registers().into_iter().enumerate() {
            let parts = vector(ins, &ins.operands[i], wanted)?;
            for (slot, part) in slots[i].iter_mut().zip(parts) {
                *slot = if i == 0 {
                    self.target(ins, part, Class::Word)?
                } else {
                    self.source(ins, part, Class::Word, Type::B32)?
                };
            }
            // Registers that this shape does not have repeat one that it has.
            let first = slots[i][0];
            slots[i][wanted..].fill(if i == 0 { NO_SLOT } else { first });
        }
        let [d, a, b, c] = slots;
        let everyone = self.word_constant(u32::MAX);
        Ok((Collective::Mma { tile, d, a, b: [b[0], b[1]], c }, everyone))
    }

    /// `ldmatrix.sync.aligned.m8n8.num{.trans}.shared.b16 d, [a]`
    pub(super) fn load_matrix(&mut self, ins: &Instruction) -> Result<(Collective, u32)> {
        self.expect(ins, 2)?;
        let count = match ins.modifiers().find_map(|modifier| modifier.strip_prefix('x')) {
            Some("1") => 1,
            Some("2") => 2,
            Some("4") => 4,
            _ => return Err(ins.unsupported("a number of matrices (.x1, .x2 or .x4) is missing")),
        };
        if !ins.has("m8n8") || !ins.has("b16") {
            return Err(ins.unsupported("matrices other than .m8n8 of .b16 need a newer GPU than sm_80"));
        }
        let at = self.place(ins, &ins.operands[1])?;
        let mut d = [NO_SLOT; 4];
        for (slot, part) in d.iter_mut().zip(vector(ins, &ins.operands[0], count)?) {
            *slot = self.target(ins, part, Class::Word)?;
        }
        let everyone = self.word_constant(u32::MAX);
        Ok((Collective::LoadMatrix { at, transposed: ins.has("trans"), d }, everyone))
    }
}

fn vector<'a>(ins: &Instruction, operand: &'a Operand, wanted: usize) -> Result<&'a [Operand]> {
    let parts = match operand {
        Operand::Vector(parts) => &parts[..],
        single => std::slice::from_ref(single),
    };
    if parts.len() == wanted {
        return Ok(parts);
    }
    Err(ins.unsupported(format!("{} registers in an operand, expected {wanted}", parts.len())))
}
