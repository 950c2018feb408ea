//! Streams, each with a thread that takes its work in order, and the events between them.

use std::ffi::c_uint;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tessera_ptx::{FaultKind, Launch, Limits, Machine};

use crate::blas::Product;
use crate::status::{INVALID_CONTEXT, INVALID_HANDLE, LAUNCH_TIMEOUT, NOT_READY, SUCCESS, Status, status};
use crate::world::{Device, Function, find, lock, world};
use crate::{put, settings};

/// Longest time that a call waits for a stream.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// An event: how often it was recorded, and which record was last reached, and when.
#[derive(Default)]
pub struct Event {
    state: Mutex<(u64, u64)>,
    reached: Condvar,
    at: Mutex<Option<Instant>>,
}

impl Event {
    fn record(&self) -> u64 {
        let mut state = lock(&self.state);
        state.0 += 1;
        state.0
    }

    fn reach(&self, record: u64) {
        *lock(&self.at) = Some(Instant::now());
        let mut state = lock(&self.state);
        state.1 = state.1.max(record);
        self.reached.notify_all();
    }

    /// The record that waiting for the event means now.
    fn current(&self) -> u64 {
        lock(&self.state).0
    }

    fn is_complete(&self) -> bool {
        let state = lock(&self.state);
        state.1 >= state.0
    }

    fn wait(&self, record: u64) -> Result<(), Status> {
        let state = lock(&self.state);
        let waited = self.reached.wait_timeout_while(state, LONGEST_WAIT, |state| state.1 < record);
        if waited.is_ok_and(|(_, timeout)| !timeout.timed_out()) { Ok(()) } else { Err(LAUNCH_TIMEOUT) }
    }
}

/// What a stream does, in order.
#[derive(Clone)]
pub enum Job {
    Fill { at: u64, len: usize, value: u8 },
    FromHost { to: u64, bytes: Vec<u8> },
    ToHost { to: usize, from: u64, len: usize },
    Copy { to: u64, from: u64, len: usize },
    Launch(KernelCall),
    Product(Product),
    Reach { event: Arc<Event>, record: u64 },
    Wait { event: Arc<Event>, record: u64 },
}

/// A kernel with everything that it is launched with.
#[derive(Clone)]
pub struct KernelCall {
    pub function: Function,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_len: u32,
    pub params: Vec<u8>,
}

/// A stream of a device.
#[derive(Clone)]
pub struct Stream {
    sender: Sender<Job>,
    device: Arc<Device>,
}

impl Stream {
    fn new(device: &Arc<Device>) -> Self {
        let (sender, jobs) = channel::<Job>();
        let worker = device.clone();
        std::thread::spawn(move || {
            let mut pauses = Pauses::new();
            for job in jobs {
                pauses.pause();
                if let Err(error) = run(&worker, job) {
                    worker.fail(error);
                }
            }
        });
        Self { sender, device: device.clone() }
    }

    /// Appends to the stream.
    pub fn push(&self, job: Job) -> Result<(), Status> {
        match self.device.health() {
            SUCCESS => self.sender.send(job).map_err(|_| INVALID_HANDLE),
            error => Err(error),
        }
    }

    /// Whether a function may be launched here.
    pub fn takes(&self, function: &Function) -> Result<(), Status> {
        if function.device == self.device.ordinal { Ok(()) } else { Err(INVALID_CONTEXT) }
    }

    fn record(&self, event: &Arc<Event>) -> Result<(), Status> {
        let record = event.record();
        self.push(Job::Reach { event: event.clone(), record })
    }

    fn synchronize(&self) -> Result<(), Status> {
        let event = Arc::new(Event::default());
        self.record(&event)?;
        event.wait(event.current())?;
        match self.device.health() {
            SUCCESS => Ok(()),
            error => Err(error),
        }
    }
}

/// Waits for all streams of a device.
pub fn drain(device: &Device) -> Result<(), Status> {
    let streams: Vec<Stream> =
        lock(&world().streams).values().filter(|stream| stream.device.ordinal == device.ordinal).cloned().collect();
    streams.iter().try_for_each(Stream::synchronize)
}

/// Pauses of pseudo-random length before the work of a stream, so that a missing dependency shows: `FAKE_CUDA_JITTER`
/// is the longest in microseconds.
struct Pauses {
    longest: u64,
    state: u64,
}

impl Pauses {
    fn new() -> Self {
        static STREAMS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = STREAMS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self { longest: settings::number("FAKE_CUDA_JITTER", 0), state: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    fn pause(&mut self) {
        if self.longest > 0 {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_micros((self.state >> 33) % (self.longest + 1)));
        }
    }
}

fn run(device: &Device, job: Job) -> Result<(), Status> {
    match job {
        Job::Reach { event, record } => event.reach(record),
        Job::Wait { event, record } => event.wait(record)?,
        // After an error a stream only keeps its events going, so that nobody waits for ever.
        _ if device.health() != SUCCESS => {}
        Job::Fill { at, len, value } => device.with_memory(|memory| memory.fill(at, len, value))?,
        Job::FromHost { to, bytes } => device.with_memory(|memory| memory.write(to, &bytes))?,
        Job::ToHost { to, from, len } => {
            let mut bytes = vec![0; len];
            device.with_memory(|memory| memory.read(from, &mut bytes))?;
            let flips = || settings::fails("flip") || settings::fails(&format!("flip{}", device.ordinal));
            if len > 8 && flips() {
                bytes[0] ^= 1;
            }
            // SAFETY: the caller of the copy keeps `len` bytes at `to` until the stream has reached an event behind it.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, len) };
        }
        Job::Copy { to, from, len } => {
            let mut bytes = vec![0; len];
            device.with_memory(|memory| {
                memory.read(from, &mut bytes)?;
                memory.write(to, &bytes)
            })?;
        }
        Job::Product(product) => product.run(device)?,
        Job::Launch(call) => {
            let KernelCall { function, grid, block, shared_len, params } = call;
            settings::log(&format!("run {}", function.kernel));
            device.with_memory(|memory| {
                memory.set_module(&function.module);
                let kernel = function.module.kernel(&function.kernel);
                let kernel = kernel.ok_or(FaultKind::Launch("no such kernel".into()))?;
                let launch = Launch { grid, block, shared_len, params: &params };
                let limits = Limits { deadline: Instant::now().checked_add(LONGEST_WAIT), ..Limits::default() };
                Machine.launch(memory, kernel, &launch, limits).map(|_| ()).map_err(|fault| {
                    eprintln!("fake CUDA driver: {fault}");
                    fault.kind
                })
            })?;
            settings::log(&format!("ran {}", function.kernel));
        }
    }
    Ok(())
}

driver! {
    /// A new stream.
    fn cuStreamCreate(stream: *mut usize, _flags: c_uint) {
        match world().healthy() {
            // SAFETY: valid by the contract of the API.
            Ok(device) => unsafe { put(stream, world().add(&world().streams, Stream::new(device))) },
            Err(error) => error,
        }
    }

    /// Ends a stream once its work is done.
    fn cuStreamDestroy_v2(stream: usize) {
        if lock(&world().streams).remove(&stream).is_some() { SUCCESS } else { INVALID_HANDLE }
    }

    /// Waits for a stream.
    fn cuStreamSynchronize(stream: usize) {
        status(find(&world().streams, stream).and_then(|stream| stream.synchronize()))
    }

    /// Lets a stream wait for an event.
    fn cuStreamWaitEvent(stream: usize, event: usize, _flags: c_uint) {
        let wait = || {
            let event = find(&world().events, event)?;
            let record = event.current();
            find(&world().streams, stream)?.push(Job::Wait { event, record })
        };
        status(wait())
    }

    /// A new event.
    fn cuEventCreate(event: *mut usize, _flags: c_uint) {
        // SAFETY: valid by the contract of the API.
        unsafe { put(event, world().add(&world().events, Arc::default())) }
    }

    /// Records an event in a stream.
    fn cuEventRecord(event: usize, stream: usize) {
        let record = || find(&world().streams, stream)?.record(&find(&world().events, event)?);
        status(record())
    }

    /// Whether an event is complete.
    fn cuEventQuery(event: usize) {
        match (world().healthy(), find(&world().events, event)) {
            (Ok(_), Ok(event)) if event.is_complete() => SUCCESS,
            (Ok(_), Ok(_)) => NOT_READY,
            (Err(error), _) | (_, Err(error)) => error,
        }
    }

    /// Milliseconds between two events that are complete.
    fn cuEventElapsedTime(milliseconds: *mut f32, start: usize, end: usize) {
        let (Ok(start), Ok(end)) = (find(&world().events, start), find(&world().events, end)) else { return INVALID_HANDLE };
        if !start.is_complete() || !end.is_complete() {
            return NOT_READY;
        }
        let at = |event: &Event| *lock(&event.at);
        let (Some(start), Some(end)) = (at(&start), at(&end)) else { return INVALID_HANDLE };
        // SAFETY: valid by the contract of the API.
        unsafe { put(milliseconds, end.saturating_duration_since(start).as_secs_f32() * 1e3) }
    }

    /// Waits for an event.
    fn cuEventSynchronize(event: usize) {
        let wait = || {
            let event = find(&world().events, event)?;
            event.wait(event.current())?;
            world().healthy().map(|_| ())
        };
        status(wait())
    }

    /// Forgets an event.
    fn cuEventDestroy_v2(event: usize) {
        if lock(&world().events).remove(&event).is_some() { SUCCESS } else { INVALID_HANDLE }
    }
}
