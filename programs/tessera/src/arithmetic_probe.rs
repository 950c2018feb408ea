//! `arithmetic_probe`: what the compiler makes of 64-bit and 128-bit arithmetic. Only with the feature of that name.
//!
//! It is no instruction of the program and not in its IDL: the entry point of a build with the feature looks for it first
//! and hands everything else to the program.

use std::hint::black_box;

use anchor_lang::{
    prelude::*,
    solana_program::{entrypoint::ProgramResult, program::set_return_data, program_error::ProgramError},
};
use tessera_protocol::payout;

/// First bytes of the instruction's data; the Borsh bytes of a [`ProbeInput`] follow.
pub const DISCRIMINATOR: [u8; 8] = [113, 214, 197, 150, 180, 4, 105, 132];

/// Numbers to compute with.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeInput {
    /// Unsigned, 128 bits.
    pub a: u128,
    /// Unsigned, 128 bits.
    pub b: u128,
    /// Signed, 128 bits.
    pub c: i128,
    /// Signed, 128 bits.
    pub d: i128,
    /// Unsigned, 64 bits.
    pub x: u64,
    /// Unsigned, 64 bits.
    pub y: u64,
    /// Signed, 64 bits.
    pub p: i64,
    /// Signed, 64 bits.
    pub q: i64,
    /// How far to shift, modulo the width; also the exponent (low 3 bits), basis points (low 16) and replicas (low 8).
    pub shift: u32,
}

/// The results of all operations, the same on chain and on the host.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct ProbeOutput {
    /// Checked `a + b`, `a - b`, `a * b`, `a / b`, `a % b`.
    pub unsigned_128: [Option<u128>; 5],
    /// Wrapping `a * b`; `a << shift`, `a >> shift`, root of `a`.
    pub bits_128: [u128; 4],
    /// Leading zeros of `a`.
    pub leading_zeros: u32,
    /// Checked `c + d`, `c - d`, `c * d`, `c / d`, `c % d`.
    pub signed_128: [Option<i128>; 5],
    /// Wrapping `c * d`; `c >> shift`.
    pub signed_bits_128: [i128; 2],
    /// Checked `x + y`, `x - y`, `x * y`, `x / y`, `x % y`, `x` to the power of the low bits of `shift`.
    pub unsigned_64: [Option<u64>; 6],
    /// Saturating `x * y`; low half of `a`; root of `x`; `x` rotated left.
    pub bits_64: [u64; 4],
    /// `x * y` in full, and its quotient and remainder by `p` as unsigned.
    pub wide: [Option<u128>; 3],
    /// Checked `p * q`, `p / q`, `p % q`, remainder that is never negative.
    pub signed_64: [Option<i64>; 4],
    /// Order of `a` and `b`, of `c` and `d`.
    pub order: [i8; 2],
    /// Payout arithmetic: share and lease pay of `x`; work cost, deposit and top-up of `x` and `y`.
    pub money: [Option<u64>; 5],
    /// Treasury, burned part and refund of a job that deposited `x` and paid `y`.
    pub closing: Option<[u64; 3]>,
}

impl ProbeOutput {
    /// Computes all results. The host calls the same function.
    #[must_use]
    pub fn of(input: &ProbeInput) -> Self {
        let ProbeInput { a, b, c, d, x, y, p, q, shift } = *black_box(input);
        let wide = u128::from(x) * u128::from(y);
        let by = u128::from(p as u64);
        let (bps, replicas) = (shift as u16, shift as u8);
        Self {
            unsigned_128: [a.checked_add(b), a.checked_sub(b), a.checked_mul(b), a.checked_div(b), a.checked_rem(b)],
            bits_128: [a.wrapping_mul(b), a << (shift % 128), a >> (shift % 128), a.isqrt()],
            leading_zeros: a.leading_zeros(),
            signed_128: [c.checked_add(d), c.checked_sub(d), c.checked_mul(d), c.checked_div(d), c.checked_rem(d)],
            signed_bits_128: [c.wrapping_mul(d), c >> (shift % 128)],
            unsigned_64: [
                x.checked_add(y),
                x.checked_sub(y),
                x.checked_mul(y),
                x.checked_div(y),
                x.checked_rem(y),
                x.checked_pow(shift % 8),
            ],
            bits_64: [x.saturating_mul(y), a as u64, x.isqrt(), x.rotate_left(shift % 64)],
            wide: [Some(wide), wide.checked_div(by), wide.checked_rem(by)],
            signed_64: [p.checked_mul(q), p.checked_div(q), p.checked_rem(q), p.checked_rem_euclid(q)],
            order: [a.cmp(&b) as i8, c.cmp(&d) as i8],
            money: [
                Some(payout::share(x, bps)),
                payout::lease_pay(x, y as u32),
                payout::work_cost(x, y, replicas),
                payout::deposit(x, y, replicas, bps),
                payout::top_up(x, y, replicas, bps),
            ],
            closing: payout::closing(x, y, bps % 1_001, bps % 10_001).map(|c| [c.treasury, c.burned, c.refund]),
        }
    }
}

/// Answers the probe with the Borsh bytes of a [`ProbeOutput`] as return data; anything else goes to the program.
pub fn entry_with_probe<'info>(
    program_id: &'info Pubkey,
    accounts: &'info [AccountInfo<'info>],
    data: &'info [u8],
) -> ProgramResult {
    let Some(input) = data.strip_prefix(&DISCRIMINATOR) else {
        return crate::entry(program_id, accounts, data);
    };
    let input = ProbeInput::try_from_slice(input).map_err(|_| ProgramError::InvalidInstructionData)?;
    let mut bytes = Vec::with_capacity(1024);
    ProbeOutput::of(&input).serialize(&mut bytes)?;
    set_return_data(&bytes);
    Ok(())
}

#[cfg(target_os = "solana")]
anchor_lang::solana_program::entrypoint!(entry_with_probe);
