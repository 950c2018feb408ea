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
fn contested_leases_are_found_by_their_bytes() {
    let lease = Lease { group: 2, contested: 1, ..Lease::default() };
    let written = bytes(&lease);
    assert_eq!(written[LEASE_GROUP_OFFSET as usize], 2);
    assert_eq!(written[LEASE_CONTESTED_OFFSET as usize], 1);
    assert_eq!(written.iter().filter(|byte| **byte != 0).count(), Lease::DISCRIMINATOR.len() + 2);
}

#[test]
fn a_job_account_has_a_bit_for_each_lease() {
    assert_eq!(Job::space(64, 8, 0), Job::BITMAP_OFFSET + 1);
    assert_eq!(Job::space(65, 8, 0), Job::BITMAP_OFFSET + 2);
    assert_eq!(Job::space(65_536, 1, 0), Job::BITMAP_OFFSET + 8_192);
    assert_eq!(Job::space(65, 8, 3), Job::BITMAP_OFFSET + 2 + 3 * 32);
    assert_eq!(Job::space(65, 8, usize::MAX), Job::BITMAP_OFFSET + 2 + 16 * 32);
    // Shapes that validation refuses must not stop the account from being made before it runs.
    for (units, per_lease) in [(0, 1), (1, 0), (65_537, 1), (u64::MAX, 1)] {
        assert_eq!(Job::space(units, per_lease, 0), Job::BITMAP_OFFSET);
    }
}

#[test]
fn a_job_is_over_when_its_grace_has_passed() {
    let job = Job { deadline: 100, grace_seconds: 10, ..Job::zeroed() };
    assert!(!job.over(110) && job.over(111));
}

#[test]
fn a_claim_reads_of_its_market_what_stands_there() {
    let params = MarketParams {
        fee_bps: 1,
        treasury_bps: 2,
        min_stake: 3 << 40,
        max_open_leases: 4 << 20,
        unstake_seconds: u32::MAX,
        reveal_seconds: 6,
        grace_seconds: 7,
        free_returns: 8,
        returns_seconds: 9,
        step_seconds: 10,
        stake_cap: 11,
        credit_fee: 12,
        demand_bond: 13,
        max_memory_mib: 14,
        audit: AuditParams {
            p_min_bps: 15,
            saving_bps: 16,
            collusion_bps: 17,
            lock_multiple: 18,
            reserve_bps: 19,
            expiry_bond_bps: 20,
            probation: 21,
            lead: 22,
            seat_limit: 23,
        },
        proof_seconds: 33 << 20,
    };
    let keys = [24, 25, 26].map(|n| Pubkey::new_from_array([n; 32]));
    let [creator, authority, mint] = keys;
    for paused in [false, true] {
        let market = Market {
            version: 27,
            bump: 28,
            treasury_bump: 29,
            paused,
            id: 30,
            creator,
            authority,
            mint,
            params,
            total_stake: 31 << 40,
            reserved: [32; 60],
        };
        let mut data = Vec::new();
        market.try_serialize(&mut data).unwrap();
        let (key, owner, mut lamports) = (keys[0], crate::ID, 0);
        let info = AccountInfo::new(&key, false, false, &mut lamports, &mut data, &owner, false);
        let (min_stake, max_open_leases, proof_seconds) =
            (params.min_stake, params.max_open_leases, params.proof_seconds);
        let expected = MarketView { paused, min_stake, max_open_leases, proof_seconds, total_stake: 31 << 40 };
        assert_eq!(MarketView::read(&info).unwrap(), expected);
    }
}
