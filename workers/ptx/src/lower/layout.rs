//! Where variables live.

use alloc::collections::BTreeMap;

use crate::address::{OFFSET_BITS, VARIABLES};
use crate::ast::{Ast, VarId};
use crate::error::{Error, Space};

/// Bytes that were given out, with alignment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Area {
    pub len: u64,
}

impl Area {
    pub fn take(&mut self, len: u64, align: u32) -> u64 {
        let at = self.len.next_multiple_of(u64::from(align.max(1)));
        self.len = at + len;
        at
    }
}

/// Addresses of the module's variables, and the bytes with which they start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub addresses: BTreeMap<VarId, u64>,
    pub image: Vec<u8>,
    /// Dynamic shared memory.
    pub dynamic: Vec<VarId>,
}

impl Layout {
    pub fn new(ast: &Ast) -> Result<Self, Error> {
        let mut area = Area::default();
        let mut layout = Self::default();
        for id in &ast.globals {
            let variable = ast.variable(*id);
            if variable.space == Space::Global {
                let at = area.take(variable.len, variable.align.max(16));
                layout.addresses.insert(*id, (VARIABLES << OFFSET_BITS) + at);
            }
        }
        let dynamic = |id: &VarId| ast.variable(*id).space == Space::Shared && ast.variable(*id).len == 0;
        layout.dynamic = ast.globals.iter().copied().filter(dynamic).collect();
        layout.image = vec![0; area.len as usize];
        for id in &ast.globals {
            let variable = ast.variable(*id);
            let (Some(address), Some(init)) = (layout.addresses.get(id), &variable.init) else { continue };
            let at = (address - (VARIABLES << OFFSET_BITS)) as usize;
            layout.image[at..at + init.len()].copy_from_slice(init);
            for (offset, target, addend) in &variable.relocations {
                let Some(target) = layout.addresses.get(target) else {
                    let name = ast.variable(*target).name.clone();
                    return Err(Error::Name {
                        line: variable.line,
                        column: variable.column,
                        name,
                        problem: "has no address that a variable could hold",
                    });
                };
                let value = target.wrapping_add(*addend as u64);
                let at = at + *offset as usize;
                layout.image[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(layout)
    }
}
