//! Compute units of every instruction, measured on the built program and kept in docs/compute-units.md.
//!
//! Another compiler makes a program that is a little different, so a number may be off by 5 %; beyond that, or when a row
//! is missing, the test fails. `TESSERA_BLESS=1` writes the page anew.

use std::fmt::Write as _;

use tessera::state;
use tessera_protocol::verdict::Kind;
use tessera_tests::{
    call::Call,
    program,
    terms::JobTerms,
    world::{CAPABILITIES, MARKET_ID, Provider, World, answer_bytes},
};

const PAGE: &str = "docs/compute-units.md";
const PERCENT: u64 = 5;

/// The life of a lease with one replica that nobody disputes.
const LIFE: [(&str, &str); 5] = [
    ("claim_lease", EXPERIENCED),
    ("commit_result", COMMIT),
    ("draw_audit", PASSED),
    ("reveal_result", REVEAL),
    ("settle_lease", LAST),
];
const FIRST: &str = "first seat: makes the lease";
const EXPERIENCED: &str = "first seat, of a provider with a history";
const COMMIT: &str = "one replica";
const PASSED: &str = "one replica, not drawn";
const REVEAL: &str = "one replica, with its key";
const LAST: &str = "last seat: closes the lease";
/// What that life may take, and each of its instructions.
const LIFE_LIMIT: u64 = 25_000;
const STEP_LIMIT: u64 = 9_000;

#[derive(Default)]
struct Table(Vec<(&'static str, &'static str, u64)>);

impl Table {
    #[track_caller]
    fn measure(&mut self, case: &'static str, call: Call<'_>) {
        let name = call.name;
        self.0.push((name, case, call.ok().compute_units()));
    }

    /// The instructions of the life of an undisputed lease.
    fn life(&self) -> Vec<u64> {
        let find = |(name, case)| self.0.iter().find(|row| (row.0, row.1) == (name, case)).expect("it was measured").2;
        LIFE.into_iter().map(find).collect()
    }
}

fn markets_and_parties(table: &mut Table) {
    let mut world = World::bare(program::elf(), 8, true);
    let terms = world.terms;
    table.measure("market and treasury", world.create_market(MARKET_ID, terms));
    table.measure("", world.update_market(terms));
    table.measure("", world.pause());
    table.measure("", world.unpause());
    let p = world.new_provider(0, 10_000);
    table.measure("provider and stake vault", world.register_provider(p));
    table.measure("", world.update_provider(p, Some(p.operator), Some(CAPABILITIES)));
    table.measure("", world.begin_proof(p, 1));
    world.advance(4);
    let shown = world.places(p);
    table.measure("16 places of 1 MiB", world.finish_proof(p, shown));
    table.measure("", world.add_stake(p, 5_000));
    table.measure("", world.request_unstake(p, 1_000));
    world.advance(3_600);
    table.measure("", world.withdraw_stake(p));
    let client = world.new_client(0, 100_000);
    table.measure("", world.register_client(client));
    let terms = JobTerms { units: 1_000, units_per_lease: 1_000, ..JobTerms::default() };
    world.set_tokens(p.tokens, world.mint, p.authority, 100_000);
    world.add_stake(p, 100_000).ok();
    let job = world.job(client, &terms);
    world.complete(job, 0, &[p]);
    table.measure("", world.withdraw_earnings(p));
    world.close_job(job).ok();
    table.measure("", world.withdraw_treasury(140));
}

fn jobs(table: &mut Table) {
    let mut world = World::with(|b| b.tokens = 10_000_000);
    let (client, p) = (world.clients[0], world.providers[0]);
    let terms = JobTerms::default();
    let job = world.next_job(client, &terms);
    table.measure("job of 3 leases and escrow", world.post_job(client, &terms));
    let large = JobTerms { units: 65_536, units_per_lease: 1, ..terms.clone() };
    table.measure("job of 65,536 leases and escrow", world.post_job(client, &large));
    let listed = JobTerms { allowed: vec![p.address; 16], ..terms.clone() };
    table.measure("16 providers listed", world.post_job(client, &listed));
    table.measure(
        "private",
        world.post_job(client, &JobTerms { allowed: vec![p.address], private: true, ..terms.clone() }),
    );
    world.advance(4);
    table.measure("", world.seed_job(job));
    world.advance(20);
    table.measure("more time", world.top_up_job(job, 60, 0));
    table.measure("higher price", world.top_up_job(job, 0, 1));
    (0..3).for_each(|index| world.complete(job, index, &[p]));
    table.measure("complete: treasury, burn and refund", world.close_job(job));
    let job = world.job(client, &terms);
    table.measure("", world.cancel_job(job));
    world.cancel_job(job).refusal();
    table.measure("cancelled: 3 leases shown vacant", world.close_job_showing(job, &[0, 1, 2]));
    let job = world.job(client, &terms);
    world.advance(10_000);
    table.measure("over: refund alone", world.close_job(job));
}

/// Lets a result of `base` be confirmed, and time pass.
fn confirm(world: &mut World, base: Provider, auditor: Provider) {
    let job = world.job(world.clients[0], &JobTerms { units: 4, ..JobTerms::default() });
    world.audited(job, 0, base, 0);
    world.commit(job, 0, auditor, 0);
    world.draw(job, 0, &[auditor]);
    [base, auditor].iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    world.pay(job, 0, &[base, auditor]);
    world.close_job(job).ok();
    assert!(world.provider(base).success > 0, "it has a score from now on");
    world.advance(1_000);
}

fn leases(table: &mut Table) {
    let mut world = World::with(|b| b.providers = 8);
    let (client, p) = (world.clients[0], world.providers.clone());
    let job = world.job(client, &JobTerms::default());
    table.measure(FIRST, world.claim_lease(job, 2, p[0]));
    world.return_lease(job, 2, p[0]).ok();
    confirm(&mut world, p[0], p[1]);
    table.measure(EXPERIENCED, world.claim_lease(job, 0, p[0]));
    table.measure(COMMIT, world.commit_result(job, 0, p[0], 0));
    world.advance(4);
    table.measure(PASSED, world.draw_audit(job, 0, p[0]));
    table.measure(REVEAL, world.reveal_and_open(job, 0, p[0], 0));
    table.measure(LAST, world.settle_lease(job, 0, p[0]));
    let private = JobTerms { allowed: vec![p[0].address], private: true, ..JobTerms::default() };
    let alone = world.job(client, &private);
    table.measure("private job, first seat", world.claim_lease(alone, 0, p[0]));
    table.measure("private job: it reveals at once", world.commit_result(alone, 0, p[0], 0));
    table.measure("private job, with its key", world.reveal_and_open(alone, 0, p[0], 0));
    table.measure("private job, last seat", world.settle_lease(alone, 0, p[0]));
    world.claim_lease(job, 1, p[0]).ok();
    table.measure("", world.return_lease(job, 1, p[0]));
    world.claim_lease(job, 1, p[0]).ok();
    world.advance(10_000);
    table.measure("leased too long", world.expire_lease(job, 1, p[0]));
    table.measure("", world.burn_bonds(p[0]));
    table.measure("", world.close_lease(job, 1));

    let job = world.job(client, &JobTerms { replicas: 8, ..JobTerms::default() });
    p[..7].iter().for_each(|p| drop(world.claim_lease(job, 0, *p).ok()));
    table.measure("eighth seat", world.claim_lease(job, 0, p[7]));
    p[..7].iter().for_each(|p| drop(world.commit_result(job, 0, *p, 0).ok()));
    table.measure("last of 8 replicas", world.commit_result(job, 0, p[7], 0));
    world.draw(job, 0, &p[..7]);
    table.measure("last of 8 replicas: they reveal", world.draw_audit(job, 0, p[7]));
    table.measure("first of 8 replicas", world.reveal_result(job, 0, p[0], 0));
    p[1..7].iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    table.measure("last of 8 replicas: agreed", world.reveal_result(job, 0, p[7], 0));
    table.measure("of 8 replicas", world.open_result(job, 0, p[0]));
    table.measure("first of 8 replicas", world.settle_lease(job, 0, p[0]));
    world.claim_lease(job, 1, p[0]).ok();
    world.advance(10_000);
    p[1..].iter().for_each(|p| drop(world.expire_lease(job, 0, *p).ok()));
    world.close_job(job).ok();
    table.measure("its job is gone", world.expire_lease(job, 1, p[0]));
}

fn audits(table: &mut Table) {
    let mut world = World::with(|b| b.providers = 3);
    let (client, p) = (world.clients[0], world.providers.clone());
    let job = world.job(client, &JobTerms { units: 8, ..JobTerms::default() });
    world.commit(job, 0, p[0], 1);
    world.choose_draw(job, 0, p[0], true);
    world.advance(4);
    table.measure("drawn: an audit seat opens", world.draw_audit(job, 0, p[0]));
    world.advance(4);
    table.measure("", world.seed_lease(job, 0));
    world.advance(33);
    table.measure("audit seat", world.claim_lease(job, 0, p[1]));
    world.commit_result(job, 0, p[1], 0).ok();
    world.draw(job, 0, &[p[1]]);
    world.reveal_result(job, 0, p[0], 1).ok();
    table.measure("audited: they differ", world.reveal_result(job, 0, p[1], 0));
    world.seed_group(job, 0, Kind::Dispute);
    table.measure("dispute seat", world.claim_lease(job, 0, p[2]));
    table.measure("dispute seat, the last", world.commit_result(job, 0, p[2], 0));
    table.measure("dispute seat: decided", world.reveal_result(job, 0, p[2], 0));
    table.measure("a part is awarded", world.slash_seat(job, 0, p[0]));
    world.open_result(job, 0, p[1]).ok();
    table.measure("audit seat, confirmed", world.settle_lease(job, 0, p[1]));
    world.open_result(job, 0, p[2]).ok();
    table.measure("dispute seat, by an award", world.settle_lease(job, 0, p[2]));

    world.audited(job, 1, p[0], 0);
    world.advance(64 + 121);
    table.measure("nobody has come", world.advance_lease(job, 1));
    world.advance(61);
    table.measure("nobody has revealed", world.advance_lease(job, 1));
    table.measure("all burns", world.slash_seat(job, 1, p[0]));
}

/// As many seats as a dispute of this protocol's largest market may have, all of them judged at once.
fn the_largest_dispute(table: &mut Table) {
    let mut world = World::with(|b| {
        (b.providers, b.terms.lead, b.terms.seat_limit, b.terms.lock_multiple) = (96, 32, 96, 40);
    });
    let (client, p) = (world.clients[0], world.providers.clone());
    let job = world.job(client, &JobTerms { units: 4, ..JobTerms::default() });
    world.disputed(job, 0, (p[0], 0), (p[1], 1));
    let mut next = 2;
    while world.lease(job, 0).state == state::LeaseState::Open {
        let wanted = usize::from(world.lease(job, 0).missing);
        // One vote after another for either side, so that it takes all the seats there are.
        let votes: Vec<_> = (next..next + wanted).map(|i| (p[i], (i % 2) as u8)).collect();
        votes.iter().for_each(|(provider, result)| world.commit(job, 0, *provider, *result));
        let (last, others) = votes.split_last().expect("somebody is called");
        others.iter().for_each(|(provider, result)| drop(world.reveal_result(job, 0, *provider, *result).ok()));
        next += wanted;
        let call = world.reveal_result(job, 0, last.0, last.1);
        if next == p.len() {
            table.measure("last of 96 seats: undecided", call);
        } else {
            call.ok();
            world.seed_group(job, 0, Kind::Dispute);
        }
    }
    assert_eq!(next, p.len(), "all were called");
}

fn demands(table: &mut Table) {
    let mut world = World::with(|b| (b.providers, b.tokens, b.stake) = (2, 20_000_000, 8_000_000));
    let (client, p) = (world.clients[0], world.providers.clone());
    let challenge = JobTerms { challenge_seconds: 1_000, seconds: 20_000, ..JobTerms::default() };
    let job = world.job(client, &challenge);
    world.agree(job, 0, &p[..1]);
    world.open_result(job, 0, p[0]).ok();
    table.measure("", world.demand_chunk(job, 0, p[0], 1));
    let bytes = answer_bytes(&world.work(job, 0, p[0], 0).answer(1));
    let (payer, answer) = (p[0].operator, world.answer_address(job, 0, p[0], p[0].operator));
    table.measure("of 8,192 bytes", world.begin_answer(job, 0, p[0], payer, 8_192));
    table.measure("", world.drop_answer(payer, answer));
    world.write(job, 0, p[0], payer, &bytes);
    table.measure("900 bytes", world.write_answer(payer, answer, 0, &bytes[..900]));
    table.measure("of 4 units", world.answer_chunk(job, 0, p[0], payer));
    world.demand_chunk(job, 0, p[0], 1).ok();
    world.advance(121);
    table.measure("the lease opens again", world.expire_demand(job, 0, p[0]));

    let large = JobTerms { units: 2 * 65_536, units_per_lease: 65_536, ..challenge };
    let job = world.job(client, &large);
    world.agree(job, 1, &p[1..]);
    world.open_result(job, 1, p[1]).ok();
    world.demand_chunk(job, 1, p[1], 12_345).ok();
    world.write_result(job, 1, p[1], p[1].operator, 0);
    table.measure("of 65,536 units", world.answer_chunk(job, 1, p[1], p[1].operator));
}

fn page(table: &Table) -> String {
    let mut rows = table.0.clone();
    rows.sort_by_key(|row| row.0);
    let mut text = String::from(
        "# Compute units\n\n\
         This page answers: what does each instruction cost? It is made by `tests/tests/program_compute_units.rs` from the built\n\
         program (`TESSERA_BLESS=1 cargo test -p tessera-tests --test program_compute_units`); the test fails when a number\n\
         moves by more than 5 %. A transaction with one instruction, signatures and fees apart; token program: p-token.\n\n\
         | instruction | case | CU |\n| --- | --- | ---: |\n",
    );
    for (name, case, units) in &rows {
        writeln!(text, "| `{name}` | {case} | {units} |").expect("a string takes everything");
    }
    let life = table.life().iter().sum::<u64>();
    writeln!(text, "\nThe life of an undisputed lease with one replica (claim, commit, draw, reveal with its key, settle): {life} CU.")
        .expect("a string takes everything");
    writeln!(text, "\nSize of `tessera.so`: {} bytes.", program::elf().len()).expect("a string takes everything");
    text
}

/// The rows of a page: what is measured, and the number.
fn rows(page: &str) -> Vec<(String, u64)> {
    page.lines()
        .filter_map(|line| {
            let (what, number) = if line.starts_with("Size of") {
                ("size", line.rsplit_once(": ")?.1.trim_end_matches(" bytes."))
            } else if line.starts_with("The life of") {
                ("life", line.rsplit_once(": ")?.1.trim_end_matches(" CU."))
            } else {
                line.trim_end_matches(" |").rsplit_once(" | ")?
            };
            Some((what.to_owned(), number.parse().ok()?))
        })
        .collect()
}

fn measured() -> Table {
    let mut table = Table::default();
    markets_and_parties(&mut table);
    jobs(&mut table);
    leases(&mut table);
    audits(&mut table);
    the_largest_dispute(&mut table);
    demands(&mut table);
    table
}

#[test]
fn the_page_of_compute_units_is_up_to_date() {
    let (path, measured) = (program::repository(PAGE), page(&measured()));
    if std::env::var("TESSERA_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &measured).expect("the page can be written");
        return;
    }
    let hint = format!(
        "run TESSERA_BLESS=1 cargo test -p tessera-tests --test program_compute_units and look at the diff of {PAGE}"
    );
    let committed = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{PAGE}: {error}: {hint}"));
    let (found, expected) = (rows(&measured), rows(&committed));
    let names = |rows: &[(String, u64)]| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected), "other rows than in {PAGE}: {hint}");
    let moved: Vec<String> = found
        .iter()
        .zip(&expected)
        .filter(|((_, now), (_, then))| now.abs_diff(*then) * 100 > then * PERCENT)
        .map(|((what, now), (_, then))| format!("{what}: {then} in {PAGE}, {now} now"))
        .collect();
    assert!(moved.is_empty(), "{}\n{hint}", moved.join("\n"));
}

#[test]
fn every_instruction_is_on_the_page() {
    let mut names: Vec<&str> = measured().0.iter().map(|row| row.0).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 38, "instructions measured: {names:?}");
}

#[test]
fn an_undisputed_lease_stays_cheap() {
    let mut table = Table::default();
    leases(&mut table);
    let life = table.life();
    assert!(life.iter().sum::<u64>() < LIFE_LIMIT, "{life:?}");
    assert!(life.iter().all(|step| *step <= STEP_LIMIT), "{life:?}");
}
