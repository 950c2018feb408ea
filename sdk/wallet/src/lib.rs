//! Where a wallet's key comes from, named as in the solana command line: a file, standard input, a seed phrase that is asked
//! for, or a hardware wallet.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod device;
mod source;

pub use device::is_waiting;
pub use source::KeySource;

/// What signs for a wallet.
pub type Wallet = Box<tessera_sdk::AnySigner>;
