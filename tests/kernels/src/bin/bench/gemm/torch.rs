//! PyTorch's products on the processor, in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tessera_kernel_tests::repository;

use super::values::Kind;

/// A process that multiplies when it is asked to, with one thread.
pub struct Torch {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Of PyTorch.
    pub version: String,
}

impl Torch {
    /// Starts it, or says why it does not start.
    pub fn start() -> Result<Self, String> {
        let mut child = Command::new("python3")
            .arg(repository("scripts/models/products.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut output = BufReader::new(output.ok_or("python3 has no output")?);
        let mut version = String::new();
        let read = output.read_line(&mut version).map_err(|error| error.to_string())?;
        if read == 0 {
            let mut said = String::new();
            // What cannot be read is not told.
            let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            let _ = child.wait();
            return Err(said.lines().last().unwrap_or("python3 has ended").to_owned());
        }
        Ok(Self { child, input, output, version: version.trim().to_owned() })
    }

    /// Seconds of the processor for each of some products of squares.
    ///
    /// # Panics
    /// If the process fails.
    pub fn seconds(&mut self, kind: Kind, size: usize, times: u32) -> f64 {
        let kind = if kind == Kind::Bytes { "int8" } else { "f32" };
        let input = self.input.as_mut().expect("PyTorch's process has ended");
        writeln!(input, "{kind} {size} {times}").expect("PyTorch's process reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("PyTorch's process writes");
        line.trim().parse().unwrap_or_else(|_| panic!("PyTorch: expected seconds, found {line:?}"))
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        // At the end of its input it ends.
        self.input = None;
        let _ = self.child.wait();
    }
}
