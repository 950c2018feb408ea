//! Where the money of a job went: what its events say, checked against what its token accounts hold.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use solana_pubkey::Pubkey;

use crate::{Error, Event, Recorded, Tessera, pda};

/// Where the money of a job went, in base units of the market's mint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Put into the escrow by the client.
    pub deposited: u64,
    /// Paid to each provider.
    #[serde(serialize_with = "by_address")]
    pub paid: BTreeMap<Pubkey, u64>,
    /// The market's share of the fee.
    pub treasury: u64,
    /// The part of the fee that was burned.
    pub burned: u64,
    /// Returned to the client.
    pub refunded: u64,
    /// Sent to the escrow by strangers, as far as it has left it.
    pub surplus: u64,
    /// What the escrow holds, as read from the token account.
    pub in_escrow: u64,
    /// Whether the job is closed.
    pub closed: bool,
}

fn by_address<S: Serializer>(paid: &BTreeMap<Pubkey, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(paid.len()))?;
    for (address, amount) in paid {
        map.serialize_entry(&address.to_string(), amount)?;
    }
    map.end()
}

impl Ledger {
    /// Sums up events; what the escrow holds is not known from them.
    #[must_use]
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Self {
        let mut ledger = Self::default();
        for recorded in events {
            match &recorded.event {
                Event::JobPosted(e) => ledger.deposited += e.deposited,
                Event::JobToppedUp(e) => ledger.deposited += e.added,
                Event::LeaseSettled(e) => *ledger.paid.entry(e.provider).or_default() += e.pay,
                Event::JobClosed(e) => {
                    (ledger.treasury, ledger.burned, ledger.refunded) = (e.treasury, e.burned, e.refunded);
                    (ledger.surplus, ledger.closed) = (e.surplus, true);
                }
                _ => {}
            }
        }
        ledger
    }

    /// Paid to all providers.
    #[must_use]
    pub fn paid_sum(&self) -> u64 {
        self.paid.values().sum()
    }

    /// The fee.
    #[must_use]
    pub const fn fee(&self) -> u64 {
        self.treasury + self.burned
    }

    /// Whether `deposited = paid + fee + burned + refunded + still in escrow`. While a job runs, strangers may have sent
    /// tokens to its escrow, which then holds more.
    #[must_use]
    pub fn balances(&self) -> bool {
        let left = self.deposited.checked_sub(self.paid_sum() + self.fee() + self.refunded);
        if self.closed {
            left == Some(0) && self.in_escrow == 0
        } else {
            left.is_some_and(|left| self.in_escrow >= left)
        }
    }
}

impl Tessera {
    /// Where the money of a job went. Works after the job was closed.
    ///
    /// # Errors
    /// If no endpoint answers or none keeps the ledger for so long.
    pub async fn ledger(&self, job: &Pubkey) -> Result<Ledger, Error> {
        // Read before the events, which then tell of everything that had left the escrow: a running job never seems short.
        let in_escrow = self.token_balance(&pda::escrow(job)).await?.unwrap_or(0);
        let mut ledger = Ledger::from_events(&self.history(job).await?);
        ledger.in_escrow =
            if ledger.closed { self.token_balance(&pda::escrow(job)).await?.unwrap_or(0) } else { in_escrow };
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program_events::{JobClosed, LeaseSettled};
    use solana_signature::Signature;

    fn key(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    fn settled(provider: u8, pay: u64) -> Recorded {
        let event = Event::LeaseSettled(LeaseSettled {
            job: key(1),
            index: 0,
            provider: key(provider),
            pay,
            first_unit: 0,
            units: 1,
            result_root: [0; 32],
            sealed: [0; 32],
            key: [0; 32],
        });
        Recorded { signature: Signature::default(), slot: 0, event }
    }

    #[test]
    fn a_closed_job_balances_to_the_last_unit() {
        let closed =
            JobClosed { job: key(1), deposited: 110, paid: 60, treasury: 3, burned: 3, refunded: 44, surplus: 9 };
        let closed = Recorded { signature: Signature::default(), slot: 0, event: Event::JobClosed(closed) };
        let mut ledger = Ledger::from_events(&[settled(2, 20), settled(3, 20), settled(2, 20), closed]);
        ledger.deposited = 110;
        assert_eq!((ledger.paid[&key(2)], ledger.paid[&key(3)], ledger.fee()), (40, 20, 6));
        assert!(ledger.balances());
        ledger.in_escrow = 1;
        assert!(!ledger.balances());
        (ledger.in_escrow, ledger.refunded) = (0, 43);
        assert!(!ledger.balances());
    }

    #[test]
    fn a_running_job_may_hold_more_but_not_less() {
        let mut ledger = Ledger::from_events(&[settled(2, 20)]);
        (ledger.deposited, ledger.in_escrow) = (100, 80);
        assert!(ledger.balances());
        ledger.in_escrow = 81;
        assert!(ledger.balances());
        ledger.in_escrow = 79;
        assert!(!ledger.balances());
    }
}
