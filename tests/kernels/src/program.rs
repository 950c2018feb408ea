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
    pub fn render(job: &tessera_render::PictureJob) -> Self {
        let job = &job.prepared;
        let source = repository("sdk/workloads/render/kernels/render.cu");
        Self {
            name: "render".into(),
            module: committed(&source),
            source,
            plan: job.spec.plan.clone(),
            inputs: job.inputs().expect("inputs of a rendering"),
            units: job.spec.units,
        }
    }

    fn read(folder: &Path, most_times: u64) -> Self {
        let path = folder.join("plan.toml");
        let plan = Plan::parse(&path, shorter(&text(&path), most_times)).unwrap_or_else(|error| panic!("{error}"));
        let job =
            plan.prepare_with(committed(&plan.module()), &BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
        Self {
            name: plan.name().to_owned(),
            source: plan.module(),
            module: committed(&plan.module()),
            inputs: job.inputs().expect("inputs of a plan"),
            plan: job.spec.plan,
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
