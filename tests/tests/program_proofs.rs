//! Proofs of capability: what a provider has shown, what is refused, and what it is good for.

use anchor_lang::error::ErrorCode;
use tessera::{TesseraError, events::CapabilityProven};
use tessera_protocol::{
    capability::{self, MEMORY_MIB, SHOWN},
    routing::Requirements,
};
use tessera_tests::{
    constraints::{TOKEN_2022, case, refuses},
    terms::JobTerms,
    world::{CAPABILITIES, Provider, World},
};

const MIB: u32 = 1;
/// How long a proof counts.
const COUNTS: u32 = 3_600;

fn world() -> (World, Provider) {
    let world = World::with(|b| b.terms.proof_seconds = COUNTS);
    let provider = world.providers[0];
    (world, provider)
}

/// A proof that has begun and may be finished, and what shows it.
fn begun() -> (World, Provider, [u32; SHOWN]) {
    let (mut world, provider) = world();
    world.begin_proof(provider, MIB).ok();
    world.advance_past(world.proof_slot(provider));
    let shown = world.places(provider);
    (world, provider, shown)
}

#[test]
fn memory_is_shown_and_the_time_is_taken() {
    let (mut world, p) = world();
    world.begin_proof(p, MIB).ok();
    let began = (world.now(), world.slot());
    let account = world.provider(p);
    assert_eq!((account.proof_mib, account.proof_at, account.proof_slot), (MIB, began.0, began.1));
    assert_eq!((account.proven_mib, account.speed, account.proven_at), (0, 0, 0));
    let seed_slot = world.proof_slot(p);
    world.advance_past(seed_slot);
    world.advance(9);
    let shown = world.places(p);
    let event = world.finish_proof(p, shown).ok().event::<CapabilityProven>();

    let (now, slot) = (world.now(), world.slot());
    let digests = capability::places(MIB) * 7;
    let took = ((now - began.0) as u64 + 1) * (slot - seed_slot);
    let speed = digests / took.div_ceil(slot - began.1) / 1_000;
    assert!(speed > 0);
    assert_eq!((event.provider, event.memory_mib, event.at), (p.address, MIB, now));
    assert_eq!(u64::from(event.speed), speed);
    let account = world.provider(p);
    assert_eq!((account.proven_mib, u64::from(account.speed), account.proven_at), (MIB, speed, now));
    assert_eq!((account.proof_mib, account.proof_slot, account.proof_at), (0, 0, 0));
    world.finish_proof(p, shown).expect_err(TesseraError::NoProof);
}

#[test]
fn memory_that_a_job_asks_for_must_have_been_shown() {
    let (mut world, p) = world();
    let client = world.clients[0];
    let asks = |memory_mib| JobTerms {
        requirements: Requirements { memory_mib, ..Requirements::default() },
        seconds: 20_000,
        ..JobTerms::default()
    };
    let (none, small, large) =
        (world.job(client, &asks(0)), world.job(client, &asks(MIB)), world.job(client, &asks(MIB + 1)));
    world.claim_lease(none, 0, p).ok();
    // It has told 8 GiB, which counts for nothing here.
    world.claim_lease(small, 0, p).expect_err(TesseraError::MayNotClaim);
    world.prove(p, MIB);
    world.claim_lease(small, 0, p).ok();
    world.claim_lease(large, 0, p).expect_err(TesseraError::MayNotClaim);
    world.prove(p, MIB + 1);
    world.claim_lease(large, 0, p).ok();
    // Who tells less than it has shown has less.
    world.update_provider(p, None, Some(tessera::state::Capabilities { memory_mib: MIB, ..CAPABILITIES })).ok();
    world.claim_lease(large, 1, p).expect_err(TesseraError::MayNotClaim);

    let proven_at = world.provider(p).proven_at;
    world.set_time(proven_at + i64::from(COUNTS) - 1);
    world.claim_lease(small, 1, p).ok();
    world.set_time(proven_at + i64::from(COUNTS));
    world.claim_lease(small, 2, p).expect_err(TesseraError::MayNotClaim);
    world.claim_lease(none, 1, p).ok();
}

#[test]
fn auditors_must_have_shown_the_memory_too() {
    let mut world = World::with(|b| (b.providers, b.terms.proof_seconds) = (3, COUNTS));
    let [p, q, r] = [0, 1, 2].map(|i| world.providers[i]);
    [p, r].iter().for_each(|p| world.prove(*p, MIB));
    let requirements = Requirements { memory_mib: MIB, ..Requirements::default() };
    let job = world.job(world.clients[0], &JobTerms { requirements, ..JobTerms::default() });
    world.audited(job, 0, p, 0);
    world.claim_lease(job, 0, q).expect_err(TesseraError::MayNotClaim);
    world.claim_lease(job, 0, r).ok();
}

#[test]
fn only_what_is_a_proof_is_taken() {
    let (mut world, p, shown) = begun();
    let with = |at: usize, place: u32| {
        let mut shown = shown;
        shown[at] = place;
        shown
    };
    let mut turned = shown;
    turned.swap(3, 4);
    let no_place = u32::try_from(capability::places(MIB)).unwrap();
    // Next to a hit there is none, but for bad luck.
    for wrong in
        [with(5, shown[5] + 1), with(5, shown[4]), with(SHOWN - 1, no_place), with(SHOWN - 1, u32::MAX), turned]
    {
        world.finish_proof(p, wrong).expect_err(TesseraError::WrongProof);
    }
    world.finish_proof(p, shown).ok();
}

#[test]
fn a_proof_has_its_time() {
    let (mut world, p) = world();
    world.finish_proof(p, [0; SHOWN]).expect_err(TesseraError::NoProof);
    world.begin_proof(p, MIB).ok();
    world.finish_proof(p, [0; SHOWN]).expect_err(TesseraError::SlotTooEarly);
    world.advance_past(world.proof_slot(p));
    let first = world.places(p);
    // Begun anew, what shows the first one shows nothing.
    world.begin_proof(p, MIB).ok();
    world.advance_past(world.proof_slot(p));
    let second = world.places(p);
    assert_ne!(first, second);
    world.finish_proof(p, first).expect_err(TesseraError::WrongProof);
    // Too late: nobody can read the seed any more.
    let last = world.proof_slot(p) + 600;
    world.advance_past(last);
    world.finish_proof(p, second).expect_err(TesseraError::ProofMissed);
    world.prove(p, MIB);
}

#[test]
fn begin_proof_refuses_what_is_out_of_bounds() {
    let (mut world, p) = world();
    for memory_mib in [0, MEMORY_MIB.1 + 1, u32::MAX] {
        world.begin_proof(p, memory_mib).expect_err(TesseraError::ProofMemoryOutOfBounds);
    }
    world.begin_proof(p, MEMORY_MIB.1).ok();
}

#[test]
fn begin_proof_refuses_wrong_accounts() {
    let (mut world, p) = world();
    let (other, nothing) = (world.providers[1], world.key("nothing"));
    let forged = world.forged(p.address, TOKEN_2022);
    refuses(
        &mut world,
        &[],
        |world| world.begin_proof(p, MIB),
        &[
            case("operator", other.operator, TesseraError::WrongOperator),
            case("operator", p.authority, TesseraError::WrongOperator),
            case("provider", other.address, TesseraError::WrongOperator),
            case("provider", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", forged, ErrorCode::AccountOwnedByWrongProgram),
        ],
    );
}

#[test]
fn finish_proof_refuses_wrong_accounts() {
    let (mut world, p, shown) = begun();
    let (other, nothing, market) = (world.providers[1], world.key("nothing"), world.market);
    let forged = world.forged(p.address, TOKEN_2022);
    refuses(
        &mut world,
        &[],
        |world| world.finish_proof(p, shown),
        &[
            case("operator", other.operator, TesseraError::WrongOperator),
            case("operator", p.authority, TesseraError::WrongOperator),
            case("provider", other.address, TesseraError::WrongOperator),
            case("provider", nothing, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", forged, ErrorCode::AccountOwnedByWrongProgram),
            case("provider", market, ErrorCode::AccountDiscriminatorMismatch),
            case("slot_hashes", market, ErrorCode::ConstraintAddress),
        ],
    );
}

/// What one provider has computed is of no use to another.
#[test]
fn a_proof_is_not_copied() {
    let mut world = World::with(|b| b.terms.proof_seconds = COUNTS);
    let [p, q] = [0, 1].map(|i| world.providers[i]);
    [p, q].iter().for_each(|p| drop(world.begin_proof(*p, MIB).ok()));
    world.advance_past(world.proof_slot(q));
    let shown = world.places(p);
    world.finish_proof(q, shown).expect_err(TesseraError::WrongProof);
    world.finish_proof(p, shown).ok();
}
