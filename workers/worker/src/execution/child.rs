//! The child's side: takes orders from standard input, answers on standard output.
//!
//! A thread of its own reads the orders, so that the child ends at once when the worker closes the pipe or is killed,
//! whatever a kernel is doing.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    ops::Range,
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use tessera_executor::{ExecError, Executor, Options, Program, Session};
use tessera_protocol::{cid::Cid, hash::Digest, spec::JobSpec};

use super::frames::{self, Answer, Blame, ChildDevice, FrameError, Order};
use crate::{config::Backend, device, proof, self_test};

/// Serves orders until there are no more. `unlocked`: what could not be done to lock this process in.
///
/// # Errors
/// If the worker cannot be answered.
pub fn run(backend: Backend, options: &Options, unit_time: Duration, unlocked: Vec<String>) -> Result<()> {
    let mut out = io::stdout().lock();
    let executor = match tessera_executor::open_with(backend.into(), options) {
        Ok(executor) => executor,
        Err(e) => {
            frames::send_blocking(&mut out, &failed(&e))?;
            return Ok(());
        }
    };
    let devices = executor.devices().iter().map(|found| ChildDevice {
        id: device::id(&found.uuid),
        name: found.name.clone(),
        memory: found.memory,
    });
    let devices = devices.collect();
    let hello =
        Answer::Hello { version: frames::VERSION, device: device::summary(executor.devices()), devices, unlocked };
    frames::send_blocking(&mut out, &hello)?;

    let orders = listen();
    let mut loaded: Option<Loaded> = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Load { spec, module, inputs } => {
                // The job before leaves the devices first.
                loaded = None;
                match Loaded::new(executor.as_ref(), &spec, &module, &inputs, unit_time) {
                    Ok(new) => {
                        loaded = Some(new);
                        frames::send_blocking(&mut out, &Answer::Loaded)?;
                    }
                    Err(answer) => frames::send_blocking(&mut out, &answer)?,
                }
            }
            Order::Run { first, count } => {
                let Some(loaded) = &mut loaded else {
                    let reason = "units were ordered before a job".to_owned();
                    frames::send_blocking(&mut out, &Answer::Failed { reason, blame: Blame::Machine })?;
                    continue;
                };
                loaded.run(first..first.saturating_add(u64::from(count)), &mut out)?;
            }
            Order::Test { device, first, count } => {
                loaded = None;
                let units = first..first.saturating_add(u64::from(count));
                let answer = test(executor.as_ref(), device as usize, units, unit_time).unwrap_or_else(|e| failed(&e));
                frames::send_blocking(&mut out, &answer)?;
            }
            Order::Room => {
                loaded = None;
                let room = (0..executor.devices().len()).map(|device| executor.available(device));
                let answer = room.collect::<Result<_, _>>().map(|bytes| Answer::Room { bytes });
                frames::send_blocking(&mut out, &answer.unwrap_or_else(|e| failed(&e)))?;
            }
            Order::Prove { device, seed, memory_mib } => {
                loaded = None;
                let places = prove(executor.as_ref(), device as usize, &seed, memory_mib, unit_time);
                let answer = places.map(|places| Answer::Proved { places });
                frames::send_blocking(&mut out, &answer.unwrap_or_else(|e| failed(&e)))?;
            }
        }
    }
    Ok(())
}

/// Computes the table of a proof, and finds places to show.
fn prove(
    executor: &dyn Executor,
    device: usize,
    seed: &Digest,
    memory_mib: u32,
    unit_time: Duration,
) -> Result<Vec<u32>, ExecError> {
    let plan = proof::plan(seed, memory_mib);
    let program = Program { module: proof::MODULE, plan: &plan, inputs: &[], unit_gas: 0, unit_time };
    let mut places = Vec::new();
    executor.prepare(device, &program)?.run(0..1, &mut |_, output| {
        places = proof::read(output.bytes);
        Ok(())
    })?;
    Ok(places)
}

/// Computes units of the self test.
fn test(executor: &dyn Executor, device: usize, units: Range<u64>, unit_time: Duration) -> Result<Answer, ExecError> {
    let plan = self_test::plan();
    let program = Program { module: self_test::MODULE, plan: &plan, inputs: &[], unit_gas: 0, unit_time };
    let outputs = tessera_executor::outputs(executor, device, &program, units)?;
    Ok(Answer::Tested { digests: outputs.iter().map(|output| Cid::of(output).0).collect() })
}

/// Reads orders in a thread; the process ends with the last of them.
fn listen() -> mpsc::Receiver<Order> {
    let (to, from) = mpsc::channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            match frames::receive_blocking(&mut input, frames::SMALL) {
                Ok(order) => {
                    if to.send(order).is_err() {
                        return;
                    }
                }
                Err(FrameError::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => std::process::exit(0),
                Err(e) => {
                    eprintln!("cannot read an order: {e}");
                    std::process::exit(1);
                }
            }
        }
    });
    from
}

fn failed(e: &ExecError) -> Answer {
    let blame = match e {
        ExecError::GpuFault { units, .. } => Blame::Suspected(units.clone()),
        e if e.is_void() => Blame::Void,
        e if e.blames_job() => Blame::Job,
        _ => Blame::Machine,
    };
    Answer::Failed { reason: e.to_string(), blame }
}

/// A job on all devices.
struct Loaded {
    sessions: Vec<Box<dyn Session>>,
}

/// What a device's thread hands over.
type Handed = Result<(u64, Vec<u8>), ExecError>;

impl Loaded {
    fn new(
        executor: &dyn Executor,
        spec: &[u8],
        module: &str,
        inputs: &[String],
        unit_time: Duration,
    ) -> Result<Self, Answer> {
        let by_job = |reason: String| Answer::Failed { reason, blame: Blame::Job };
        let by_us = |e: anyhow::Error| Answer::Failed { reason: format!("{e:#}"), blame: Blame::Machine };
        let spec = JobSpec::decode(spec).map_err(|e| by_job(e.to_string()))?;
        let read = |path: &String| std::fs::read(path).with_context(|| format!("cannot read {path}"));
        let module = String::from_utf8(read(&module.to_owned()).map_err(by_us)?);
        let module = module.map_err(|e| by_job(format!("the module is not text: {e}")))?;
        let inputs: Result<Vec<Bytes>> = inputs.iter().map(|path| read(path).map(Bytes::from)).collect();
        let inputs = inputs.map_err(by_us)?;
        let program =
            Program { module: &module, plan: &spec.plan, inputs: &inputs, unit_gas: spec.unit_gas, unit_time };
        let sessions = (0..executor.devices().len()).map(|device| executor.prepare(device, &program));
        let sessions: Result<Vec<_>, ExecError> = sessions.collect();
        Ok(Self { sessions: sessions.map_err(|e| failed(&e))? })
    }

    /// Runs units on all devices, each a run of neighbours, and answers in order.
    fn run(&mut self, units: Range<u64>, out: &mut impl Write) -> Result<(), FrameError> {
        let shares = shares(&units, self.sessions.len() as u64);
        let result = std::thread::scope(|scope| {
            let (to, from) = mpsc::sync_channel::<Handed>(4);
            for (session, share) in self.sessions.iter_mut().zip(shares) {
                let to = to.clone();
                scope.spawn(move || {
                    let gone = || ExecError::Sink("the worker is gone".into());
                    let result = session
                        .run(share, &mut |unit, output| to.send(Ok((unit, output.bytes.to_vec()))).map_err(|_| gone()));
                    if let Err(e) = result {
                        // Nobody waits for it if another device failed first.
                        let _ = to.send(Err(e));
                    }
                });
            }
            drop(to);
            in_order(units, &from, |number, output| frames::send_blocking(out, &Answer::Unit { number, output }))
        });
        match result {
            Ok(()) => Ok(()),
            Err(Stopped::Unit(e)) => frames::send_blocking(out, &failed(&e)),
            Err(Stopped::Pipe(e)) => Err(e),
        }
    }
}

/// Why not all units were answered.
enum Stopped {
    Unit(ExecError),
    Pipe(FrameError),
}

/// Passes on outputs in the order of their units; those that come too early wait.
fn in_order(
    units: Range<u64>,
    from: &mpsc::Receiver<Handed>,
    mut answer: impl FnMut(u64, Vec<u8>) -> Result<(), FrameError>,
) -> Result<(), Stopped> {
    let mut early = BTreeMap::new();
    let mut next = units.start;
    while next < units.end {
        let handed = from.recv().unwrap_or(Err(ExecError::Broken));
        let (unit, output) = handed.map_err(Stopped::Unit)?;
        early.insert(unit, output);
        while let Some(output) = early.remove(&next) {
            answer(next, output).map_err(Stopped::Pipe)?;
            next += 1;
        }
    }
    Ok(())
}

/// Cuts units into one range of neighbours for each of `count` devices.
fn shares(units: &Range<u64>, count: u64) -> Vec<Range<u64>> {
    let len = units.end - units.start;
    let cut = |i: u64| units.start + len * i / count.max(1);
    (0..count).map(|i| cut(i)..cut(i + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_tile_the_units() {
        assert_eq!(shares(&(10..17), 3), [10..12, 12..14, 14..17]);
        assert_eq!(shares(&(10..11), 2), [10..10, 10..11]);
        assert_eq!(shares(&(0..5), 1).as_slice(), std::slice::from_ref(&(0..5)));
    }

    #[test]
    fn outputs_are_put_in_order() {
        let (to, from) = mpsc::channel();
        for unit in [7, 5, 8, 6] {
            to.send(Ok((unit, vec![unit as u8]))).unwrap();
        }
        let mut seen = Vec::new();
        let result = in_order(5..9, &from, |unit, output| {
            seen.push((unit, output));
            Ok(())
        });
        assert!(result.is_ok());
        assert_eq!(seen, [(5, vec![5]), (6, vec![6]), (7, vec![7]), (8, vec![8])]);

        to.send(Ok((10, vec![]))).unwrap();
        drop(to);
        let lost = in_order(9..11, &from, |_, _| Ok(()));
        assert!(matches!(lost, Err(Stopped::Unit(ExecError::Broken))));
    }
}
