//! How many leases go into one transaction, and what a million units cost on chain: the part of docs/benchmarks.md that
//! `TESSERA_BLESS=1` writes. The transactions are those that workers send, and all of them run.

use std::fmt::Write as _;

use solana_instruction::Instruction;
use solana_message::Hash;
use tessera_sdk::{Format, batch::pack, ix};
use tessera_tests::{
    program,
    terms::JobTerms,
    world::{Job, Provider, World},
};

const PAGE: &str = "docs/benchmarks.md";
const BEGIN: &str = "<!-- written by TESSERA_BLESS=1 cargo test -p tessera-tests --test program_batches -->\n";
const END: &str = "<!-- end of what that test writes -->\n";
/// Lamports of a transaction with one signature.
const FEE: u64 = 5_000;
/// How far a number of compute units may move before the test fails, in per cent.
const PERCENT: u64 = 5;
/// Bytes of log that nodes keep of a transaction.
const LOG: usize = 10_000;
/// More leases than any transaction holds.
const LEASES: u32 = 100;

/// What a worker sends for one lease at a time.
#[derive(Clone, Copy)]
enum Step {
    Claim,
    Commit,
    Finish,
}

impl Step {
    const ALL: [Self; 3] = [Self::Claim, Self::Commit, Self::Finish];

    const fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Commit => "commit",
            Self::Finish => "draw, reveal with the key, and settle",
        }
    }

    fn group(self, world: &World, job: Job, index: u32, p: Provider) -> Vec<Instruction> {
        let work = world.work(job, index, p, 0);
        match self {
            Self::Claim => vec![ix::claim_lease(&p.operator, &p.address, &world.market, &job.address, index)],
            Self::Commit => vec![ix::commit_result(
                &p.operator,
                &p.address,
                &job.address,
                index,
                work.commitment(),
                tessera_protocol::cid::Cid(work.sealed),
            )],
            // Nobody is drawn here; who is cannot reveal yet, and sends the draw alone.
            Self::Finish => vec![
                ix::draw_audit(&job.address, index, &p.address),
                ix::reveal_result(&p.address, &job.address, index, work.reveal, Some(work.key)),
                ix::settle_lease(&job.address, index, &p.address, &p.operator, &p.operator),
            ],
        }
    }
}

/// Leases in a transaction, and compute units of one of them, for each step.
fn measure(format: Format) -> Vec<(usize, u64)> {
    let mut world = World::with(|b| {
        (b.providers, b.stake, b.tokens, b.terms.max_open_leases) = (1, 500_000, 1_000_000, 4_096);
        b.verify_signatures = false;
    });
    let (client, p) = (world.clients[0], world.providers[0]);
    let terms = JobTerms { units: LEASES.into(), units_per_lease: 1, ..JobTerms::default() };
    let job = world.job(client, &terms);
    let mut measured = Vec::new();
    for step in Step::ALL {
        // The hashes that decide about the commits are there four seconds later.
        world.advance(4);
        let groups: Vec<_> = (0..LEASES).map(|index| step.group(&world, job, index, p)).collect();
        let ranges = pack(&groups, &p.operator, format);
        let first = ranges[0].len();
        let mut units = None;
        for range in ranges {
            let together = groups[range.clone()].concat();
            let message = format.compile(&together, &p.operator, 1_400_000, 0, Hash::default()).expect("it was packed");
            let sent = world.send_unsigned(message);
            let (sent, log) = sent.unwrap_or_else(|failed| panic!("{}: {}", step.name(), failed.err));
            assert!(log <= LOG, "{}: {log} bytes of log for {} leases", step.name(), range.len());
            let per_lease = sent / range.len() as u64;
            units.get_or_insert(per_lease);
        }
        measured.push((first, units.expect("there are leases")));
    }
    assert_eq!(world.settled(job).len(), LEASES as usize, "every lease was settled");
    measured
}

fn table() -> String {
    let mut text = String::from(
        "| transactions | leases in one: claim | commit | draw, reveal and settle | CU of a lease: claim | commit | draw, reveal and settle |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut costs = String::from(
        "| transactions | units in a lease | transactions for 10⁶ units | lamports | million CU |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (format, name) in [(Format::Legacy, "legacy, 1,232 bytes"), (Format::V1, "version 1, 4,096 bytes")] {
        let steps = measure(format);
        let [claim, commit, finish] = [steps[0], steps[1], steps[2]];
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            claim.0, commit.0, finish.0, claim.1, commit.1, finish.1
        )
        .expect("a string takes everything");
        for per_lease in [16u64, 256, 4_096] {
            let leases = 1_000_000u64.div_ceil(per_lease);
            let transactions: u64 = steps.iter().map(|(most, _)| leases.div_ceil(*most as u64)).sum();
            let units: u64 = steps.iter().map(|(_, units)| leases * units).sum();
            let (lamports, millions) = (transactions * FEE, units.div_ceil(1_000_000));
            writeln!(costs, "| {name} | {per_lease} | {transactions} | {lamports} | {millions} |")
                .expect("a string takes everything");
        }
    }
    format!("{text}\n{costs}")
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<u64> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn the_page_says_what_a_million_units_cost() {
    let path = program::repository(PAGE);
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (committed, after) = rest.split_once(END).expect("the table ends");
    let table = table();
    if std::env::var("TESSERA_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("the page can be written");
        return;
    }
    let hint = "run TESSERA_BLESS=1 cargo test -p tessera-tests --test program_batches and look at the diff";
    let (found, expected) = (numbers(&table), numbers(committed));
    assert_eq!(found.len(), expected.len(), "another table than in {PAGE}: {hint}");
    let moved = found.iter().zip(&expected).find(|(now, then)| now.abs_diff(**then) * 100 > **then * PERCENT);
    assert_eq!(moved, None, "a number (now, in {PAGE}) has moved: {hint}");
}
