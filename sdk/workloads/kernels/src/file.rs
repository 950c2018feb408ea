//! A plan file as it is written, before anything is looked up.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanFile {
    pub name: Spanned<String>,
    pub module: PathBuf,
    pub units: Spanned<u64>,
    pub output: Spanned<String>,
    #[serde(default)]
    pub unit_gas: u64,
    #[serde(default)]
    pub inputs: BTreeMap<String, Spanned<PathBuf>>,
    #[serde(default, rename = "buffer")]
    pub buffers: Vec<Spanned<BufferEntry>>,
    #[serde(default, rename = "step")]
    pub steps: Vec<Spanned<StepEntry>>,
}

/// One `[[buffer]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BufferEntry {
    pub name: String,
    pub input: Option<String>,
    pub copy: Option<String>,
    pub len: Option<u64>,
}

/// One `[[step]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepEntry {
    #[serde(default = "once")]
    pub times: u64,
    #[serde(default, rename = "launch")]
    pub launches: Vec<Spanned<LaunchEntry>>,
}

/// One `[[step.launch]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaunchEntry {
    pub kernel: String,
    pub grid: Spanned<Vec<u32>>,
    pub block: Spanned<Vec<u32>>,
    #[serde(default)]
    pub shared: u32,
    #[serde(default)]
    pub args: Vec<Spanned<ArgEntry>>,
}

/// One argument: exactly one key is set, but `offset`, which goes with `buffer`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArgEntry {
    pub buffer: Option<String>,
    pub offset: Option<u64>,
    pub unit: Option<String>,
    pub round: Option<String>,
    pub u32: Option<u32>,
    pub i32: Option<i32>,
    pub f32: Option<Spanned<f64>>,
    pub u64: Option<u64>,
    pub i64: Option<i64>,
    pub f64: Option<f64>,
    pub bytes: Option<String>,
}

const fn once() -> u64 {
    1
}
