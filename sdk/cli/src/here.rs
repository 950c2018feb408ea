//! Units on this machine: a thread of its own that runs them one by one, as they are asked for.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tessera_executor::{Backend, Checks, ExecError, Options, Program, open_with};
use tessera_protocol::spec::JobSpec;
use tokio::sync::oneshot;

/// Most time of one unit. Long, since an interpreter on few cores does what may have been meant for a large GPU.
const UNIT_TIME: Duration = Duration::from_secs(6 * 3_600);

/// What this machine computes on.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default)]
pub enum On {
    /// GPUs if there are any, else the processor
    Auto,
    /// The processor
    #[default]
    Cpu,
    /// The processor, much more slowly, so that races and reads of what nobody wrote are found
    Checked,
    /// GPUs
    Cuda,
}

/// A unit that was computed here.
#[derive(Debug)]
pub struct Computed {
    /// What it spent, where that is counted: the processor does, GPUs do not.
    pub gas: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// Its output.
    pub output: Bytes,
}

/// A unit to be computed, and where its output is waited for.
type Request = (u64, oneshot::Sender<Result<Computed, ExecError>>);

/// A program that is ready to run. The thread ends when this is dropped and the unit under way is done.
pub struct Here {
    requests: mpsc::Sender<Request>,
    /// The device that runs it.
    pub device: String,
}

impl Here {
    /// Checks a job's program and brings it to a device of this machine.
    ///
    /// # Errors
    /// If the module is not in the profile, or the plan does not fit it.
    pub async fn start(spec: &JobSpec, module: &str, inputs: &[Bytes], on: On) -> Result<Self> {
        let (spec, module, inputs) = (spec.clone(), module.to_owned(), inputs.to_vec());
        let (ready, started) = oneshot::channel();
        let (requests, asked) = mpsc::channel();
        let work = move || serve(&spec, &module, &inputs, on, ready, &asked);
        thread::Builder::new().name("units".into()).spawn(work).context("cannot start a thread")?;
        let device = started.await.context("the thread that runs units has ended")??;
        Ok(Self { requests, device })
    }

    /// Computes a unit.
    ///
    /// # Errors
    /// If it faults here.
    pub async fn unit(&self, unit: u64) -> Result<Computed> {
        let (answer, answered) = oneshot::channel();
        self.requests.send((unit, answer)).ok().context("the thread that runs units has ended")?;
        let computed = answered.await.context("the thread that runs units has ended")?;
        computed.with_context(|| format!("unit {unit} cannot be computed here"))
    }
}

/// Runs units until nobody asks for one any more.
fn serve(
    spec: &JobSpec,
    module: &str,
    inputs: &[Bytes],
    on: On,
    ready: oneshot::Sender<Result<String, ExecError>>,
    asked: &mpsc::Receiver<Request>,
) {
    let (backend, checks) = match on {
        On::Auto => (Backend::Auto, Checks::NONE),
        On::Cpu => (Backend::Cpu, Checks::NONE),
        On::Checked => (Backend::Cpu, Checks::ALL),
        On::Cuda => (Backend::Cuda, Checks::NONE),
    };
    let program = Program { module, plan: &spec.plan, inputs, unit_gas: spec.unit_gas, unit_time: UNIT_TIME };
    let opened = open_with(backend, &Options { checks, ..Options::default() }).and_then(|executor| {
        let device = executor.devices().first().map(|device| device.name.clone()).unwrap_or_default();
        Ok((executor.prepare(0, &program)?, device))
    });
    let mut session = match opened {
        Ok((session, device)) => {
            if ready.send(Ok(device)).is_err() {
                return;
            }
            session
        }
        Err(error) => {
            // Nobody may be waiting any more.
            let _ = ready.send(Err(error));
            return;
        }
    };
    while let Ok((unit, answer)) = asked.recv() {
        let begun = Instant::now();
        let mut computed = None;
        let ran = session.run(unit..unit.saturating_add(1), &mut |_, output| {
            let seconds = begun.elapsed().as_secs_f64();
            computed = Some(Computed { gas: output.gas, seconds, output: Bytes::copy_from_slice(output.bytes) });
            Ok(())
        });
        let result = ran.and_then(|()| computed.ok_or_else(|| ExecError::Sink("the unit gave no output".into())));
        let _ = answer.send(result);
    }
}
