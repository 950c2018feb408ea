//! What stands behind the driver's handles.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tessera_ptx::{Access, FaultKind, Memory, Module};

use crate::graph::Graph;
use crate::settings;
use crate::status::{INVALID_CONTEXT, INVALID_HANDLE, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, Status, of_fault};
use crate::stream::{Event, Stream};

/// Allocations by which the addresses of each device differ from those of the one before.
const APART: i32 = 1000;

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// One device with its memory and its context.
pub struct Device {
    pub ordinal: i32,
    memory: Mutex<Option<Memory>>,
    lens: Mutex<HashMap<u64, usize>>,
    /// The first error of a kernel: as with a real context, every call fails from then on.
    broken: AtomicI32,
}

/// A kernel of a module that is loaded on a device.
#[derive(Clone)]
pub struct Function {
    pub module: Arc<Module>,
    pub kernel: String,
    pub device: i32,
}

/// Everything that has a handle.
pub struct World {
    pub devices: Vec<Arc<Device>>,
    /// By handle, with the device that it is loaded on.
    pub modules: Mutex<HashMap<usize, (Arc<Module>, i32)>>,
    pub functions: Mutex<HashMap<usize, Function>>,
    pub events: Mutex<HashMap<usize, Arc<Event>>>,
    pub streams: Mutex<HashMap<usize, Stream>>,
    pub graphs: Mutex<HashMap<usize, Graph>>,
    /// Images that were linked, kept until their link state goes.
    pub links: Mutex<HashMap<usize, Vec<u8>>>,
    next: AtomicUsize,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World {
        devices: (0..settings::devices()).map(|ordinal| Arc::new(Device::new(ordinal))).collect(),
        modules: Mutex::default(),
        functions: Mutex::default(),
        events: Mutex::default(),
        streams: Mutex::default(),
        graphs: Mutex::default(),
        links: Mutex::default(),
        next: AtomicUsize::new(0x1000),
    })
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a handle stands for.
pub fn find<T: Clone>(table: &Mutex<HashMap<usize, T>>, handle: usize) -> Result<T, Status> {
    lock(table).get(&handle).cloned().ok_or(INVALID_HANDLE)
}

impl World {
    /// Puts something under a handle of its own.
    pub fn add<T>(&self, table: &Mutex<HashMap<usize, T>>, value: T) -> usize {
        let handle = self.next.fetch_add(1, SeqCst);
        lock(table).insert(handle, value);
        handle
    }

    /// Makes the context of a device current in this thread.
    pub fn set_current(&self, context: usize) {
        CURRENT.set(context);
    }

    /// The context that is current in this thread: the device's number and one.
    pub fn context(&self) -> usize {
        CURRENT.get()
    }

    /// The device whose context is current in this thread.
    pub fn current(&self) -> Result<&Arc<Device>, Status> {
        self.context().checked_sub(1).and_then(|ordinal| self.devices.get(ordinal)).ok_or(INVALID_CONTEXT)
    }

    /// The current device, unless its context is broken.
    pub fn healthy(&self) -> Result<&Arc<Device>, Status> {
        let device = self.current()?;
        match device.health() {
            SUCCESS => Ok(device),
            error => Err(error),
        }
    }
}

impl Device {
    fn new(ordinal: i32) -> Self {
        Self { ordinal, memory: Mutex::default(), lens: Mutex::default(), broken: AtomicI32::new(SUCCESS) }
    }

    /// The error that broke the context, or success.
    pub fn health(&self) -> Status {
        self.broken.load(SeqCst)
    }

    pub fn fail(&self, error: Status) {
        let _ = self.broken.compare_exchange(SUCCESS, error, SeqCst, SeqCst);
    }

    pub fn with_memory<T>(&self, run: impl FnOnce(&mut Memory) -> Result<T, FaultKind>) -> Result<T, Status> {
        let mut memory = lock(&self.memory);
        if memory.is_none() {
            let empty = Module::parse(".version 7.0\n.target sm_80\n.address_size 64\n").map_err(|_| INVALID_VALUE)?;
            let mut new = Memory::new(&empty);
            // An address of one device is to be wrong on every other.
            for _ in 0..self.ordinal * APART {
                new.alloc(1, Access::Read).map_err(|kind| of_fault(&kind))?;
            }
            *memory = Some(new);
        }
        run(memory.as_mut().ok_or(INVALID_VALUE)?).map_err(|kind| of_fault(&kind))
    }

    /// Bytes that are not allocated.
    pub fn free_memory(&self) -> usize {
        settings::memory().saturating_sub(lock(&self.lens).values().sum())
    }

    pub fn alloc(&self, len: usize) -> Result<u64, Status> {
        if len > self.free_memory() {
            return Err(OUT_OF_MEMORY);
        }
        let at = self.with_memory(|memory| {
            let at = memory.alloc(len as u64, Access::ReadWrite)?;
            // What a device allocates is not zero: a program that forgets to set it should be found out.
            memory.fill(at, len, 0xcd)?;
            Ok(at)
        })?;
        lock(&self.lens).insert(at, len);
        settings::log(&format!("alloc {len}"));
        Ok(at)
    }

    pub fn free(&self, at: u64) -> Result<(), Status> {
        let len = lock(&self.lens).remove(&at).ok_or(INVALID_VALUE)?;
        settings::log(&format!("free {len}"));
        self.with_memory(|memory| memory.free(at))
    }
}
