//! Seeds of the program-derived addresses. Numbers are little endian.

/// `["market", creator, id: u16]`
pub const MARKET: &[u8] = b"market";
/// `["treasury", market]`: the token account that collects a market's share of fees.
pub const TREASURY: &[u8] = b"treasury";
/// `["provider", market, authority]`
pub const PROVIDER: &[u8] = b"provider";
/// `["stake", provider]`: the token account of a provider's stake and unpaid earnings.
pub const STAKE: &[u8] = b"stake";
/// `["client", market, wallet]`
pub const CLIENT: &[u8] = b"client";
/// `["job", client account, number: u64]`
pub const JOB: &[u8] = b"job";
/// `["escrow", job]`: the token account that holds a job's escrow.
pub const ESCROW: &[u8] = b"escrow";
/// `["lease", job, index: u32]`
pub const LEASE: &[u8] = b"lease";
