//! Compute units of every instruction, measured on the built program and kept in docs/compute-units.md.
//!
//! Another compiler makes a program that is a little different, so a number may be off by 5 %; beyond that, or when a row
//! is missing, the test fails. `TESSERA_BLESS=1` writes the page anew.

use std::fmt::Write as _;

use tessera_tests::{
    call::Call,
    program,
    terms::JobTerms,
    world::{CAPABILITIES, MARKET_ID, World},
};

const PAGE: &str = "docs/compute-units.md";
const PERCENT: u64 = 5;

#[derive(Default)]
struct Table(Vec<(&'static str, &'static str, u64)>);

impl Table {
    #[track_caller]
    fn measure(&mut self, case: &'static str, call: Call<'_>) {
        let name = call.name;
        self.0.push((name, case, call.ok().compute_units()));
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
    table.measure("", world.add_stake(p, 5_000));
    table.measure("", world.request_unstake(p, 1_000));
    world.advance(3_600);
    table.measure("", world.withdraw_stake(p));
    let client = world.new_client(0, 100_000);
    table.measure("", world.register_client(client));
    let terms = JobTerms { units: 1_000, units_per_lease: 1_000, ..JobTerms::default() };
    let job = world.job(client, &terms);
    world.set_tokens(p.tokens, world.mint, p.authority, 100_000);
    world.add_stake(p, 100_000).ok();
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

fn leases(table: &mut Table) {
    let mut world = World::with(|b| b.providers = 8);
    let (client, p) = (world.clients[0], world.providers.clone());
    let job = world.job(client, &JobTerms::default());
    table.measure("first seat: makes the lease", world.claim_lease(job, 0, p[0]));
    table.measure("one replica", world.commit_result(job, 0, p[0], 0));
    table.measure("one replica, with its key", world.reveal_and_open(job, 0, p[0], 0));
    table.measure("last seat: closes the lease", world.settle_lease(job, 0, p[0]));
    world.claim_lease(job, 1, p[0]).ok();
    table.measure("", world.return_lease(job, 1, p[0]));

    let job = world.job(client, &JobTerms { replicas: 8, ..JobTerms::default() });
    p[..7].iter().for_each(|p| drop(world.claim_lease(job, 0, *p).ok()));
    table.measure("eighth seat", world.claim_lease(job, 0, p[7]));
    p[..7].iter().for_each(|p| drop(world.commit_result(job, 0, *p, 0).ok()));
    table.measure("last of 8 replicas", world.commit_result(job, 0, p[7], 0));
    table.measure("first of 8 replicas", world.reveal_result(job, 0, p[0], 0));
    p[1..7].iter().for_each(|p| drop(world.reveal_result(job, 0, *p, 0).ok()));
    table.measure("last of 8 replicas: agreed", world.reveal_result(job, 0, p[7], 0));
    table.measure("of 8 replicas", world.open_result(job, 0, p[0]));
    table.measure("first of 8 replicas", world.settle_lease(job, 0, p[0]));

    let job = world.job(client, &JobTerms { replicas: 2, ..JobTerms::default() });
    world.commit(job, 0, p[0], 0);
    world.commit(job, 0, p[1], 1);
    world.reveal_result(job, 0, p[0], 0).ok();
    table.measure("last of 2 replicas: disagreed", world.reveal_result(job, 0, p[1], 1));
    world.claim_lease(job, 1, p[0]).ok();
    world.advance(10_000);
    table.measure("leased too long", world.expire_lease(job, 1, p[0]));
    table.measure("", world.burn_bonds(p[0]));
    table.measure("", world.close_lease(job, 1));
    world.close_job(job).ok();
    table.measure("its job is gone", world.expire_lease(job, 0, p[0]));
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
    writeln!(text, "\nSize of `tessera.so`: {} bytes.", program::elf().len()).expect("a string takes everything");
    text
}

/// The rows of a page: what is measured, and the number.
fn rows(page: &str) -> Vec<(String, u64)> {
    page.lines()
        .filter_map(|line| {
            let (what, number) = match line.strip_prefix("Size of") {
                Some(size) => ("size", size.split(": ").nth(1)?.trim_end_matches(" bytes.")),
                None => line.trim_end_matches(" |").rsplit_once(" | ")?,
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
    assert_eq!(names.len(), 25, "instructions measured: {names:?}");
}
