//! Money arithmetic, in base units of the market's mint. Nothing here may overflow silently: `None` means it would.
//!
//! Fees come on top of what providers earn. They are computed once per job, when it closes, from what was really paid;
//! every division rounds down, so remainders stay with the client.

use crate::{
    audit::{self, AuditParams},
    constants::BPS,
    lease,
};

/// What a client puts into a job's escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escrow {
    /// [`work_cost`].
    pub work: u64,
    /// For audits, see [`audit::reserve`]; what they do not take is returned.
    pub reserve: u64,
    /// The fee, should both be spent.
    pub fee: u64,
}

impl Escrow {
    /// All of it. `None` on overflow.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.work.checked_add(self.reserve)?.checked_add(self.fee)
    }
}

/// How a job's escrow is divided when it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The market's share of the fee.
    pub treasury: u64,
    /// The part of the fee that is burned.
    pub burned: u64,
    /// What goes back to the client.
    pub refund: u64,
}

/// What one lease of `units` pays to each replica.
#[must_use]
pub fn lease_pay(price_per_unit: u64, units: u32) -> Option<u64> {
    price_per_unit.checked_mul(u64::from(units))
}

/// What providers can earn at most: price × units × replicas.
#[must_use]
pub fn work_cost(price_per_unit: u64, units: u64, replicas: u8) -> Option<u64> {
    price_per_unit.checked_mul(units)?.checked_mul(u64::from(replicas))
}

/// `amount × bps / 10⁴`, rounded down.
#[must_use]
pub fn share(amount: u64, bps: u16) -> u64 {
    // The program pays much for wide numbers, and most products are narrow.
    if let Some(product) = amount.checked_mul(u64::from(bps)) {
        return product / BPS;
    }
    // At most u64::MAX × u16::MAX fits in u128; a share over 100 % is not asked for by any caller.
    let product = u128::from(amount) * u128::from(bps) / u128::from(BPS);
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// What a client must escrow for a job: its work, a reserve for audits, and the fee on both.
#[must_use]
pub fn escrow(
    price_per_unit: u64,
    units: u64,
    units_per_lease: u32,
    replicas: u8,
    params: &AuditParams,
    fee_bps: u16,
) -> Option<Escrow> {
    let (work, reserve) = work_and_reserve(price_per_unit, units, units_per_lease, replicas, params)?;
    let fee = share(work.checked_add(reserve)?, fee_bps);
    Some(Escrow { work, reserve, fee })
}

/// What a client must add to the escrow to raise the price of `units` by `add_price`: as [`escrow`], the fee rounded up, so
/// that the fee on the whole job is covered whatever was rounded down before.
#[must_use]
pub fn top_up(
    add_price: u64,
    units: u64,
    units_per_lease: u32,
    replicas: u8,
    params: &AuditParams,
    fee_bps: u16,
) -> Option<Escrow> {
    let (work, reserve) = work_and_reserve(add_price, units, units_per_lease, replicas, params)?;
    Some(Escrow { work, reserve, fee: fee_up(work.checked_add(reserve)?, fee_bps)? })
}

fn work_and_reserve(
    price_per_unit: u64,
    units: u64,
    units_per_lease: u32,
    replicas: u8,
    params: &AuditParams,
) -> Option<(u64, u64)> {
    let leases = u32::try_from(lease::count(units, units_per_lease.max(1))).ok()?;
    let in_one = u32::try_from(units.min(u64::from(units_per_lease))).ok()?;
    let reserve = audit::reserve(params, lease_pay(price_per_unit, in_one)?, leases, replicas)?;
    Some((work_cost(price_per_unit, units, replicas)?, reserve))
}

/// `amount` and the fee on it, rounded up: what is added to an escrow out of which `amount` may be paid. `None` on overflow.
#[must_use]
pub fn with_fee(amount: u64, fee_bps: u16) -> Option<u64> {
    amount.checked_add(fee_up(amount, fee_bps)?)
}

fn fee_up(amount: u64, fee_bps: u16) -> Option<u64> {
    u64::try_from((u128::from(amount) * u128::from(fee_bps)).div_ceil(u128::from(BPS))).ok()
}

/// Divides the escrow of a job that deposited `deposited` and paid `paid` to providers.
/// `None` if more was paid than the deposit covers, which the program never lets happen.
#[must_use]
pub fn closing(deposited: u64, paid: u64, fee_bps: u16, treasury_bps: u16) -> Option<Closing> {
    let fee = share(paid, fee_bps);
    let treasury = share(fee, treasury_bps);
    let burned = fee.checked_sub(treasury)?;
    let refund = deposited.checked_sub(paid)?.checked_sub(fee)?;
    Some(Closing { treasury, burned, refund })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::MAX_FEE_BPS;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escrow_always_covers_what_is_paid(price in 0u64..1 << 40, units in 1u64..1 << 16, per_lease in 1u32..1 << 17, replicas in 1u8..=8,
                                             fee in 0..=MAX_FEE_BPS, treasury in 0u16..=10_000, done in 0.0f64..=1.0) {
            let escrow = escrow(price, units, per_lease, replicas, &AuditParams::default(), fee).unwrap();
            let deposited = escrow.total().unwrap();
            let audits = (escrow.reserve as f64 * done) as u64;
            let paid = work_cost(price, (units as f64 * done) as u64, replicas).unwrap() + audits.min(escrow.reserve);
            let c = closing(deposited, paid, fee, treasury).unwrap();
            prop_assert_eq!(paid + c.treasury + c.burned + c.refund, deposited);
        }

        #[test]
        fn a_raise_covers_its_fee(price in 0u64..1 << 30, raise in 1u64..1 << 30, units in 1u64..1 << 12, done in 0u64..1 << 12,
                                  per_lease in 1u32..1 << 13, replicas in 1u8..=8, fee in 0..=MAX_FEE_BPS) {
            let left = units - done.min(units);
            let params = AuditParams::default();
            let before = escrow(price, units, per_lease, replicas, &params, fee).unwrap();
            let added = top_up(raise, left, per_lease, replicas, &params, fee).unwrap();
            let deposited = before.total().unwrap() + added.total().unwrap();
            let work = work_cost(price, units - left, replicas).unwrap() + work_cost(price + raise, left, replicas).unwrap();
            let paid = work + before.reserve + added.reserve;
            let c = closing(deposited, paid, fee, 5_000).unwrap();
            prop_assert_eq!(paid + c.treasury + c.burned + c.refund, deposited);
        }

        #[test]
        fn overflow_is_none(price in 1u64.., units in 1u64.., replicas in 1u8..=8) {
            let exact = (u128::from(price) * u128::from(units)).checked_mul(u128::from(replicas));
            prop_assert_eq!(work_cost(price, units, replicas), exact.and_then(|exact| u64::try_from(exact).ok()));
        }
    }

    #[test]
    fn shares_round_down() {
        assert_eq!(share(u64::MAX / 3, 9_999), (u128::from(u64::MAX / 3) * 9_999 / 10_000) as u64);
        assert_eq!(share(9_999, 1), 0);
        assert_eq!(share(10_000, 1), 1);
        assert_eq!(share(u64::MAX, 10_000), u64::MAX);
    }
}
