//! Jobs that get more time or a higher price, to the token.

use tessera::{TesseraError, events, state};
use tessera_tests::{
    terms::JobTerms,
    world::{SEEDED, START, World},
};

#[test]
fn top_up_extends_the_deadline() {
    let mut world = World::with(|_| {});
    let (client, p) = (world.clients[0], world.providers[0]);
    let job = world.job(client, &JobTerms { seconds: 240 + SEEDED, ..JobTerms::default() });
    world.advance(1);
    world.claim_lease(job, 0, p).expect_err(TesseraError::WindowsDoNotFit);
    let event = world.top_up_job(job, 1, 0).ok().event::<events::JobToppedUp>();
    assert_eq!((event.job, event.price_per_unit, event.added), (job.address, 7, 0));
    assert_eq!(event.deadline, START + 241 + SEEDED);
    world.claim_lease(job, 0, p).ok();
    assert_eq!(world.tokens(job.escrow), 249);
}

#[test]
fn top_up_raises_the_price_of_what_is_not_settled() {
    let mut world = World::with(|_| {});
    let (client, p, q) = (world.clients[0], world.providers[0], world.providers[1]);
    let job = world.job(client, &JobTerms::default());
    world.complete(job, 0, &[p]);
    world.commit_and_draw(job, 1, p, 0);
    let tokens = world.tokens(client.tokens);
    let event = world.top_up_job(job, 0, 10).ok().event::<events::JobToppedUp>();
    // 10 for each of the 6 units that are not settled, for four audits of 4 units, and 5 % of both.
    assert_eq!((event.price_per_unit, event.added, event.deadline), (17, 231, START + 3_600));
    assert_eq!((world.tokens(client.tokens), world.tokens(job.escrow)), (tokens - 231, 249 - 28 + 231));
    let account = world.load::<state::Job>(job.address).unwrap();
    assert_eq!((account.audit_reserve, account.reserve), (168 + 160, 168 + 160));
    assert_eq!(world.seat(job, 1, p).unwrap().pay, 28, "a claimed seat keeps its pay");
    world.reveal_and_open(job, 1, p, 0).ok();
    world.settle_lease(job, 1, p).ok();
    world.claim_lease(job, 2, q).ok();
    assert_eq!(world.seat(job, 2, q).unwrap().pay, 34);
    world.return_lease(job, 2, q).ok();
    world.complete(job, 2, &[q]);
    let event = world.close_job(job).ok().event::<events::JobClosed>();
    // Paid 28 + 28 + 34; 5 % of 90 is 4, of which 1 for the treasury. The rest comes back.
    assert_eq!((event.deposited, event.paid, event.treasury, event.burned), (480, 90, 1, 3));
    assert_eq!(event.refunded, 386);
}

/// Two fees rounded down can be less than the fee on the sum; the escrow must cover the latter, or the job never closes.
#[test]
fn raises_never_leave_the_fee_uncovered() {
    for (fee_bps, price, raise) in [(250, 39, 39), (1, 9_999, 1), (333, 1, 1), (999, 10, 1), (1_000, 9, 9)] {
        let mut world = World::with(|b| {
            (b.terms.fee_bps, b.stake) = (fee_bps, 500_000);
        });
        let (client, p) = (world.clients[0], world.providers[0]);
        let terms = JobTerms { units: 1, units_per_lease: 1, price_per_unit: price, ..JobTerms::default() };
        let job = world.job(client, &terms);
        for _ in 0..3 {
            world.top_up_job(job, 0, raise).ok();
        }
        world.complete(job, 0, &[p]);
        let event = world.close_job(job).ok().event::<events::JobClosed>();
        assert_eq!(event.paid, price + 3 * raise);
        assert_eq!(event.treasury + event.burned, event.paid * u64::from(fee_bps) / 10_000);
        assert_eq!(event.deposited, event.paid + event.treasury + event.burned + event.refunded);
        // What was rounded up comes back, the reserve, and the fee on that.
        let reserve = u128::from(event.audit_reserve);
        let fee = (reserve * u128::from(fee_bps)).div_ceil(10_000) as u64;
        assert!(
            (0..=4).contains(&(event.refunded + 1 - event.audit_reserve - fee)),
            "only what was rounded up is more"
        );
    }
}
