//! `arithmetic_probe`: what the compiler makes of 64-bit and 128-bit arithmetic. Only with the feature of that name.

use std::hint::black_box;

use anchor_lang::{prelude::*, solana_program::program::set_return_data};
use tessera_protocol::{
    audit::{self, AuditParams},
    chance::Chance,
    payout,
    reputation::Reputation,
    routing::{self, Standing},
    verdict::Kind,
};

/// The results of all operations on one pair of numbers, the same on chain and on the host.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// Checked sum, difference, product, quotient and remainder.
    pub unsigned: [Option<u128>; 5],
    /// The same of the numbers taken as signed.
    pub signed: [Option<i128>; 5],
    /// The same of their low halves.
    pub low: [Option<u64>; 5],
    /// The same of their low halves taken as signed.
    pub low_signed: [Option<i64>; 5],
    /// Wrapping product; shifts left, right and arithmetically right by the low bits of the second.
    pub bits: [u128; 4],
    /// Product of the low halves, which needs all 128 bits; its quotient and remainder by the high half of the second.
    pub wide: [Option<u128>; 3],
    /// Order of the numbers, unsigned and signed.
    pub order: [i8; 2],
    /// Payout arithmetic on the low halves: share, lease pay, work cost, deposit, top-up.
    pub money: [Option<u64>; 5],
    /// Rules of trust on the low halves: deterring chance, decayed success, score, weight.
    pub trust: [Option<u64>; 4],
}

impl Arithmetic {
    /// Computes all results. The host calls the same function.
    #[must_use]
    pub fn of(a: u128, b: u128) -> Self {
        let (a, b) = black_box((a, b));
        let (sa, sb) = (a as i128, b as i128);
        let (la, lb) = (a as u64, b as u64);
        let (lsa, lsb) = (la as i64, lb as i64);
        let shift = (b % 128) as u32;
        let wide = u128::from(la) * u128::from(lb);
        let high = b >> 64;
        let bps = (b >> 64) as u16;
        let replicas = (b >> 80) as u8;
        let per_lease = (b >> 88) as u32;
        let audit = AuditParams { reserve_bps: bps, ..AuditParams::default() };
        let (then, now) = (0, (a >> 64) as i64 & 0xffff_ffff);
        let reputation = Reputation { success: la, failure: lb, at: then, ..Reputation::default() };
        let standing = Standing { score: Chance::from_bps(bps), stake: la, locked: lb, staked_slot: 0 };
        Self {
            unsigned: [a.checked_add(b), a.checked_sub(b), a.checked_mul(b), a.checked_div(b), a.checked_rem(b)],
            signed: [
                sa.checked_add(sb),
                sa.checked_sub(sb),
                sa.checked_mul(sb),
                sa.checked_div(sb),
                sa.checked_rem(sb),
            ],
            low: [la.checked_add(lb), la.checked_sub(lb), la.checked_mul(lb), la.checked_div(lb), la.checked_rem(lb)],
            low_signed: [
                lsa.checked_add(lsb),
                lsa.checked_sub(lsb),
                lsa.checked_mul(lsb),
                lsa.checked_div(lsb),
                lsa.checked_rem(lsb),
            ],
            bits: [a.wrapping_mul(b), a << shift, a >> shift, (sa >> shift) as u128],
            wide: [Some(wide), wide.checked_div(high), wide.checked_rem(high)],
            order: [a.cmp(&b) as i8, sa.cmp(&sb) as i8],
            money: [
                Some(payout::share(la, bps)),
                payout::lease_pay(la, lb as u32),
                payout::work_cost(la, lb, replicas),
                payout::escrow(la, lb, per_lease, replicas, &audit, bps).and_then(|escrow| escrow.total()),
                payout::top_up(la, lb, per_lease, replicas, &audit, bps).and_then(|escrow| escrow.total()),
            ],
            trust: [
                audit::deterring(&audit, la, lb).map(Chance::units),
                Some(reputation.at(now).success),
                Some(reputation.score(now).units()),
                Some(routing::weight(&standing, Kind::Base, lb)),
            ],
        }
    }
}

/// Accounts of `arithmetic_probe`: none.
#[derive(Accounts)]
pub struct ArithmeticProbe {}

impl ArithmeticProbe {
    /// Computes and returns the results.
    pub fn handle(_ctx: Context<Self>, a: u128, b: u128) -> Result<()> {
        set_return_data(&borsh_of(&Arithmetic::of(a, b))?);
        Ok(())
    }
}

fn borsh_of(results: &Arithmetic) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    results.serialize(&mut bytes)?;
    Ok(bytes)
}
