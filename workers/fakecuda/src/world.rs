//! What stands behind the driver's handles: memory, modules, events, and streams with a thread each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tessera_ptx::{Access, FaultKind, Launch, Limits, Machine, Memory, Module};

/// `CUDA_SUCCESS` and the errors that this driver reports.
pub const SUCCESS: i32 = 0;
pub const INVALID_VALUE: i32 = 1;
pub const OUT_OF_MEMORY: i32 = 2;
pub const NO_DEVICE: i32 = 100;
pub const INVALID_DEVICE: i32 = 101;
pub const INVALID_PTX: i32 = 218;
pub const UNSUPPORTED_PTX_VERSION: i32 = 222;
pub const INVALID_HANDLE: i32 = 400;
pub const NOT_FOUND: i32 = 500;
pub const NOT_READY: i32 = 600;
pub const ILLEGAL_ADDRESS: i32 = 700;
pub const LAUNCH_TIMEOUT: i32 = 702;
pub const MISALIGNED_ADDRESS: i32 = 716;
pub const LAUNCH_FAILED: i32 = 719;

/// Memory that the fake devices say they have.
pub const DEVICE_MEMORY: usize = 4 << 30;
/// Longest time that a call waits for a stream.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// An event: how often it was recorded, and which record was last reached.
#[derive(Default)]
pub struct Event {
    state: Mutex<(u64, u64)>,
    reached: Condvar,
}

impl Event {
    fn record(&self) -> u64 {
        let mut state = lock(&self.state);
        state.0 += 1;
        state.0
    }

    fn reach(&self, record: u64) {
        let mut state = lock(&self.state);
        state.1 = state.1.max(record);
        self.reached.notify_all();
    }

    /// The record that waiting for the event means now.
    fn current(&self) -> u64 {
        lock(&self.state).0
    }

    pub fn is_complete(&self) -> bool {
        let state = lock(&self.state);
        state.1 >= state.0
    }

    fn wait(&self, record: u64) -> bool {
        let state = lock(&self.state);
        let waited = self.reached.wait_timeout_while(state, LONGEST_WAIT, |state| state.1 < record);
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }
}

/// What a stream does, in order.
pub enum Job {
    Fill { at: u64, len: usize, value: u8 },
    ToHost { to: usize, from: u64, len: usize },
    Copy { to: u64, from: u64, len: usize },
    Launch { module: Arc<Module>, kernel: String, grid: [u32; 3], block: [u32; 3], shared_len: u32, params: Vec<u8> },
    Reach { event: Arc<Event>, record: u64 },
    Wait { event: Arc<Event>, record: u64 },
}

/// The state of the whole driver.
#[derive(Default)]
pub struct World {
    memory: Mutex<Option<Memory>>,
    pub lens: Mutex<HashMap<u64, usize>>,
    pub modules: Mutex<HashMap<usize, Arc<Module>>>,
    pub functions: Mutex<HashMap<usize, (Arc<Module>, String)>>,
    pub events: Mutex<HashMap<usize, Arc<Event>>>,
    streams: Mutex<HashMap<usize, Sender<Job>>>,
    next: AtomicU64,
    /// The first error of a kernel: as with a real context, every call fails from then on.
    broken: AtomicI32,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::default)
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn code(kind: &FaultKind) -> i32 {
    match kind {
        FaultKind::OutOfBounds { .. } | FaultKind::ReadOnly { .. } => ILLEGAL_ADDRESS,
        FaultKind::Misaligned { .. } => MISALIGNED_ADDRESS,
        FaultKind::Launch(_) => INVALID_VALUE,
        FaultKind::GasLimit { .. } | FaultKind::Deadline => LAUNCH_TIMEOUT,
        _ => LAUNCH_FAILED,
    }
}

impl World {
    /// A number that no handle has.
    pub fn handle(&self) -> usize {
        self.next.fetch_add(1, SeqCst) as usize + 0x1000
    }

    /// The error that broke the context, or success.
    pub fn health(&self) -> i32 {
        self.broken.load(SeqCst)
    }

    fn fail(&self, error: i32) {
        let _ = self.broken.compare_exchange(SUCCESS, error, SeqCst, SeqCst);
    }

    fn with_memory<T>(&self, run: impl FnOnce(&mut Memory) -> Result<T, FaultKind>) -> Result<T, i32> {
        let mut memory = lock(&self.memory);
        if memory.is_none() {
            let empty = Module::parse(".version 7.0\n.target sm_80\n.address_size 64\n").map_err(|_| INVALID_VALUE)?;
            *memory = Some(Memory::new(&empty));
        }
        run(memory.as_mut().ok_or(INVALID_VALUE)?).map_err(|kind| code(&kind))
    }

    pub fn alloc(&self, len: usize) -> Result<u64, i32> {
        if len > DEVICE_MEMORY {
            return Err(OUT_OF_MEMORY);
        }
        let at = self.with_memory(|memory| {
            let at = memory.alloc(len as u64, Access::ReadWrite)?;
            // What a device allocates is not zero: a program that forgets to set it should be found out.
            memory.fill(at, len, 0xcd)?;
            Ok(at)
        })?;
        lock(&self.lens).insert(at, len);
        Ok(at)
    }

    pub fn free(&self, at: u64) -> Result<(), i32> {
        self.drain();
        lock(&self.lens).remove(&at).ok_or(INVALID_VALUE)?;
        self.with_memory(|memory| memory.free(at))
    }

    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), i32> {
        self.with_memory(|memory| memory.write(at, bytes))
    }

    pub fn new_stream(&self) -> usize {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for job in jobs {
                if let Err(error) = run(job) {
                    world().fail(error);
                }
            }
        });
        let handle = self.handle();
        lock(&self.streams).insert(handle, sender);
        handle
    }

    pub fn drop_stream(&self, handle: usize) -> bool {
        lock(&self.streams).remove(&handle).is_some()
    }

    /// Appends to a stream.
    pub fn push(&self, stream: usize, job: Job) -> i32 {
        if self.health() != SUCCESS {
            return self.health();
        }
        match lock(&self.streams).get(&stream).map(|sender| sender.send(job)) {
            Some(Ok(())) => SUCCESS,
            _ => INVALID_HANDLE,
        }
    }

    pub fn record(&self, stream: usize, event: &Arc<Event>) -> i32 {
        let record = event.record();
        self.push(stream, Job::Reach { event: event.clone(), record })
    }

    pub fn wait_in_stream(&self, stream: usize, event: &Arc<Event>) -> i32 {
        self.push(stream, Job::Wait { event: event.clone(), record: event.current() })
    }

    /// Waits on the host until an event is complete.
    pub fn wait(&self, event: &Event) -> i32 {
        if event.wait(event.current()) { self.health() } else { LAUNCH_TIMEOUT }
    }

    /// Waits on the host for one stream.
    pub fn synchronize(&self, stream: usize) -> i32 {
        let event = Arc::new(Event::default());
        match self.record(stream, &event) {
            SUCCESS => self.wait(&event),
            error => error,
        }
    }

    /// Waits on the host for all streams.
    pub fn drain(&self) {
        let streams: Vec<usize> = lock(&self.streams).keys().copied().collect();
        for stream in streams {
            self.synchronize(stream);
        }
    }
}

fn run(job: Job) -> Result<(), i32> {
    let world = world();
    match job {
        Job::Reach { event, record } => event.reach(record),
        Job::Wait { event, record } => {
            if !event.wait(record) {
                return Err(LAUNCH_TIMEOUT);
            }
        }
        // After an error a stream only keeps its events going, so that nobody waits for ever.
        _ if world.health() != SUCCESS => {}
        Job::Fill { at, len, value } => world.with_memory(|memory| memory.fill(at, len, value))?,
        Job::ToHost { to, from, len } => {
            let mut bytes = vec![0; len];
            world.with_memory(|memory| memory.read(from, &mut bytes))?;
            // SAFETY: the caller of the copy keeps `len` bytes at `to` until the stream has reached an event behind it.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, len) };
        }
        Job::Copy { to, from, len } => {
            let mut bytes = vec![0; len];
            world.with_memory(|memory| {
                memory.read(from, &mut bytes)?;
                memory.write(to, &bytes)
            })?;
        }
        Job::Launch { module, kernel, grid, block, shared_len, params } => world.with_memory(|memory| {
            memory.set_module(&module);
            let kernel = module.kernel(&kernel).ok_or(FaultKind::Launch("no such kernel".into()))?;
            let launch = Launch { grid, block, shared_len, params: &params };
            let limits = Limits { deadline: Instant::now().checked_add(LONGEST_WAIT), ..Limits::default() };
            Machine.launch(memory, kernel, &launch, limits).map(|_| ()).map_err(|fault| {
                eprintln!("fake CUDA driver: {fault}");
                fault.kind
            })
        })?,
    }
    Ok(())
}
