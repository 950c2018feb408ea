//! The result of comparing instructions, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use crate::Error;
use crate::work::Engine;

/// What was compared, on what.
#[derive(Clone, Debug)]
pub struct Header {
    device: String,
    capability: Option<(u32, u32)>,
    driver: String,
    commit: String,
}

impl Header {
    /// Looks at the device, its driver and the source.
    #[must_use]
    pub fn new(engine: Engine<'_>) -> Self {
        let (device, capability, driver) = match engine {
            Engine::Interpreter => ("interpreter".to_string(), None, "none".to_string()),
            Engine::Machine => ("compiled code on the CPU".to_string(), None, "none".to_string()),
            Engine::Device(executor, device) => {
                let found = executor.devices().get(device);
                let driver = tessera_executor::probe().into_iter().find(|finding| finding.subject == "driver");
                (
                    found.map_or_else(String::new, |device| device.name.clone()),
                    found.and_then(|device| device.compute_capability),
                    driver.map_or_else(String::new, |finding| finding.text),
                )
            }
        };
        let commit = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
        let commit = commit.ok().filter(|output| output.status.success());
        let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        Self { device, capability, driver, commit: commit.unwrap_or_else(|| "unknown".into()) }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capability = self.capability.map_or("none".into(), |(major, minor)| format!("{major}.{minor}"));
        write!(
            f,
            "device: {}\ncompute capability: {capability}\ndriver: {}\ncommit: {}",
            self.device, self.driver, self.commit
        )
    }
}

/// One opcode.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Forms of it: types and modifiers.
    pub forms: u64,
    /// Results that were compared.
    pub cases: u64,
    /// Results that are the same.
    pub equal: u64,
    /// Results that differ.
    pub different: u64,
    /// Where they first differ, and how.
    pub first: Option<String>,
}

/// All opcodes by name.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Their rows.
    pub rows: BTreeMap<String, Row>,
}

impl Table {
    /// How many results differ.
    #[must_use]
    pub fn different(&self) -> u64 {
        self.rows.values().map(|row| row.different).sum()
    }

    /// Writes the table as Markdown.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, header: &Header, path: &Path) -> Result<(), Error> {
        let head: String = header.to_string().lines().map(|line| format!("- {line}\n")).collect();
        std::fs::write(path, format!("{head}\n{self}"))
            .map_err(|error| Error::Write { path: path.display().to_string(), error })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| opcode | forms | cases | equal | different | first difference |")?;
        writeln!(f, "| --- | --: | --: | --: | --: | --- |")?;
        let mut sum = Row::default();
        for (name, row) in &self.rows {
            let first = row.first.as_deref().unwrap_or_default();
            writeln!(f, "| {name} | {} | {} | {} | {} | {first} |", row.forms, row.cases, row.equal, row.different)?;
            sum.forms += row.forms;
            sum.cases += row.cases;
            sum.equal += row.equal;
            sum.different += row.different;
        }
        writeln!(f, "| all | {} | {} | {} | {} | |", sum.forms, sum.cases, sum.equal, sum.different)
    }
}
