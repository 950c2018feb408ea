//! What a job's events say of its seats.

use std::collections::HashMap;

use solana_pubkey::Pubkey;
use tessera_sdk::{Event, Kind, Recorded};

/// How many events are such.
pub fn count(history: &[Recorded], is: impl Fn(&Event) -> bool) -> usize {
    history.iter().filter(|recorded| is(&recorded.event)).count()
}

/// A seat that was paid.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    pub lease: u32,
    pub provider: Pubkey,
    pub kind: Kind,
    pub pay: u64,
    pub root: [u8; 32],
}

/// The seats of a job that were paid.
pub fn settlements(history: &[Recorded]) -> Vec<Settlement> {
    let settled = history.iter().filter_map(|recorded| match &recorded.event {
        Event::LeaseSettled(e) => Some(Settlement {
            lease: e.index,
            provider: e.provider,
            kind: Kind::try_from(e.kind).unwrap(),
            pay: e.pay,
            root: e.result_root,
        }),
        _ => None,
    });
    settled.collect()
}

/// Those of them that the client asked for; audits come by chance.
pub fn replicas(history: &[Recorded]) -> Vec<Settlement> {
    settlements(history).into_iter().filter(|settled| settled.kind == Kind::Base).collect()
}

/// How often each provider claimed each lease.
pub fn claims(history: &[Recorded]) -> HashMap<(u32, Pubkey), u32> {
    let mut claims = HashMap::new();
    for recorded in history {
        if let Event::LeaseClaimed(e) = &recorded.event {
            *claims.entry((e.index, e.provider)).or_default() += 1;
        }
    }
    claims
}
