//! The accounts byte by byte, as docs/protocol.md lists them: read here with a cursor of their own, not with the structs of
//! the program, so that a field that moves is seen.

use anchor_lang::{Discriminator, prelude::Pubkey};
use solana_account::ReadableAccount;
use tessera::state;
use tessera_protocol::{hash::sha256, routing::Requirements, verdict::Kind};
use tessera_tests::{
    terms::JobTerms,
    world::{CAPABILITIES, MARKET_ID, START, START_SLOT, World},
};

/// Reads an account from front to back.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn open(world: &'a World, address: Pubkey, discriminator: &[u8]) -> Self {
        let bytes = world.account(address).unwrap().data();
        assert_eq!(&bytes[..8], discriminator);
        Self { bytes, at: 8 }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        self.bytes[self.at - N..self.at].try_into().unwrap()
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    fn key(&mut self) -> Pubkey {
        Pubkey::from(self.take::<32>())
    }

    fn reserved<const N: usize>(&mut self) {
        assert_eq!(self.take::<N>(), [0; N]);
    }

    #[track_caller]
    fn end(self) {
        assert_eq!(self.at, self.bytes.len(), "bytes are left over");
    }
}

/// The bump of an address.
fn bump(seeds: &[&[u8]]) -> u8 {
    Pubkey::find_program_address(seeds, &tessera::ID).1
}

#[test]
fn a_market() {
    let world = World::with(|_| {});
    let (authority, terms) = (world.authority, world.terms);
    let mut c = Cursor::open(&world, world.market, state::Market::DISCRIMINATOR);
    let own = bump(&[b"market", authority.as_ref(), &MARKET_ID.to_le_bytes()]);
    assert_eq!([c.u8(), c.u8(), c.u8(), c.u8()], [1, own, bump(&[b"treasury", world.market.as_ref()]), 0]);
    assert_eq!(c.u16(), MARKET_ID);
    assert_eq!([c.key(), c.key(), c.key()], [authority, authority, world.mint]);
    assert_eq!((c.u16(), c.u16(), c.u64(), c.u32()), (terms.fee_bps, terms.treasury_bps, terms.min_stake, 16));
    assert_eq!((c.u32(), c.u32(), c.u32()), (terms.unstake_seconds, terms.reveal_seconds, terms.grace_seconds));
    // Free returns, their time, and the step, the cap and the credit of routing and reputation.
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u64(), c.u64()), (3, 3_600, 1, 5_000, 1));
    // The bond of a demand, and the most memory.
    assert_eq!((c.u64(), c.u32()), (10, 16_384));
    // Least chance, saving, collusion, lock, reserve, bond and probation; lead and limit of seats.
    assert_eq!([c.u16(), c.u16(), c.u16(), c.u16()], [1, 1, 0, 8]);
    assert_eq!([c.u16(), c.u16(), c.u16()], [1, 2_500, 0]);
    assert_eq!([c.u8(), c.u8()], [2, 12]);
    assert_eq!((c.u32(), c.u64()), (0, 10_000), "how long proofs count; the stake of both providers");
    c.reserved::<60>();
    c.end();
}

#[test]
fn a_provider() {
    let mut world = World::with(|b| b.providers = 3);
    let [p, q, r] = [0, 1, 2].map(|i| world.providers[i]);
    let job = world.job(world.clients[0], &JobTerms { units: 20, ..JobTerms::default() });
    world.complete(job, 0, &[p]);
    // Confirmed by an audit, which the reserve pays.
    world.audited(job, 1, p, 0);
    world.commit(job, 1, q, 0);
    world.draw(job, 1, &[q]);
    world.reveal_result(job, 1, p, 0).ok();
    world.reveal_result(job, 1, q, 0).ok();
    world.pay(job, 1, &[p, q]);
    let confirmed_at = world.now();
    world.claim_lease(job, 2, p).ok();
    world.return_lease(job, 2, p).ok();
    let returned_at = world.now();
    // Wrong, and convicted.
    world.disputed(job, 3, (p, 1), (q, 0));
    world.vote(job, 3, &[(r, 0)]);
    world.slash_seat(job, 3, p).ok();
    let (slashed_at, slashed_slot) = (world.now(), world.slot());
    world.claim_lease(job, 4, p).ok();
    world.request_unstake(p, 200).ok();
    let asked_at = world.now();
    world.prove(p, 1);
    let proven_at = world.now();
    world.advance(1);
    world.begin_proof(p, 2).ok();
    let mut c = Cursor::open(&world, p.address, state::Provider::DISCRIMINATOR);
    let own = bump(&[b"provider", world.market.as_ref(), p.authority.as_ref()]);
    assert_eq!([c.u8(), c.u8(), c.u8(), c.u8()], [1, own, CAPABILITIES.class, CAPABILITIES.region]);
    assert_eq!(c.u32(), CAPABILITIES.memory_mib);
    assert_eq!(c.at as u64, state::PROVIDER_MARKET_OFFSET);
    assert_eq!(c.key(), world.market);
    assert_eq!(c.at as u64, state::PROVIDER_AUTHORITY_OFFSET);
    assert_eq!(c.key(), p.authority);
    assert_eq!(c.at as u64, state::PROVIDER_OPERATOR_OFFSET);
    assert_eq!([c.key(), c.key()], [p.operator, p.vault]);
    // A seat of 4 × 7 locks 8 times as much: one lock is lost, of which the vote of r took 28; another one is locked.
    assert_eq!((c.u64(), c.u64(), c.i64()), (5_000 - 224 - 200, 200, asked_at + 3_600));
    assert_eq!((c.u64(), c.u64()), (56, 56));
    assert_eq!((c.u64(), c.u64()), (2, 8));
    assert_eq!((c.i64(), c.u64(), c.u64(), c.u64(), c.u64()), (START, START_SLOT, 224, 0, 224 - 28));
    // A return for nothing comes back in 1,200 seconds.
    assert_eq!((c.i64(), c.u64()), (returned_at + 1_200, 224));
    assert!(confirmed_at < slashed_at);
    assert_eq!((c.u64(), c.u64(), c.i64(), c.u64()), (0, 16 << 32, slashed_at, slashed_slot));
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u32()), (0, 1, 0, 1));
    // A proof has begun, after another one was finished.
    assert_eq!((c.u64(), c.i64(), c.i64()), (world.slot(), world.now(), proven_at));
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u32()), (2, 1, world.provider(p).speed, 0));
    c.reserved::<24>();
    c.end();
}

#[test]
fn a_client() {
    let mut world = World::with(|_| {});
    let client = world.clients[0];
    world.job(client, &JobTerms::default());
    let mut c = Cursor::open(&world, client.address, state::Client::DISCRIMINATOR);
    let own = bump(&[b"client", world.market.as_ref(), client.wallet.as_ref()]);
    assert_eq!([c.u8(), c.u8()], [1, own]);
    assert_eq!([c.key(), c.key()], [world.market, client.wallet]);
    assert_eq!(c.u64(), 1);
    c.reserved::<64>();
    c.end();
}

#[test]
fn a_job_and_its_bitmap() {
    let mut world = World::with(|_| {});
    let (client, p, q) = (world.clients[0], world.providers[0], world.providers[1]);
    let requirements = Requirements { memory_mib: 16, class: 80, regions: 1 << 3 };
    let other = Pubkey::new_from_array([3; 32]);
    let terms = JobTerms {
        units: 35,
        replicas: 2,
        requirements,
        min_stake: 11,
        challenge_seconds: 33,
        allowed: vec![p.address, q.address],
        denied: vec![other],
        ..JobTerms::default()
    };
    let job = world.job(client, &terms);
    world.agree(job, 8, &[p, q]);
    world.open_result(job, 8, p).ok();
    world.advance(33);
    world.settle_lease(job, 8, p).ok();
    world.commit_drawn(job, 0, p, 0);
    world.cancel_job(job).ok();
    let cancelled_at = world.now();
    let mut c = Cursor::open(&world, job.address, state::Job::DISCRIMINATOR);
    let own = bump(&[b"job", client.address.as_ref(), &0u64.to_le_bytes()]);
    assert_eq!([c.u8(), c.u8()], [1, own]);
    assert_eq!((c.at as u64, c.u8()), (state::JOB_STATE_OFFSET, 1));
    assert_eq!((c.u8(), c.u32()), (2, 4));
    assert_eq!((c.at as u64, c.key()), (state::JOB_MARKET_OFFSET, world.market));
    assert_eq!(c.key(), client.address);
    assert_eq!((c.at as u64, c.key()), (state::JOB_WALLET_OFFSET, client.wallet));
    assert_eq!((c.key(), c.take::<32>()), (job.escrow, [0x5e; 32]));
    assert_eq!((c.u64(), c.u64(), c.u64()), (0, 35, 7));
    assert_eq!((c.i64(), c.u64(), c.i64()), (START, START_SLOT, cancelled_at + 2 * (240 + 33)));
    // 35 × 7 × 2, six audits of 4 × 7, and 5 % of both; the last lease has 3 units.
    assert_eq!((c.u64(), c.u64(), c.u64()), (490 + 168 + 32, 21, 21));
    assert_eq!((c.u64(), c.u32(), c.u32()), (3, 1, 9));
    assert_eq!((c.u32(), c.u32(), c.u32()), (120, 60, 300));
    assert_eq!((c.u32(), c.u64(), c.u8()), (16, 1 << 3, 80));
    let len = usize::from(c.u8());
    assert_eq!([c.u16(), c.u16(), c.u16(), c.u16()], [500, 4_000, 8, 2_500]);
    assert_eq!((c.u16(), c.u16()), (1, 0));
    // Lead, limit of seats, and how many names of either list follow the bitmap.
    assert_eq!([c.u8(), c.u8(), c.u8(), c.u8()], [2, 12, 2, 1]);
    assert_eq!(c.u8(), 0, "not private");
    c.reserved::<5>();
    assert_eq!(Some(c.take::<32>()), world.hashes.of(START_SLOT + 8));
    assert_eq!((c.u64(), c.i64()), (START_SLOT + 8, START + 4));
    // The seat that was drawn is paid for by the reserve: its chance is the one that this is made for.
    assert_eq!((c.u64(), c.u64(), c.u64()), (168, 168 - 28, 0));
    assert_eq!((c.u64(), c.u64(), c.u64(), c.u64()), (1, 429_497, 11, 0));
    // One lease is contested; the time for demands, and a replica that is not paid yet; bond and cap.
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u32()), (1, 1, 33, 1));
    assert_eq!((c.u64(), c.u64()), (10, 5_000));
    c.reserved::<8>();
    let store: [u8; 128] = c.take();
    assert_eq!(&store[..len], terms.store.as_bytes());
    assert!(store[len..].iter().all(|byte| *byte == 0));
    assert_eq!(c.at as u64, state::JOB_BITMAP_OFFSET);
    assert_eq!(c.take::<2>(), [0, 1], "one bit for each of 9 leases, the lowest first");
    assert_eq!([c.key(), c.key(), c.key()], [p.address, q.address, other]);
    c.end();
}

#[test]
fn a_lease_and_its_seats() {
    let mut world = World::with(|b| b.providers = 3);
    let (client, [p, q, r]) = (world.clients[0], [0, 1, 2].map(|i| world.providers[i]));
    let terms = JobTerms { replicas: 2, challenge_seconds: 4_000, seconds: 8_000, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.claim_lease(job, 2, p).ok();
    world.return_lease(job, 2, p).ok();
    world.commit(job, 2, q, 0);
    let (claimed_at, committed) = (world.now(), world.slot());
    world.choose_draw(job, 2, q, true);
    world.draw(job, 2, &[q]);
    // Who comes next has the time of a group that has just opened.
    world.advance(20);
    world.commit(job, 2, p, 0);
    world.draw(job, 2, &[p]);
    world.seed_group(job, 2, Kind::Audit);
    let audit = world.lease(job, 2);
    world.commit(job, 2, r, 0);
    world.draw(job, 2, &[r]);
    for provider in [p, q, r] {
        world.reveal_result(job, 2, provider, 0).ok();
    }
    let (agreed_at, agreed) = (world.now(), world.slot());
    world.open_result(job, 2, q).ok();
    world.advance(7);
    world.demand_chunk(job, 2, q, 0x0123_4567_89ab).ok();
    let demanded = world.slot();
    let works = [q, p, r].map(|provider| world.work(job, 2, provider, 0));
    let commits = [committed, world.seat(job, 2, p).unwrap().slot, world.seat(job, 2, r).unwrap().slot];
    let mut c = Cursor::open(&world, job.lease(2), state::Lease::DISCRIMINATOR);
    // Version, agreed, replicas, and the group that was open last: an audit.
    assert_eq!([c.u8(), c.u8(), c.u8()], [1, 1, 2]);
    assert_eq!((c.at as u64, c.u8()), (state::LEASE_GROUP_OFFSET, 1));
    assert_eq!(c.u32(), 2);
    assert_eq!((c.at as u64, c.key()), (state::LEASE_JOB_OFFSET, job.address));
    assert_eq!(c.key(), p.operator);
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u32()), (2, 4, 1, 60));
    assert_eq!(c.u32(), 120);
    // Nothing is missing or due; it was drawn, and is contested until it settles.
    assert_eq!([c.u8(), c.u8(), c.u8()], [0, 0, 1]);
    assert_eq!((c.at as u64, c.u8()), (state::LEASE_CONTESTED_OFFSET, 1));
    assert_eq!([c.u8(), c.u8()], [0, 3], "not exhausted; the audit seat was the fourth claim");
    assert_eq!([c.u8(), c.u8()], [1, 0], "of one audit seat, and not private");
    assert_eq!(c.u32(), 4_000);
    assert_eq!(c.u64(), agreed);
    assert_eq!((c.i64(), c.i64(), c.i64()), (audit.opened_at, 0, agreed_at + 60));
    assert_eq!((c.u64(), c.u64(), c.u64()), (14, 0, audit.seed_slot));
    assert_eq!(Some(c.take::<32>()), world.hashes.of(audit.seed_slot));
    assert_eq!(c.take::<32>(), works[0].reveal.result_root);
    c.reserved::<16>();
    for (i, (provider, work)) in [q, p, r].into_iter().zip(works).enumerate() {
        let (opened, audits) = (i == 0, i == 2);
        assert_eq!([c.key(), c.key()], [provider.address, provider.operator]);
        assert_eq!(c.u64(), 14);
        let commit_by = c.i64();
        assert!(commit_by == claimed_at + 120 || i > 0 && commit_by > claimed_at + 120);
        assert_eq!(c.u64(), if opened { demanded } else { commits[i] });
        assert_eq!((c.u64(), c.u64()), (112, 3));
        assert_eq!((c.u32(), c.u8()), (i as u32 + 1, if opened { 3 } else { 2 }));
        // What it is for; what its draw has said; confirmed, and paid by the reserve.
        assert_eq!([c.u8(), c.u8(), c.u8()], [u8::from(audits), 1, if audits { 2 } else { 1 }]);
        // From when on it is paid, and what is demanded of it.
        let times = if opened { (agreed_at + 4_000, agreed_at + 7 + 120) } else { (0, 0) };
        assert_eq!((c.i64(), c.i64()), times);
        let (chunk, bonds) = if opened { (0x0123_4567_89ab, 10) } else { (0, 0) };
        assert_eq!((c.u64(), c.u64(), c.u8()), (chunk, bonds, u8::from(opened)));
        c.reserved::<7>();
        assert_eq!([c.take::<32>(), c.take::<32>()], [work.commitment(), work.sealed]);
        assert_eq!([c.take::<32>(), c.take::<32>()], [work.reveal.result_root, work.reveal.work_root]);
        assert_eq!([c.take::<32>(), c.take::<32>()], [work.reveal.key_hash, if opened { work.key } else { [0; 32] }]);
    }
    c.end();
}

#[test]
fn the_address_of_a_lease() {
    let (job, program) = (Pubkey::new_from_array([7; 32]), tessera::ID);
    let address = state::Lease::address(&job, 0x1234_abcd).unwrap();
    assert_eq!(address.to_bytes(), sha256(&[job.as_ref(), b"1234abcd", program.as_ref()]));
}
