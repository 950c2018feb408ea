//! The interpreter: warps of 32 lanes, each register an array over the lanes.

pub(crate) mod access;
pub(crate) mod atomics;
pub(crate) mod collective;
pub(crate) mod division;
pub(crate) mod env;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod lanes;
pub(crate) mod launch;
pub(crate) mod masks;
pub(crate) mod ops;
pub(crate) mod store;
pub(crate) mod warp;
