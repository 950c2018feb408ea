//! The program's events, from transaction logs.

use anchor_lang::{AnchorDeserialize, Discriminator};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{ID, logs, program_events};

/// Declares [`Event`] with one variant per event of the program: those that name a job, and all others.
macro_rules! events {
    (others { $($other:ident),+ $(,)? } jobs { $($job:ident),+ $(,)? }) => {
        events!(all { $($other,)+ $($job),+ });

        impl Event {
            /// The job that it is about, if it is about one.
            #[must_use]
            pub const fn job(&self) -> Option<Pubkey> {
                match self {
                    $(Self::$other(_) => None,)+
                    $(Self::$job(event) => Some(event.job)),+
                }
            }
        }
    };
    (all { $($name:ident),+ }) => {
        /// A state change, as the program logged it.
        #[derive(Clone, Debug)]
        #[allow(missing_docs, reason = "each variant carries the event of the same name, documented in the IDL")]
        pub enum Event {
            $($name(program_events::$name)),+
        }

        impl Event {
            /// Reads an event from the bytes of a `Program data:` line; `None` if it is not one of ours.
            #[must_use]
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                $(
                    if let Some(mut rest) = bytes.strip_prefix(program_events::$name::DISCRIMINATOR) {
                        return program_events::$name::deserialize(&mut rest).ok().map(Self::$name);
                    }
                )+
                None
            }

            /// The event's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name)),+
                }
            }
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

events!(
    others {
        MarketCreated,
        MarketUpdated,
        MarketPaused,
        TreasuryWithdrawn,
        ProviderRegistered,
        ProviderUpdated,
        StakeAdded,
        UnstakeRequested,
        StakeWithdrawn,
        EarningsWithdrawn,
        BondsBurned,
        CapabilityProven,
        ClientRegistered,
    }
    jobs {
        JobPosted,
        JobSeeded,
        JobToppedUp,
        JobCancelled,
        JobClosed,
        LeaseSeeded,
        LeaseClaimed,
        ResultCommitted,
        ResultDrawn,
        SeatsOpened,
        ResultRevealed,
        LeaseAgreed,
        LeaseVoided,
        LeaseReopened,
        SeatSlashed,
        ResultOpened,
        ChunkDemanded,
        ChunkAnswered,
        ChunkWithheld,
        LeaseSettled,
        LeaseReturned,
        LeaseExpired,
        LeaseClosed,
    }
);

/// An event and where it stands in the ledger.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The transaction.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// What happened.
    pub event: Event,
}

/// The events in a transaction's log, in order. Only lines of the program's own frames count, so nobody can forge one.
#[must_use]
pub fn from_logs(log: &[String]) -> Vec<Event> {
    logs::program_data(log, &ID).iter().filter_map(|bytes| Event::decode(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::AnchorSerialize;
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde_json::Value;

    #[test]
    fn the_events_are_those_of_the_idl() {
        let idl: Value = serde_json::from_str(crate::program::IDL).unwrap();
        let mut idl: Vec<&str> =
            idl["events"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap()).collect();
        let mut ours = NAMES.to_vec();
        idl.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, idl);
    }

    #[test]
    fn an_event_survives_the_log() {
        let job = anchor_lang::prelude::Pubkey::new_from_array([3; 32]);
        let mut bytes = program_events::JobCancelled::DISCRIMINATOR.to_vec();
        program_events::JobCancelled { job, deadline: 5 }.serialize(&mut bytes).unwrap();
        let log = [
            format!("Program {ID} invoke [1]"),
            format!("Program data: {}", BASE64_STANDARD.encode(&bytes)),
            format!("Program {ID} success"),
        ];
        let events = from_logs(&log);
        assert!(matches!(&events[..], [Event::JobCancelled(e)] if e.job == job && e.deadline == 5));
        assert_eq!(events[0].job(), Some(job));
        assert!(from_logs(&log[1..]).is_empty(), "a line outside our frames counted");
        assert!(Event::decode(&bytes[..20]).is_none());
    }
}
