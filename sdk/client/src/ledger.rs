//! Where the money of a job went: what its events say, checked against what its token accounts hold.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let network = tessera_testing::Network::start().await?;
//! # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
//! # let (spec, blobs) = tessera_testing::sample::job(8);
//! # let terms = tessera_testing::sample::terms(network.store_url());
//! # let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
//! # let job = posted.job;
//! let ledger = tessera.ledger(&job).await?;
//! assert!(ledger.balances() && !ledger.closed);
//! assert_eq!((ledger.deposited, ledger.in_escrow), (posted.deposited, posted.deposited));
//!
//! tessera.cancel_job(wallet, &job).await?;
//! tessera.close_job(wallet, &job).await?;
//! // The account is gone; what its events say stays.
//! let ledger = tessera.ledger(&job).await?;
//! assert!(ledger.balances() && ledger.closed);
//! assert_eq!((ledger.refunded, ledger.paid_sum(), ledger.fee()), (posted.deposited, 0, 0));
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use solana_pubkey::Pubkey;
use tessera_protocol::verdict::{Kind, VOID_ROOT};

use crate::{Error, Event, Recorded, Tessera, pda, program_events::LeaseSettled};

/// Where the money of a job went, in base units of the market's mint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Put into the escrow by the client.
    pub deposited: u64,
    /// Part of it that was meant for audits; what they did not take is returned.
    pub reserve: u64,
    /// Paid to each provider.
    #[serde(serialize_with = "by_address")]
    pub paid: BTreeMap<Pubkey, u64>,
    /// Part of what was paid that went to auditors, from the reserve or out of the pay of those whom they audited.
    pub paid_to_auditors: u64,
    /// Part of what was paid that came from the locks of providers who lost a dispute.
    pub paid_by_losers: u64,
    /// Taken from the lock of each loser for those who were called to decide.
    #[serde(serialize_with = "by_address")]
    pub awarded: BTreeMap<Pubkey, u64>,
    /// Burned of the locks of losers.
    pub slashed: u64,
    /// The market's share of the fee.
    pub treasury: u64,
    /// The part of the fee that was burned.
    pub burned: u64,
    /// Returned to the client.
    pub refunded: u64,
    /// What left the escrow with the refund and was neither deposited nor paid: tokens of strangers, and awards that nobody
    /// fetched.
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
                Event::JobPosted(e) => {
                    ledger.deposited += e.deposited;
                    ledger.reserve += e.audit_reserve;
                }
                Event::JobToppedUp(e) => ledger.deposited += e.added,
                Event::LeaseSettled(e) => ledger.pay(e),
                Event::SeatSlashed(e) => {
                    *ledger.awarded.entry(e.provider).or_default() += e.awarded;
                    ledger.slashed += e.burned;
                }
                Event::JobClosed(e) => {
                    (ledger.treasury, ledger.burned, ledger.refunded) = (e.treasury, e.burned, e.refunded);
                    (ledger.surplus, ledger.reserve, ledger.closed) = (e.surplus, e.audit_reserve, true);
                    // With what demands cost, of which the events that report them say nothing.
                    ledger.deposited = e.deposited;
                    ledger.paid_by_losers = ledger.paid_sum().saturating_sub(e.paid);
                }
                _ => {}
            }
        }
        ledger
    }

    fn pay(&mut self, settled: &LeaseSettled) {
        *self.paid.entry(settled.provider).or_default() += settled.pay;
        match Kind::try_from(settled.kind) {
            Ok(Kind::Audit) => self.paid_to_auditors += settled.pay,
            // What cannot be computed has no losers: the job pays those who found that out.
            Ok(Kind::Dispute) if settled.result_root != VOID_ROOT => self.paid_by_losers += settled.pay,
            _ => {}
        }
    }

    /// Paid to all providers.
    #[must_use]
    pub fn paid_sum(&self) -> u64 {
        self.paid.values().sum()
    }

    /// Taken from the locks of all losers for those who were called to decide.
    #[must_use]
    pub fn awarded_sum(&self) -> u64 {
        self.awarded.values().sum()
    }

    /// The fee.
    #[must_use]
    pub const fn fee(&self) -> u64 {
        self.treasury + self.burned
    }

    /// What the job has cost the client, or can still cost, fee included: all that was deposited less what came back.
    #[must_use]
    pub const fn spent(&self) -> u64 {
        self.deposited.saturating_sub(self.refunded)
    }

    /// Paid by the client, the fee not included.
    #[must_use]
    pub fn paid_by_client(&self) -> u64 {
        self.paid_sum().saturating_sub(self.paid_by_losers)
    }

    /// Whether `deposited = paid by the client + fee + refunded + still in escrow`, and losers paid what was paid by them.
    /// While a job runs, strangers may have sent tokens to its escrow, which then holds more.
    #[must_use]
    pub fn balances(&self) -> bool {
        let left = self.deposited.checked_sub(self.paid_by_client() + self.fee() + self.refunded);
        let (Some(left), Some(awards)) = (left, self.awarded_sum().checked_sub(self.paid_by_losers)) else {
            return false;
        };
        if self.closed {
            left == 0 && self.in_escrow == 0 && self.surplus >= awards
        } else {
            self.in_escrow.checked_sub(left).is_some_and(|more| more >= awards)
        }
    }
}

impl Tessera {
    /// Where the money of a job went. Works after the job was closed.
    ///
    /// # Errors
    /// If no endpoint answers or none keeps the ledger for so long.
    pub async fn ledger(&self, job: &Pubkey) -> Result<Ledger, Error> {
        // Read in this order, and before the events, which then tell of everything that had left the escrow: a running job never
        // seems short.
        let deposited = self.job(job).await?.map(|job| job.deposited);
        let in_escrow = self.token_balance(&pda::escrow(job)).await?.unwrap_or(0);
        let mut ledger = Ledger::from_events(&self.job_history(job).await?);
        ledger.deposited = deposited.filter(|_| !ledger.closed).unwrap_or(ledger.deposited);
        ledger.in_escrow =
            if ledger.closed { self.token_balance(&pda::escrow(job)).await?.unwrap_or(0) } else { in_escrow };
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program_events::{JobClosed, SeatSlashed};
    use solana_signature::Signature;

    fn key(byte: u8) -> Pubkey {
        Pubkey::new_from_array([byte; 32])
    }

    fn recorded(event: Event) -> Recorded {
        Recorded { signature: Signature::default(), slot: 0, event }
    }

    fn settled_as(kind: Kind, provider: u8, pay: u64, result_root: [u8; 32]) -> Recorded {
        recorded(Event::LeaseSettled(LeaseSettled {
            job: key(1),
            index: 0,
            provider: key(provider),
            kind: kind.into(),
            pay,
            first_unit: 0,
            units: 1,
            result_root,
            sealed: [0; 32],
            key: [0; 32],
        }))
    }

    fn settled(provider: u8, pay: u64) -> Recorded {
        settled_as(Kind::Base, provider, pay, [0; 32])
    }

    fn closed(refunded: u64, surplus: u64) -> Recorded {
        recorded(Event::JobClosed(JobClosed {
            job: key(1),
            deposited: 110,
            paid: 60,
            treasury: 3,
            burned: 3,
            refunded,
            surplus,
            audit_reserve: 30,
            audits_paid: 0,
        }))
    }

    #[test]
    fn a_closed_job_balances_to_the_last_unit() {
        let mut ledger = Ledger::from_events(&[settled(2, 20), settled(3, 20), settled(2, 20), closed(44, 9)]);
        ledger.deposited = 110;
        assert_eq!((ledger.paid[&key(2)], ledger.paid[&key(3)], ledger.fee(), ledger.reserve), (40, 20, 6, 30));
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

    #[test]
    fn losers_pay_those_who_decide() {
        let slashed = recorded(Event::SeatSlashed(SeatSlashed {
            job: key(1),
            index: 0,
            provider: key(9),
            awarded: 40,
            burned: 700,
        }));
        let paid = [
            settled(2, 20),
            settled_as(Kind::Audit, 3, 20, [0; 32]),
            settled_as(Kind::Dispute, 4, 20, [0; 32]),
            // Found void: the job pays.
            settled_as(Kind::Dispute, 5, 20, VOID_ROOT),
        ];
        let mut ledger = Ledger::from_events(paid.iter().chain([&slashed]));
        assert_eq!((ledger.paid_sum(), ledger.paid_by_client(), ledger.paid_by_losers), (80, 60, 20));
        assert_eq!((ledger.paid_to_auditors, ledger.awarded_sum(), ledger.slashed), (20, 40, 700));
        // One who decided has not fetched its award yet.
        (ledger.deposited, ledger.in_escrow) = (100, 60);
        assert!(ledger.balances());
        ledger.in_escrow = 59;
        assert!(!ledger.balances());
        let mut ledger = Ledger::from_events(paid.iter().chain([&slashed, &closed(44, 20)]));
        ledger.deposited = 110;
        assert!(ledger.balances());
        ledger.surplus = 19;
        assert!(!ledger.balances(), "an award is lost");
    }
}
