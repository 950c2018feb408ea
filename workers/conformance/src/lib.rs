//! Compares what runs reproducible PTX, bit for bit: the interpreter, compiled code, and GPUs.
//!
//! Three means: [`program`] makes random programs out of everything that [`templates`] lists, and [`differential`] runs them in
//! two executors; [`instructions`] applies each instruction to all its edge values and compares lane by lane; [`fuzz`] breaks
//! modules and reads them.
//!
//! ```
//! use tessera_conformance::program::{Case, Purpose};
//! use tessera_conformance::work::Engine;
//!
//! let work = Case::new(7, Purpose::Engines).work();
//! assert!(Engine::Interpreter.run(&work).agrees(&Engine::Machine.run(&work)));
//! ```
#![deny(missing_docs)]

mod error;

pub mod differential;
pub mod fuzz;
pub mod instructions;
pub mod minimise;
pub mod pattern;
pub mod program;
pub mod table;
pub mod templates;
pub mod values;
pub mod work;

pub use error::Error;
