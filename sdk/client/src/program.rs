//! The program as its IDL describes it (`idls/tessera.json`): account types, events, and the parts of instructions.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

pub use anchor_lang;

anchor_lang::declare_program!(tessera);

/// The IDL itself, for the names and messages of the program's errors.
pub(crate) const IDL: &str = include_str!("../../../idls/tessera.json");
