//! The shape of a launch, what it may spend, and whether it fits its kernel.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::ir::Program;
use crate::module::Kernel;

/// Most threads of a block.
const MAX_THREADS: u64 = 1024;
/// Most shared memory of a block, in bytes: what every GPU since sm_80 has without asking for more.
const MAX_SHARED: usize = 48 << 10;

/// The shape and the arguments of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_len: u32,
    /// The kernel's parameters, each at the offset that [`Kernel::params`] says.
    pub params: &'a [u8],
}

/// What a launch may spend, and how to stop it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits<'a> {
    /// Most gas; `None` for no limit.
    pub gas: Option<u64>,
    /// Set it to stop the launch soon.
    pub cancel: Option<&'a AtomicBool>,
    /// When to stop the launch.
    pub deadline: Option<Instant>,
}

/// What a launch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Gas of all threads: the same on every machine.
    pub gas: u64,
    /// PTX instructions that threads executed; the interpreter counts them, compiled code does not.
    pub instructions: Option<u64>,
}

impl Launch<'_> {
    /// Threads of a block.
    pub(super) fn threads(&self) -> usize {
        self.block.iter().map(|n| *n as usize).product()
    }

    /// Blocks of the grid.
    pub(super) fn blocks(&self) -> u64 {
        self.grid.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n)))
    }

    /// The coordinates of a block.
    pub(super) fn coordinates(&self, block: u64) -> [u32; 3] {
        let [x, y, _] = self.grid.map(u64::from);
        [(block % x) as u32, (block / x % y) as u32, (block / x / y) as u32]
    }

    /// Checks the launch against its kernel; returns the bytes of shared memory of a block.
    pub(super) fn check(&self, kernel: &Kernel, program: &Program) -> Result<usize, String> {
        let threads = self.block.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n)));
        if threads == 0 || threads > MAX_THREADS || self.block[2] > 64 {
            return Err(format!("a block has 1 to {MAX_THREADS} threads and at most 64 in z, not {:?}", self.block));
        }
        let grid_fits =
            (1..=i32::MAX as u32).contains(&self.grid[0]) && self.grid[1..].iter().all(|n| (1..=65_535).contains(n));
        if !grid_fits {
            return Err(format!("a grid has 1 to [2147483647, 65535, 65535] blocks, not {:?}", self.grid));
        }
        if let Some(required) = kernel.required_threads().filter(|required| *required != self.block) {
            return Err(format!("the kernel requires blocks of {required:?} threads, not {:?}", self.block));
        }
        if let Some(most) = kernel.max_threads() {
            let most: u64 = most.iter().map(|n| u64::from(*n)).product();
            if threads > most {
                return Err(format!("the kernel allows {most} threads in a block, not {threads}"));
            }
        }
        if self.params.len() != kernel.params_len() {
            return Err(format!(
                "the kernel takes {} bytes of parameters, not {}",
                kernel.params_len(),
                self.params.len()
            ));
        }
        let shared_len = program.shared_len + self.shared_len as usize;
        if shared_len > MAX_SHARED {
            return Err(format!("a block has at most {MAX_SHARED} bytes of shared memory, not {shared_len}"));
        }
        Ok(shared_len)
    }
}
