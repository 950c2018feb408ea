//! CUDA, where there is a GPU.

use std::time::{Duration, Instant};

use tessera_executor::{Backend, ExecError, Executor, Program, Session, open, probe};

/// The first GPU, or why there is none.
pub enum Gpu {
    /// What is missing.
    Absent(String),
    /// A GPU that runs the profile.
    Present { executor: Box<dyn Executor>, driver: String },
}

impl Gpu {
    pub fn open() -> Self {
        match open(Backend::Cuda) {
            Err(error) => Self::Absent(error.to_string()),
            Ok(executor) => {
                let driver = probe().into_iter().find(|finding| finding.subject == "driver");
                Self::Present { executor, driver: driver.map_or_else(String::new, |finding| finding.text) }
            }
        }
    }

    /// Brings a program to the GPU.
    pub fn session(&self, program: &tessera_kernel_tests::Program) -> Option<Box<dyn Session>> {
        let Self::Present { executor, .. } = self else { return None };
        let program = Program {
            module: &program.module,
            plan: &program.plan,
            inputs: &program.inputs,
            unit_gas: 0,
            unit_time: Duration::from_secs(600),
        };
        Some(executor.prepare(0, &program).unwrap_or_else(|error| panic!("{error}")))
    }
}

/// Runs units from 0 on; their outputs, and the seconds until the last one was here.
pub fn run(session: &mut dyn Session, units: u64) -> (Vec<Vec<u8>>, f64) {
    let mut outputs = vec![];
    let start = Instant::now();
    let done: Result<(), ExecError> = session.run(0..units, &mut |_, output| {
        outputs.push(output.bytes.to_vec());
        Ok(())
    });
    let seconds = start.elapsed().as_secs_f64();
    done.unwrap_or_else(|error| panic!("{error}"));
    (outputs, seconds)
}
