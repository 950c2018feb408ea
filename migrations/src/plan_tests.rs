use solana_loader_v3_interface::state::UpgradeableLoaderState;

use super::*;
use tessera_sdk::types::MarketParams;

use crate::{cost::SIGNATURE_LAMPORTS, observe::Market, params::MarketSettings};

const RENT: Rent = Rent { base: 1_000, per_byte: 10 };

/// Those of a localnet, but for a few that the tests speak of.
fn params() -> Params {
    let settings = MarketSettings { fee_bps: 100, ..MarketSettings::localnet().unwrap() };
    Params(MarketParams { min_stake: 7, ..settings.params(8).unwrap() })
}

fn key(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

/// Settings for a new localnet: everything has to be made.
fn desired() -> Desired {
    Desired {
        cluster: Cluster::Localnet,
        url: "http://127.0.0.1:8899".into(),
        payer: key(1),
        upgrade_authority: key(1),
        program: key(2),
        has_program_key: true,
        elf_len: 10_000,
        chunk_len: 1_000,
        buffer: key(3),
        mint: key(4),
        new_mint: Some((8, 500)),
        market: key(5),
        market_id: 0,
        market_authority: key(1),
        params: params(),
        priority_fee: 0,
    }
}

/// A cluster with nothing but a rich payer.
fn empty() -> Observed {
    Observed { payer_lamports: u64::MAX, program: Program::Absent, buffer: Buffer::Absent, mint: None, market: None }
}

/// A cluster where everything is as desired.
fn done() -> Observed {
    Observed {
        program: Program::Deployed { authority: Some(key(1)), capacity: 10_000, same: true },
        mint: Some(8),
        market: Some(Market { authority: key(1), mint: key(4), params: params() }),
        ..empty()
    }
}

fn plan(desired: Desired, observed: &Observed) -> Plan {
    Plan::new(desired, observed, RENT).unwrap()
}

fn conflict(desired: Desired, observed: &Observed) -> String {
    match Plan::new(desired, observed, RENT) {
        Err(Error::Conflict(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_cluster_gets_everything() {
    let plan = plan(desired(), &empty());
    let create_mint = Step::CreateMint { decimals: 8, supply: 500 };
    let steps = [create_mint, Step::CreateBuffer, Step::Upload { writes: 10 }, Step::Deploy, Step::CreateMarket];
    assert_eq!(plan.steps, steps);
    let text = plan.to_string();
    assert!(text.contains("1. create mint") && text.contains("5. create market") && text.contains("SOL"), "{text}");
}

#[test]
fn a_finished_cluster_gets_nothing() {
    let plan = plan(desired(), &done());
    assert!(plan.is_empty());
    assert_eq!(plan.cost, Cost::default());
    assert!(plan.to_string().contains("nothing to do"));
}

#[test]
fn an_interrupted_upload_goes_on() {
    let with = |buffer| plan(desired(), &Observed { program: Program::Absent, buffer, ..done() }).steps;
    assert_eq!(with(Buffer::Begun { missing: 3 }), [Step::Upload { writes: 3 }, Step::Deploy]);
    assert_eq!(with(Buffer::Begun { missing: 0 }), [Step::Deploy]);
    let restart = [Step::CloseBuffer { lamports: 9 }, Step::CreateBuffer, Step::Upload { writes: 10 }, Step::Deploy];
    assert_eq!(with(Buffer::Misfit { lamports: 9 }), restart);
    let text = conflict(desired(), &Observed { program: Program::Absent, buffer: Buffer::Foreign, ..done() });
    assert!(text.contains("state_dir"), "{text}");
}

#[test]
fn another_program_is_an_upgrade() {
    let with = |capacity| {
        let program = Program::Deployed { authority: Some(key(1)), capacity, same: false };
        plan(desired(), &Observed { program, ..done() }).steps
    };
    let (create, upload) = (Step::CreateBuffer, Step::Upload { writes: 10 });
    assert_eq!(with(10_000), [create.clone(), upload.clone(), Step::Upgrade]);
    assert_eq!(with(9_999), [create.clone(), upload.clone(), Step::Extend { by: 10_240 }, Step::Upgrade]);
    let mut large = desired();
    large.elf_len = 30_000;
    let program = Program::Deployed { authority: Some(key(1)), capacity: 10_000, same: false };
    let steps = plan(large, &Observed { program, ..done() }).steps;
    assert!(steps.contains(&Step::Extend { by: 20_480 }), "{steps:?}");
}

#[test]
fn a_buffer_without_use_is_closed() {
    let observed = Observed { buffer: Buffer::Begun { missing: 2 }, ..done() };
    assert!(matches!(plan(desired(), &observed).steps[..], [Step::CloseBuffer { .. }]));
}

#[test]
fn programs_that_cannot_be_ours_are_refused() {
    for (program, expected) in [
        (Program::Deployed { authority: Some(key(9)), capacity: 1, same: false }, key(9).to_string()),
        (Program::Deployed { authority: None, capacity: 1, same: false }, "nobody".into()),
        (Program::Foreign(key(8)), key(8).to_string()),
    ] {
        let text = conflict(desired(), &Observed { program, ..done() });
        assert!(text.contains(&expected), "{text}");
    }
    let mut keyless = desired();
    keyless.has_program_key = false;
    assert!(conflict(keyless.clone(), &empty()).contains("program.keypair"));
    assert!(plan(keyless, &done()).is_empty(), "the key is needed only once");
}

#[test]
fn changed_parameters_are_an_update() {
    let mut changed = desired();
    changed.params.0.fee_bps = 200;
    changed.params.0.min_stake = 8;
    let plan = plan(changed, &done());
    assert_eq!(plan.steps, [Step::UpdateMarket(vec![("fee_bps", 100, 200), ("min_stake", 7, 8)])]);
    assert!(plan.to_string().contains("fee_bps 100 → 200, min_stake 7 → 8"));
}

#[test]
fn what_a_market_cannot_change_is_refused() {
    let with = |market| conflict(desired(), &Observed { market: Some(market), ..done() });
    assert!(with(Market { authority: key(1), mint: key(9), params: params() }).contains("market.id"));
    assert!(with(Market { authority: key(9), mint: key(4), params: params() }).contains("market_authority"));
    assert!(conflict(desired(), &Observed { mint: Some(6), ..done() }).contains("6 decimals"));
    let mut existing = desired();
    existing.new_mint = None;
    assert!(conflict(existing.clone(), &Observed { mint: None, ..done() }).contains("no mint"));
    assert!(plan(existing, &Observed { mint: Some(6), ..done() }).is_empty(), "any decimals will do");
}

#[test]
fn costs_add_up() {
    // Only the deployment: the buffer's rent comes back before the program's is taken.
    let observed = Observed { program: Program::Absent, ..done() };
    let Cost { kept, fees, peak } = plan(desired(), &observed).cost;
    let program = RENT.of(UpgradeableLoaderState::size_of_program());
    let data = RENT.of(UpgradeableLoaderState::size_of_programdata(10_000));
    let buffer = RENT.of(UpgradeableLoaderState::size_of_buffer(10_000));
    assert_eq!((kept, fees), (program + data, (10 + 3 + 3) * SIGNATURE_LAMPORTS));
    assert_eq!(peak, fees + program + data.max(buffer) + RENT.base);

    let mut two_keys = desired();
    two_keys.upgrade_authority = key(7);
    two_keys.priority_fee = 1_000;
    let more = plan(two_keys, &observed).cost.fees;
    let writes = 10 * (2 * SIGNATURE_LAMPORTS + 5);
    assert_eq!(more, writes + 2 * (3 * SIGNATURE_LAMPORTS + 200));
}

#[test]
fn a_poor_payer_is_told_or_helped() {
    let poor = Observed { payer_lamports: 5, ..empty() };
    let helped = plan(desired(), &poor);
    assert!(matches!(helped.steps[0], Step::Airdrop(_)));
    helped.check_funds().unwrap();
    let mut public = desired();
    public.cluster = Cluster::Devnet;
    let told = plan(public, &poor);
    assert!(!told.steps.iter().any(|step| matches!(step, Step::Airdrop(_))));
    assert!(matches!(told.check_funds(), Err(Error::Funds { have: 5, .. })));
}
