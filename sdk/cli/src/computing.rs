//! A job whose outputs are kept as they are, in a folder of its own.

use std::collections::HashSet;

use tessera_protocol::commitment::result_root;
use tessera_sdk::Error;

use crate::{
    begun::Begun,
    outputs::Outputs,
    progress::Progress,
    session::{Posted, Work},
};

/// The job, and what there is of its outputs.
pub struct Computing {
    begun: Begun,
    outputs: Outputs,
    /// Outputs that came in now.
    collected: u64,
}

impl Computing {
    /// Outputs go into the folder in which it was begun.
    pub fn new(begun: Begun) -> Self {
        let outputs = Outputs::of(begun.folder());
        Self { begun, outputs, collected: 0 }
    }

    /// What is there.
    pub const fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Outputs that came in now.
    pub const fn collected(&self) -> u64 {
        self.collected
    }

    /// What it has cost so far, in base units.
    pub const fn spent(&self) -> u64 {
        self.begun.spent()
    }

    /// Jobs that have ended.
    pub fn jobs(&self) -> &[String] {
        self.begun.jobs()
    }
}

impl Work for Computing {
    fn begun(&mut self) -> &mut Begun {
        &mut self.begun
    }

    /// Outputs that are there are left alone if they are those that were paid for: a file that was damaged comes again.
    async fn collect(&mut self, job: &Posted<'_>) -> Result<(), Error> {
        let mut progress = Progress::new("computing", job.spec.units);
        let (mut known, mut there) = (HashSet::new(), 0);
        for lease in job.tessera.settled(&job.address).await? {
            let hashes = self.outputs.hashes(lease.units.clone());
            if hashes.and_then(result_root) == Some(lease.result_root) {
                known.insert(lease.index);
                there += lease.units.end - lease.units.start;
            }
        }
        progress.note(format!("{} tokens paid", job.paid(there)));
        progress.add(there);
        let all = job.tessera.collect(&job.address, job.spec, job.store, &known, |lease| {
            for (unit, output) in lease.units() {
                self.outputs.put(unit, output)?;
            }
            there += lease.outputs.len() as u64;
            progress.note(format!("{} tokens paid", job.paid(there)));
            progress.add(lease.outputs.len() as u64);
            Ok(())
        });
        self.collected += all.await?.units;
        Ok(())
    }

    /// `tessera verify` and scripts read it.
    fn keeps_note(&self) -> bool {
        true
    }

    fn rest(&self) -> &'static str {
        "posts a job of all units again"
    }
}
