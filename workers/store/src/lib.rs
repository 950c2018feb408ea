//! Content store: blobs by content id, as a library ([`Blobs`]) and over HTTP ([`server::serve`]).
//!
//! A blob lies under the hash of its content, so it never changes and can be cached for ever; readers check it themselves.
//! Blobs are kept in any object store: a directory, S3, Google Cloud Storage, Azure.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod blobs;
pub mod cli;
mod connections;
mod error;
mod http;
pub mod membership;
mod places;
pub mod quota;
pub mod range;
pub mod server;

pub use blobs::Blobs;
pub use error::StoreError;
