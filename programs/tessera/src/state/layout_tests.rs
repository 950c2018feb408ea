//! The offsets that clients filter by, against the bytes of the accounts.

use anchor_lang::{prelude::*, Discriminator};
use bytemuck::{Pod, Zeroable};

use super::*;

fn bytes<T: Discriminator + Pod>(account: &T) -> Vec<u8> {
    [T::DISCRIMINATOR, bytemuck::bytes_of(account)].concat()
}

#[track_caller]
fn lies_at(bytes: &[u8], offset: u64, key: Pubkey) {
    assert_eq!(bytes[offset as usize..][..32], key.to_bytes());
}

#[test]
fn offsets_point_at_their_fields() {
    let keys = [1, 2, 3].map(|n| Pubkey::new_from_array([n; 32]));
    let mut provider = Provider::zeroed();
    [provider.market, provider.authority, provider.operator] = keys;
    let written = bytes(&provider);
    assert_eq!(written.len(), Provider::SPACE);
    lies_at(&written, PROVIDER_MARKET_OFFSET, keys[0]);
    lies_at(&written, PROVIDER_AUTHORITY_OFFSET, keys[1]);
    lies_at(&written, PROVIDER_OPERATOR_OFFSET, keys[2]);

    let mut job = Job::zeroed();
    [job.market, job.client, job.wallet] = keys;
    job.state = JobState::Cancelled as u8;
    let written = bytes(&job);
    assert_eq!(written.len(), Job::BITMAP_OFFSET);
    assert_eq!(written[JOB_STATE_OFFSET as usize], 1);
    lies_at(&written, JOB_MARKET_OFFSET, keys[0]);
    lies_at(&written, JOB_WALLET_OFFSET, keys[2]);
}

#[test]
fn a_job_account_has_a_bit_for_each_lease() {
    assert_eq!(Job::space(64, 8), Job::BITMAP_OFFSET + 1);
    assert_eq!(Job::space(65, 8), Job::BITMAP_OFFSET + 2);
    assert_eq!(Job::space(65_536, 1), Job::BITMAP_OFFSET + 8_192);
    // Shapes that validation refuses must not stop the account from being made before it runs.
    for (units, per_lease) in [(0, 1), (1, 0), (65_537, 1), (u64::MAX, 1)] {
        assert_eq!(Job::space(units, per_lease), Job::BITMAP_OFFSET);
    }
}

#[test]
fn a_job_is_over_when_its_grace_has_passed() {
    let job = Job { deadline: 100, grace_seconds: 10, ..Job::zeroed() };
    assert!(!job.over(110) && job.over(111));
}
