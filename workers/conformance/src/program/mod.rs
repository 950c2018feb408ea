//! Random programs: made from one number, so that a number is enough to see a program again.

mod faults;
mod generate;
mod operands;
mod registers;
mod text;

use crate::pattern::Form;
use crate::work::Work;

/// A program and how it is launched.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it was made from.
    pub seed: u64,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Most gas; programs that are to end by it have little.
    pub gas: u64,
    /// Whether the program is to fault, or may.
    pub faulty: bool,
    /// Device functions, each calling only those before it.
    pub functions: Vec<Function>,
    /// The kernel.
    pub body: Vec<Statement>,
}

/// A device function `.func (.param .b32 r) name(.param .b32 a, .param .b64 b)`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does between taking its parameters and giving its result.
    pub body: Vec<Statement>,
}

/// A part of a program that can be left out as a whole.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Instructions that belong together.
    Lines(Vec<String>),
    /// Control flow around other statements: before each part stand some lines, after the last one others.
    Nest {
        /// Lines, and the statements behind them.
        parts: Vec<(Vec<String>, Vec<Statement>)>,
        /// What stands at the end.
        tail: Vec<String>,
    },
}

/// What programs are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To compare executors on this machine: everything that they execute, and faults.
    Engines,
    /// To compare with a GPU: nothing outside the profile, nothing that faults.
    Devices,
}

impl Case {
    /// The program that a number stands for.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        generate::case(seed, purpose)
    }

    /// A program around one form.
    #[must_use]
    pub fn alone(form: &Form) -> Self {
        generate::alone(form)
    }

    /// The launch.
    #[must_use]
    pub fn work(&self) -> Work {
        text::work(self)
    }

    /// Threads of a block.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Blocks of the grid.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.grid.iter().product()
    }
}
