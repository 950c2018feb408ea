//! The accounts byte by byte, as docs/protocol.md lists them: read here with a cursor of their own, not with the structs of
//! the program, so that a field that moves is seen.

use anchor_lang::{Discriminator, prelude::Pubkey};
use solana_account::ReadableAccount;
use tessera::state;
use tessera_protocol::{hash::sha256, routing::Requirements};
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
    assert_eq!((c.u16(), c.u16(), c.u32(), c.u32()), (8, 2_500, 3, 3_600));
    c.reserved::<116>();
    c.end();
}

#[test]
fn a_provider() {
    let mut world = World::with(|_| {});
    let p = world.providers[0];
    let job = world.job(world.clients[0], &JobTerms::default());
    world.complete(job, 0, &[p]);
    world.claim_lease(job, 2, p).ok();
    world.return_lease(job, 2, p).ok();
    world.claim_lease(job, 1, p).ok();
    world.request_unstake(p, 200).ok();
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
    assert_eq!((c.u64(), c.u64(), c.i64()), (4_800, 200, START + 3_600));
    assert_eq!((c.u64(), c.u64()), (28, 28));
    assert_eq!([c.u64(), c.u64(), c.u64(), c.u64(), c.u64()], [1, 4, 0, 0, 0]);
    // A seat of 4 × 7 locks 8 times as much; another was returned for nothing, which comes back in 1,200 seconds.
    assert_eq!((c.i64(), c.u64(), c.u64(), c.u64(), c.u64()), (START, START_SLOT, 224, 0, 0));
    assert_eq!((c.i64(), c.u32()), (START + 1_200, 1));
    c.reserved::<92>();
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
    let terms = JobTerms { units: 35, replicas: 2, requirements, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.agree(job, 8, &[p, q]);
    world.open_result(job, 8, p).ok();
    world.settle_lease(job, 8, p).ok();
    world.cancel_job(job).ok();
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
    assert_eq!((c.i64(), c.u64(), c.i64()), (START, START_SLOT, START + 480));
    // 35 × 7 × 2 and 5 % of it; the last lease has 3 units.
    assert_eq!((c.u64(), c.u64(), c.u64()), (514, 21, 21));
    assert_eq!((c.u64(), c.u32(), c.u32()), (3, 1, 9));
    assert_eq!((c.u32(), c.u32(), c.u32()), (120, 60, 300));
    assert_eq!((c.u32(), c.u64(), c.u8()), (16, 1 << 3, 80));
    let len = usize::from(c.u8());
    assert_eq!((c.u16(), c.u16(), c.u16(), c.u16()), (500, 4_000, 8, 2_500));
    c.reserved::<118>();
    let store: [u8; 128] = c.take();
    assert_eq!(&store[..len], terms.store.as_bytes());
    assert!(store[len..].iter().all(|byte| *byte == 0));
    assert_eq!(c.at as u64, state::JOB_BITMAP_OFFSET);
    assert_eq!(c.take::<2>(), [0, 1], "one bit for each of 9 leases, the lowest first");
    c.end();
}

#[test]
fn a_lease_and_its_seats() {
    let mut world = World::with(|_| {});
    let (client, p, q) = (world.clients[0], world.providers[0], world.providers[1]);
    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.claim_lease(job, 2, p).ok();
    world.return_lease(job, 2, p).ok();
    world.agree(job, 2, &[q, p]);
    world.open_result(job, 2, q).ok();
    let works = [q, p].map(|provider| world.work(job, 2, provider, 0));
    let mut c = Cursor::open(&world, job.lease(2), state::Lease::DISCRIMINATOR);
    assert_eq!([c.u8(), c.u8(), c.u8(), c.u8()], [1, 1, 2, 0]);
    assert_eq!(c.u32(), 2);
    assert_eq!((c.at as u64, c.key()), (state::LEASE_JOB_OFFSET, job.address));
    assert_eq!(c.key(), p.operator);
    assert_eq!((c.u32(), c.u32(), c.u32(), c.u32()), (2, 3, 0, 60));
    assert_eq!(c.u32(), 120);
    c.reserved::<4>();
    assert_eq!(c.u64(), START_SLOT);
    assert_eq!((c.i64(), c.i64(), c.i64()), (START, 0, START + 60));
    assert_eq!(c.take::<32>(), works[0].reveal.result_root);
    c.reserved::<16>();
    for (i, (provider, work)) in [q, p].into_iter().zip(works).enumerate() {
        let opened = i == 0;
        assert_eq!([c.key(), c.key()], [provider.address, provider.operator]);
        assert_eq!((c.u64(), c.i64(), c.u64()), (14, START + 120, START_SLOT));
        assert_eq!((c.u64(), c.u64()), (112, 3));
        assert_eq!((c.u32(), c.u8()), (i as u32 + 1, if opened { 3 } else { 2 }));
        c.reserved::<3>();
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
