//! Device memory: bounds-checked buffers that many blocks read and write at the same time.

mod cells;

pub(crate) use cells::{Cell, Cells};

use crate::address::{OFFSET_BITS, VARIABLES};
use crate::error::{FaultKind, Space};
use crate::module::Module;

/// Most bytes of a buffer.
const MAX_LEN: u64 = 1 << OFFSET_BITS;

/// What kernels may do with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    ReadWrite,
}

#[derive(Debug)]
pub(crate) struct Buffer {
    pub cells: Cells,
    pub access: Access,
}

/// The memory of a device: buffers, each at an address of its own, and the variables of one module.
///
/// An address is the number of a buffer, shifted left by 36 bits, plus an offset; so every access outside a buffer is
/// found, and a buffer starts at a multiple of 256 as on a GPU.
#[derive(Debug)]
pub struct Memory {
    /// By number; number 0 stays empty, so that the null pointer and what is near it is never valid.
    buffers: Vec<Option<Buffer>>,
}

impl Memory {
    /// Memory with the variables of a module, which kernels may only read: what they wrote there would carry over from
    /// one unit to the next.
    #[must_use]
    pub fn new(module: &Module) -> Self {
        let mut memory = Self { buffers: vec![None, None] };
        memory.set_module(module);
        memory
    }

    /// Puts the variables of another module in place of those that are there; buffers stay.
    pub fn set_module(&mut self, module: &Module) {
        let image = module.image();
        let cells = Cells::new(image.len());
        // The image fits: the cells were made for it.
        let _ = cells.write(0, image);
        self.buffers[VARIABLES as usize] = Some(Buffer { cells, access: Access::Read });
    }

    /// Allocates zeroed bytes.
    ///
    /// # Errors
    /// If the length is 0 or above 64 GiB.
    pub fn alloc(&mut self, len: u64, access: Access) -> Result<u64, FaultKind> {
        if len == 0 || len > MAX_LEN {
            return Err(FaultKind::Launch(format!("a buffer has 1 to {MAX_LEN} bytes, not {len}")));
        }
        let buffer = Buffer { cells: Cells::new(len as usize), access };
        let free = (2..self.buffers.len()).find(|i| self.buffers[*i].is_none());
        let number = free.unwrap_or_else(|| {
            self.buffers.push(None);
            self.buffers.len() - 1
        });
        self.buffers[number] = Some(buffer);
        Ok((number as u64) << OFFSET_BITS)
    }

    /// Gives a buffer back.
    ///
    /// # Errors
    /// If the address is not the start of a buffer.
    pub fn free(&mut self, address: u64) -> Result<(), FaultKind> {
        let number = address >> OFFSET_BITS;
        let slot = usize::try_from(number).ok().and_then(|n| self.buffers.get_mut(n));
        match slot {
            Some(slot @ Some(_)) if number > VARIABLES && address & (MAX_LEN - 1) == 0 => {
                *slot = None;
                Ok(())
            }
            _ => Err(FaultKind::OutOfBounds { space: Space::Global, address, len: 0 }),
        }
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// If they are not inside one buffer.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), FaultKind> {
        let (cells, offset) = self.span(address, bytes.len())?;
        cells.read(offset, bytes).ok_or(Self::outside(address, bytes.len()))
    }

    /// Copies bytes in; the access of the buffer binds kernels, not this.
    ///
    /// # Errors
    /// If they are not inside one buffer.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), FaultKind> {
        let (cells, offset) = self.span(address, bytes.len())?;
        cells.write(offset, bytes).ok_or(Self::outside(address, bytes.len()))
    }

    /// Sets bytes to a value.
    ///
    /// # Errors
    /// If they are not inside one buffer.
    pub fn fill(&mut self, address: u64, len: usize, value: u8) -> Result<(), FaultKind> {
        let (cells, offset) = self.span(address, len)?;
        cells.fill(offset, len, value).ok_or(Self::outside(address, len))
    }

    fn outside(address: u64, len: usize) -> FaultKind {
        FaultKind::OutOfBounds { space: Space::Global, address, len: u32::try_from(len).unwrap_or(u32::MAX) }
    }

    fn span(&self, address: u64, len: usize) -> Result<(&Cells, usize), FaultKind> {
        let buffer = self.buffer(address >> OFFSET_BITS).ok_or(Self::outside(address, len))?;
        Ok((&buffer.cells, (address & (MAX_LEN - 1)) as usize))
    }

    /// Numbers of buffers are below this one.
    pub(crate) fn count(&self) -> usize {
        self.buffers.len()
    }

    /// The buffer with this number.
    #[inline(always)]
    pub(crate) fn buffer(&self, number: u64) -> Option<&Buffer> {
        self.buffers.get(number as usize)?.as_ref()
    }

    /// The address of every number's buffer, and for those there are: where it lies on the host, its length, and whether
    /// kernels may write to it.
    #[cfg(jit)]
    pub(crate) fn spans(&self) -> impl Iterator<Item = (u64, Option<(*mut u8, usize, bool)>)> + '_ {
        self.buffers.iter().enumerate().map(|(number, buffer)| {
            let span = buffer.as_ref().map(|buffer| {
                let (host, len) = buffer.cells.span();
                (host, len, buffer.access == Access::ReadWrite)
            });
            ((number as u64) << OFFSET_BITS, span)
        })
    }

    /// Loads one element.
    #[inline]
    pub(crate) fn load<T: Cell>(&self, address: u64) -> Result<T, FaultKind> {
        let value =
            self.buffer(address >> OFFSET_BITS).and_then(|b| b.cells.load::<T>((address & (MAX_LEN - 1)) as usize));
        value.ok_or_else(|| self.fault::<T>(address))
    }

    /// Stores one element.
    #[inline]
    pub(crate) fn store<T: Cell>(&self, address: u64, value: T) -> Result<(), FaultKind> {
        match self.buffer(address >> OFFSET_BITS) {
            Some(buffer) if buffer.access == Access::ReadWrite => {
                let done = buffer.cells.store((address & (MAX_LEN - 1)) as usize, value);
                done.ok_or_else(|| self.fault::<T>(address))
            }
            Some(_) => Err(FaultKind::ReadOnly { address }),
            None => Err(self.fault::<T>(address)),
        }
    }

    /// Replaces one element atomically; returns what was there.
    pub(crate) fn update<T: Cell>(&self, address: u64, change: impl FnMut(T) -> T) -> Result<T, FaultKind> {
        match self.buffer(address >> OFFSET_BITS) {
            Some(buffer) if buffer.access == Access::ReadWrite => {
                let old = buffer.cells.update((address & (MAX_LEN - 1)) as usize, change);
                old.ok_or_else(|| self.fault::<T>(address))
            }
            Some(_) => Err(FaultKind::ReadOnly { address }),
            None => Err(self.fault::<T>(address)),
        }
    }

    #[cold]
    fn fault<T: Cell>(&self, address: u64) -> FaultKind {
        let len = size_of::<T>() as u32;
        if !address.is_multiple_of(u64::from(len)) {
            return FaultKind::Misaligned { space: Space::Global, address, len };
        }
        FaultKind::OutOfBounds { space: Space::Global, address, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory::new(&Module::parse(".version 7.0\n.target sm_80\n.address_size 64\n").unwrap())
    }

    #[test]
    fn buffers_are_apart_and_bounded() {
        let mut memory = memory();
        let a = memory.alloc(10, Access::ReadWrite).unwrap();
        let b = memory.alloc(16, Access::Read).unwrap();
        memory.write(a + 3, &[1, 2, 3, 4, 5, 6, 7]).unwrap();
        let mut bytes = [9; 10];
        memory.read(a, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(memory.write(a + 4, &[0; 7]).is_err());
        assert!(memory.read(a - 1, &mut [0]).is_err());
        assert!(memory.read(u64::MAX, &mut [0]).is_err());
        assert_eq!(memory.load::<u32>(a + 4), Ok(0x0504_0302));
        assert_eq!(
            memory.load::<u32>(a + 8).unwrap_err(),
            FaultKind::OutOfBounds { space: Space::Global, address: a + 8, len: 4 }
        );
        assert_eq!(
            memory.load::<u16>(a + 1).unwrap_err(),
            FaultKind::Misaligned { space: Space::Global, address: a + 1, len: 2 }
        );
        assert_eq!(memory.store(b, 1u8).unwrap_err(), FaultKind::ReadOnly { address: b });
        assert_eq!(memory.update::<u64>(b, |x| x + 1).unwrap_err(), FaultKind::ReadOnly { address: b });
        memory.fill(b, 16, 0xab).unwrap();
        assert_eq!(memory.load::<u64>(b + 8), Ok(0xabab_abab_abab_abab));
        memory.free(b).unwrap();
        assert!(memory.load::<u64>(b).is_err() && memory.free(b).is_err() && memory.free(1 << 36).is_err());
        assert_eq!(memory.alloc(1, Access::Read), Ok(b));
        assert!(memory.alloc(0, Access::Read).is_err() && memory.alloc(MAX_LEN + 1, Access::Read).is_err());
    }
}
