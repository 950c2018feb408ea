//! What compiled code and the rest of the machine tell each other, and what compiled code calls where it does not go on
//! alone.

use tessera_ptx_core::Reach;

use crate::address::{OFFSET_BITS, VARIABLES};
use crate::error::FaultKind;
use crate::ir::{NO_SLOT, Program, What};
use crate::machine::{Host, Meter, Own, Shape, State, Stopped, Threads};
use crate::memory::Memory;

use super::kinds::{MOST_ALIGN, Root};

/// Why compiled code came back.
pub(super) mod status {
    /// All threads have run as far as they can.
    pub const DONE: i32 = 0;
    /// What `Context::fault` says.
    pub const FAULT: i32 = 1;
    pub const TRAP: i32 = 2;
    pub const DIVISION: i32 = 3;
    /// The index is the first value, the number of targets the second.
    pub const INDEX: i32 = 4;
    /// A condition that the kernel asserts does not hold.
    pub const ASSERTION: i32 = 5;
}

/// A buffer as compiled code sees it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Region {
    /// Address of its first byte on the device.
    pub base: u64,
    /// The same on the host.
    pub host: *mut u8,
    /// By log2 of an access: from which offset on loads do not fit.
    pub load: [u64; MOST_ALIGN as usize + 1],
    /// The same for stores and atomics.
    pub store: [u64; MOST_ALIGN as usize + 1],
}

// SAFETY: it only names memory, which lives as long as the launch; who follows the pointer keeps to atomic accesses, or to
// the plain ones of machine code that are the same.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// One that no access fits in.
    const fn none(base: u64) -> Self {
        Self { base, host: core::ptr::null_mut(), load: [0; 5], store: [0; 5] }
    }
}

/// The memory of a launch as compiled code sees it.
#[derive(Debug)]
pub(super) struct Regions {
    /// By number of the buffer.
    pub all: Vec<Region>,
    /// By number of the root.
    pub roots: Vec<Region>,
}

impl Regions {
    pub fn new(memory: &Memory, roots: &[Root], params: &[u8]) -> Self {
        let all: Vec<Region> = memory
            .spans()
            .map(|(base, span)| match span {
                None => Region::none(base),
                Some((host, len, writable)) => {
                    let limits = core::array::from_fn(|log| len as u64 >> log << log);
                    Region { base, host, load: limits, store: if writable { limits } else { [0; 5] } }
                }
            })
            .collect();
        let roots = roots
            .iter()
            .map(|root| {
                let address = match root {
                    Root::Variables => VARIABLES << OFFSET_BITS,
                    Root::Param(at) => {
                        let bytes = params.get(*at as usize..).and_then(|bytes| bytes.first_chunk());
                        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
                    }
                };
                let number = address >> OFFSET_BITS;
                let none = Region::none(number << OFFSET_BITS);
                // Compiled code takes it that roots are aligned; where one is not, all accesses take the long way.
                if address.trailing_zeros() < u32::from(MOST_ALIGN) {
                    return none;
                }
                usize::try_from(number).ok().and_then(|number| all.get(number)).copied().unwrap_or(none)
            })
            .collect();
        Self { all, roots }
    }
}

/// The first argument of compiled code.
#[repr(C)]
pub(super) struct Context {
    pub meter: *mut Meter<'static>,
    pub params: *const u8,
    pub shared: *mut u8,
    pub shared_len: u64,
    pub local: *mut u8,
    pub states: *mut State,
    pub frames: *mut u64,
    pub regions: *const Region,
    pub region_count: u64,
    pub roots: *const Region,
    pub threads: [u32; 3],
    pub block: [u32; 3],
    pub blocks: [u32; 3],
    /// The thread at work.
    pub thread: u32,
    pub status: i32,
    /// The line to blame.
    pub line: u32,
    /// What a slow access takes and gives.
    pub values: [u64; 4],
    host: *mut Host<'static>,
    program: *const Program,
    local_len: usize,
    local_stride: usize,
    fault: Option<FaultKind>,
}

/// Compiled code. It runs the threads from `first` to before `end` that are ready; returns a status.
pub(super) type Entry = unsafe extern "C" fn(*mut Context, first: u32, end: u32) -> i32;

impl Context {
    pub fn new(
        program: &Program,
        regions: &Regions,
        host: &mut Host<'_>,
        threads: &mut Threads,
        shape: &Shape,
    ) -> Self {
        Self {
            meter: (&raw mut host.meter).cast(),
            params: host.params.as_ptr(),
            shared: host.shared.as_mut_ptr(),
            shared_len: host.shared.len() as u64,
            local: threads.local.as_mut_ptr(),
            states: threads.states.as_mut_ptr(),
            frames: threads.frames.as_mut_ptr(),
            regions: regions.all.as_ptr(),
            region_count: regions.all.len() as u64,
            roots: regions.roots.as_ptr(),
            threads: shape.threads,
            block: shape.block,
            blocks: shape.grid,
            thread: 0,
            status: status::DONE,
            line: 0,
            values: [0; 4],
            local_len: program.local_len,
            local_stride: threads.local_stride,
            host: (host as *mut Host<'_>).cast(),
            program,
            fault: None,
        }
    }

    /// What stopped the thread at work.
    pub fn stopped(&mut self) -> Stopped {
        let kind = match self.status {
            status::TRAP => FaultKind::Trap,
            status::ASSERTION => FaultKind::Assertion,
            status::DIVISION => FaultKind::DivisionByZero,
            status::INDEX => FaultKind::BranchIndex { index: self.values[0] as u32, targets: self.values[1] as u32 },
            _ => self.fault.take().unwrap_or(FaultKind::Trap),
        };
        Stopped { thread: Some(self.thread as usize), line: self.line, kind }
    }

    fn settle<T>(&mut self, done: Result<T, FaultKind>) -> Option<T> {
        match done {
            Ok(value) => {
                self.status = status::DONE;
                Some(value)
            }
            Err(kind) => {
                (self.status, self.fault) = (status::FAULT, Some(kind));
                None
            }
        }
    }

    /// Executes an access as the interpreter does.
    ///
    /// # Safety
    /// `self` was made by [`Context::new`] from what still lives and is not in use elsewhere.
    unsafe fn access(&mut self, op: u32, address: u64) {
        // SAFETY: the caller promises it.
        let (program, host) = unsafe { (&*self.program, &mut *self.host) };
        let at = self.thread as usize * self.local_stride;
        // SAFETY: `threads.local` has `local_len` bytes for every thread at this distance.
        let local = unsafe { core::slice::from_raw_parts_mut(self.local.add(at), self.local_len) };
        let mut reach = Own { host, local };
        let op = &program.ops[op as usize];
        self.line = op.line;
        match &op.what {
            What::Load(transfer) => {
                let done = transfer.load(&mut reach, address, &mut self.values);
                self.settle(done);
            }
            What::Store(transfer) => {
                let done = transfer.store(&mut reach, address, self.values);
                self.settle(done);
            }
            What::Atomic(atomic) => {
                let c = if atomic.c == NO_SLOT { 0 } else { self.values[1] };
                let done = atomic.update(&mut reach, address, self.values[0], c);
                if let Some(old) = self.settle(done) {
                    self.values[0] = old;
                }
            }
            What::CopyLocal { to, from, len } => {
                reach.copy_local(*to, *from, *len);
                self.status = status::DONE;
            }
            _ => self.status = status::TRAP,
        }
    }
}

/// Called by compiled code: executes the access of an operation whose short way does not fit.
///
/// # Safety
/// `context` is the one that the compiled code was called with.
pub(super) unsafe extern "C" fn access(context: *mut Context, op: u32, address: u64) {
    // SAFETY: compiled code hands on its context, which `Native::resume` made, and does nothing until this returns.
    unsafe { (*context).access(op, address) }
}

/// Called by compiled code: looks at the limits of the launch.
///
/// # Safety
/// As for [`access`].
pub(super) unsafe extern "C" fn look(context: *mut Context, line: u32, _: u64) {
    // SAFETY: as in `access`.
    let context = unsafe { &mut *context };
    context.line = line;
    // SAFETY: as in `access`.
    let done = unsafe { (*context.meter).look() };
    context.settle(done);
}

/// Called by compiled code: zeroes bytes.
///
/// # Safety
/// `at` is valid for `len` bytes.
pub(super) unsafe extern "C" fn zero(at: *mut u8, len: u64) {
    // SAFETY: compiled code passes the local memory of a thread.
    unsafe { core::ptr::write_bytes(at, 0, len as usize) }
}
