//! Kernels with the launches that compute a unit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tessera_kernels::Plan;
use tessera_protocol::spec::LaunchPlan;

use crate::repository;

/// Kernels, and the launches that compute a unit.
pub struct Program {
    /// For people.
    pub name: String,
    /// The `.cu` file.
    pub source: PathBuf,
    /// The PTX that `scripts/build-kernels` made from it.
    pub module: String,
    /// The launches of a unit.
    pub plan: LaunchPlan,
    /// What the plan's buffers are filled with.
    pub inputs: Vec<Bytes>,
    /// How many units there are.
    pub units: u64,
}

impl Program {
    /// An example of the kernel library. No step is repeated more than `most_times`, whatever its plan says.
    ///
    /// # Panics
    /// If its files are not as they should be.
    #[must_use]
    pub fn example(name: &str, most_times: u64) -> Self {
        Self::read(&repository("sdk/workloads/kernels/examples").join(name), most_times)
    }

    /// The kernels that call every function of the library.
    ///
    /// # Panics
    /// If its files are not as they should be.
    #[must_use]
    pub fn library() -> Self {
        Self::read(&repository("sdk/workloads/kernels/tests/host"), u64::MAX)
    }

    /// The path tracer with a job.
    ///
    /// # Panics
    /// If its files are not as they should be.
    #[must_use]
    pub fn render(job: &tessera_render::PreparedJob) -> Self {
        let source = repository("sdk/workloads/render/kernels/render.cu");
        let blob =
            |cid| job.blobs.iter().find(|(found, _)| *found == cid).expect("a blob that the job names").1.clone();
        Self {
            name: "render".into(),
            module: committed(&source),
            source,
            plan: job.spec.plan.clone(),
            inputs: job.spec.inputs.iter().map(|input| blob(input.cid)).collect(),
            units: job.spec.units,
        }
    }

    fn read(folder: &Path, most_times: u64) -> Self {
        let path = folder.join("plan.toml");
        let plan = Plan::parse(&path, shorter(&text(&path), most_times)).unwrap_or_else(|error| panic!("{error}"));
        let source = plan.module();
        let job = plan.prepare_with(committed(&source), &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
        Self {
            name: job.name,
            source,
            module: job.module,
            plan: job.spec.plan,
            inputs: job.inputs,
            units: job.spec.units,
        }
    }

    /// Bytes of a unit's output.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.plan.buffers[usize::from(self.plan.output)].len as usize
    }
}

/// The PTX that stands next to a `.cu` file.
fn committed(source: &Path) -> String {
    text(&source.with_extension("ptx"))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a plan in which no step is repeated more often.
fn shorter(plan: &str, most_times: u64) -> String {
    let line = |line: &str| match line.strip_prefix("times = ").and_then(|times| times.parse::<u64>().ok()) {
        Some(times) => format!("times = {}\n", times.min(most_times)),
        None => format!("{line}\n"),
    };
    plan.lines().map(line).collect()
}
