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
/// `["answer", lease, provider, payer]`: an answer to a demand, written piece by piece.
pub const ANSWER: &[u8] = b"answer";
/// Seed of lease `index`, 8 hexadecimal digits of it. A lease lies at `create_with_seed(job, seed, program)`: as for other
/// program-derived addresses nobody but the program can create an account there, for only it signs as the job; and there is
/// one such address for each lease, which the program finds without trying bumps.
#[must_use]
pub fn lease(index: u32) -> [u8; 8] {
    core::array::from_fn(|digit| b"0123456789abcdef"[(index >> (28 - 4 * digit) & 0xf) as usize])
}
