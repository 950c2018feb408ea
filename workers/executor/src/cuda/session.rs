//! One program on one GPU: units go round the slots, outputs come in order.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaFunction, DriverError, sys};
use tessera_protocol::spec::BufferInit;

use super::driver::{guarded, name};
use super::memory::DeviceBytes;
use super::pool::Pool;
use super::slots::Slots;
use super::unit::{Shared, Slot, StartError};
use crate::program::Checked;
use crate::{ExecError, Graphs, Session, Sink, UnitOutput};

/// Longest sleep between two looks at an event.
pub(super) const LONGEST_NAP: Duration = Duration::from_micros(500);

/// Everything that lives on the GPU. Never dropped while a kernel may run: see [`CudaSession::drop`].
struct Resources {
    slots: Vec<Slot>,
    shared: Shared,
}

pub(super) struct CudaSession {
    program: Checked,
    /// `None` once they were given up.
    resources: Option<Box<Resources>>,
    /// Units that were started and not handed on, in order, and when.
    under_way: VecDeque<(u64, Instant)>,
    /// What the unit that took longest took of the GPU's time; `None` before the first.
    longest: Option<Duration>,
    /// Whether they compute at the same time.
    concurrent: bool,
    /// A unit faulted or hangs.
    broken: bool,
}

impl CudaSession {
    pub fn new(
        pool: &Arc<Pool>,
        functions: Vec<CudaFunction>,
        program: Checked,
        slots: Slots,
        graphs: Graphs,
    ) -> Result<Self, ExecError> {
        let resources = guarded("prepare a GPU", || Resources::new(pool, functions, &program, slots))?;
        let Slots { concurrent, .. } = slots;
        let mut this =
            Self { program, resources: None, under_way: VecDeque::new(), longest: None, concurrent, broken: false };
        let mut resources = Box::new(resources);
        let Resources { slots, shared, .. } = resources.as_mut();
        for slot in slots.iter_mut().filter(|slot| slot.wants_graph(graphs, &this.program.plan)) {
            if let Err(error) = slot.make_graph(shared, &this.program) {
                tracing::warn!(%error, "no graphs with this driver: the steps of a unit are started one by one");
                break;
            }
        }
        tracing::debug!(slots = slots.len(), concurrent, "prepared a GPU");
        this.resources = Some(resources);
        Ok(this)
    }

    fn slot(&self, unit: u64) -> Result<&Slot, ExecError> {
        let slots = &self.resources.as_ref().ok_or(ExecError::Broken)?.slots;
        slots.get((unit % slots.len().max(1) as u64) as usize).ok_or(ExecError::Broken)
    }

    fn start(&mut self, unit: u64) -> Result<(), ExecError> {
        let Resources { slots, shared, .. } = self.resources.as_deref_mut().ok_or(ExecError::Broken)?;
        let i = (unit % slots.len().max(1) as u64) as usize;
        let slot = slots.get_mut(i).ok_or(ExecError::Broken)?;
        let started = slot.start(shared, &self.program, unit);
        // From here on a fault may be this unit's.
        self.under_way.push_back((unit, Instant::now()));
        started.map_err(|error| {
            self.broken = true;
            match error {
                StartError::Other(error) => error,
                StartError::Driver(error) => self.fault(error),
            }
        })
    }

    /// Waits until the output of a unit is on the host.
    fn wait(&mut self, unit: u64) -> Result<(), ExecError> {
        // The units before it were handed on, so the time of this one counts from now at the latest.
        let deadline = self.program.deadline();
        let mut nap = Duration::from_micros(5);
        loop {
            let error = match self.slot(unit)?.is_done() {
                Ok(true) => return Ok(()),
                Ok(false) if deadline.is_some_and(|deadline| Instant::now() > deadline) => {
                    // The output of a unit that has computed may have to wait for one that does not come to its end.
                    let unit = self.not_computed().first().copied().unwrap_or(unit);
                    ExecError::TimedOut { unit, limit: self.program.unit_time }
                }
                Ok(false) => {
                    std::thread::sleep(nap);
                    nap = (nap * 2).min(LONGEST_NAP);
                    continue;
                }
                Err(error) => self.fault(error),
            };
            self.broken = true;
            return Err(error);
        }
    }

    /// Units on their way that have not come to the end of their last launch.
    fn not_computed(&self) -> Vec<u64> {
        let computed = |unit: &u64| self.slot(*unit).is_ok_and(Slot::has_computed);
        self.under_way.iter().map(|(unit, _)| *unit).filter(|unit| !computed(unit)).collect()
    }

    /// How many units may be on their way. Units that compute at the same time may slow each other down to taking turns,
    /// even where there is room for all. So the first goes alone, and then as many as stay within half of a unit's time
    /// at the worst.
    fn allowed(&self) -> usize {
        let slots = self.in_flight();
        match self.longest {
            _ if !self.concurrent => slots,
            None => 1,
            Some(longest) => {
                let fit = (self.program.unit_time / 2).as_nanos() / longest.as_nanos().max(1);
                usize::try_from(fit).unwrap_or(slots).clamp(1, slots.max(1))
            }
        }
    }

    fn run_units(&mut self, mut units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        loop {
            while self.under_way.len() < self.allowed()
                && let Some(unit) = units.next()
            {
                self.start(unit)?;
            }
            let Some((unit, started)) = self.under_way.front().copied() else { return Ok(()) };
            self.wait(unit)?;
            let took = started.elapsed() / self.under_way.len() as u32;
            self.longest = self.longest.max(Some(took));
            // The others compute while this output is taken.
            sink(unit, UnitOutput { bytes: self.slot(unit)?.output(), gas: None })?;
            self.under_way.pop_front();
        }
    }

    /// An error that shows up after a unit was started: a kernel's, or the machine's.
    ///
    /// A fault makes every call fail from then on, whatever unit is asked for. So the marks in the host's memory say
    /// which units had computed: where units compute one after the other, the first that had not is to blame; where
    /// several compute at the same time, it is one of those that had not.
    fn fault(&self, error: DriverError) -> ExecError {
        use sys::cudaError_enum as E;
        let of_kernel = matches!(
            error.0,
            E::CUDA_ERROR_ILLEGAL_ADDRESS
                | E::CUDA_ERROR_MISALIGNED_ADDRESS
                | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
                | E::CUDA_ERROR_INVALID_ADDRESS_SPACE
                | E::CUDA_ERROR_INVALID_PC
                | E::CUDA_ERROR_HARDWARE_STACK_ERROR
                | E::CUDA_ERROR_LAUNCH_FAILED
                | E::CUDA_ERROR_ASSERT
        );
        let mut units = self.not_computed();
        if !self.concurrent {
            units.truncate(1);
        }
        if of_kernel && !units.is_empty() {
            ExecError::GpuFault { units, error: name(error) }
        } else {
            ExecError::Driver { doing: "run a unit", error: name(error) }
        }
    }
}

impl Resources {
    fn new(
        pool: &Arc<Pool>,
        functions: Vec<CudaFunction>,
        program: &Checked,
        slots: Slots,
    ) -> Result<Self, DriverError> {
        let plan = &program.plan;
        let mut inputs = HashMap::new();
        for buffer in &plan.buffers {
            if let BufferInit::Input(n) | BufferInit::Copy(n) = buffer.init
                && !inputs.contains_key(&n)
            {
                inputs.insert(n, Arc::new(DeviceBytes::holding(pool, &program.inputs[usize::from(n)])?));
            }
        }
        let set = DeviceBytes::holding(pool, &[0xff; 8])?;
        let shared = Shared { pool: pool.clone(), functions, inputs, set };
        let stream = || pool.context().new_stream();
        let streams = if slots.concurrent { None } else { Some((stream()?, stream()?)) };
        let mut made: Vec<Slot> = Vec::new();
        for i in 0..slots.count.max(1) {
            let slot = || {
                let buffers = buffers(&shared, program, made.first().filter(|_| !slots.concurrent))?;
                let (compute, copy) = match &streams {
                    Some((compute, copy)) => (compute.clone(), Some(copy.clone())),
                    None => (stream()?, None),
                };
                Slot::new(&shared, program, buffers, compute, copy)
            };
            match slot() {
                Ok(slot) => made.push(slot),
                // Somebody else has taken memory meanwhile, or there is little that can be pinned: fewer will do.
                Err(error) if i > 0 && error.0 == sys::cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Self { slots: made, shared })
    }
}

/// The buffers of a slot; all but the output are those of `other` if there is one.
fn buffers(shared: &Shared, program: &Checked, other: Option<&Slot>) -> Result<Vec<Arc<DeviceBytes>>, DriverError> {
    let buffer = |(i, buffer): (usize, &tessera_protocol::spec::Buffer)| match (buffer.init, other) {
        (BufferInit::Input(n), _) if shared.inputs.contains_key(&n) => Ok(shared.inputs[&n].clone()),
        (_, Some(other)) if i != program.output() => Ok(other.buffers[i].clone()),
        _ => Ok(Arc::new(DeviceBytes::new(&shared.pool, buffer.len as usize)?)),
    };
    program.plan.buffers.iter().enumerate().map(buffer).collect()
}

impl Session for CudaSession {
    fn run(&mut self, units: Range<u64>, sink: &mut Sink<'_>) -> Result<(), ExecError> {
        if self.broken {
            return Err(ExecError::Broken);
        }
        let done = self.run_units(units, sink);
        // The sink refused: units may still be on their way, and must not meet the next run.
        while !self.broken
            && let Some((unit, _)) = self.under_way.front().copied()
        {
            // An error breaks the session; the one that is told is the first.
            let _ = self.wait(unit);
            self.under_way.pop_front();
        }
        done
    }

    fn in_flight(&self) -> usize {
        self.resources.as_ref().map_or(0, |resources| resources.slots.len())
    }
}

impl Drop for CudaSession {
    fn drop(&mut self) {
        let Some(resources) = self.resources.take() else { return };
        if self.broken {
            // Freeing would wait for a kernel that may never end; the process is to be ended anyway.
            std::mem::forget(resources);
        }
    }
}
