//! The compiler of the program is young: what it makes of 64-bit and 128-bit arithmetic must be what the host makes of it.
//! Runs the probe build of the program, `target/deploy/probe/tessera.so`.

use anchor_lang::{AnchorDeserialize, InstructionData, ToAccountMetas};
use solana_instruction::Instruction;
use tessera::Arithmetic;
use tessera_tests::{program, rng::Rng, world::World};

const CASES: usize = 10_000;

/// Numbers at which carries, signs, shifts and comparisons go wrong.
fn edges() -> Vec<u128> {
    let mut edges = vec![0, 1, 2, 3, 7, 10, 9_999, 10_000, 10_001, i128::MAX as u128, i128::MIN as u128, u128::MAX];
    for bits in [8, 16, 31, 32, 33, 63, 64, 65, 80, 95, 96, 97, 126, 127] {
        let power = 1u128 << bits;
        edges.extend([power - 1, power, power + 1, power.wrapping_neg()]);
    }
    edges
}

/// A number of random length, often at an edge.
fn number(rng: &mut Rng, edges: &[u128]) -> u128 {
    let wide = u128::from(rng.bits()) << 64 | u128::from(rng.bits());
    match rng.below(4) {
        0 => *rng.pick(edges),
        1 => wide,
        2 => wide >> rng.below(128),
        _ => rng.pick(edges).wrapping_add(wide % 5).wrapping_sub(2),
    }
}

fn probe(world: &mut World, a: u128, b: u128) -> Arithmetic {
    let instruction = Instruction {
        program_id: tessera::ID,
        accounts: tessera::accounts::ArithmeticProbe {}.to_account_metas(None),
        data: tessera::instruction::ArithmeticProbe { a, b }.data(),
    };
    match world.send(&[instruction]) {
        Ok(sent) => {
            let mut bytes = &sent.0.return_data.data[..];
            Arithmetic::deserialize(&mut bytes).unwrap_or_else(|error| panic!("a = {a}, b = {b}: {error}"))
        }
        Err(failed) => panic!("a = {a}, b = {b}: {:?}\n{}", failed.err, failed.meta.logs.join("\n")),
    }
}

#[test]
fn the_program_computes_as_the_host_does() {
    let mut world = World::bare(program::probe_elf(), 0, false);
    let (mut rng, edges) = (Rng::new(5), edges());
    for a in &edges {
        for b in &edges {
            assert_eq!(probe(&mut world, *a, *b), Arithmetic::of(*a, *b), "a = {a}, b = {b}");
        }
    }
    for _ in 0..CASES {
        let (a, b) = (number(&mut rng, &edges), number(&mut rng, &edges));
        assert_eq!(probe(&mut world, a, b), Arithmetic::of(a, b), "a = {a}, b = {b}");
    }
}

/// The host's own answers for a few numbers, worked out by hand, so that both sides cannot be wrong alike.
#[test]
fn the_program_computes_what_is_right() {
    let mut world = World::bare(program::probe_elf(), 0, false);
    let found = probe(&mut world, 10u128.pow(30) + 7, 10u128.pow(20));
    assert_eq!(found.unsigned[3], Some(10u128.pow(10)));
    assert_eq!(found.unsigned[4], Some(7));
    assert_eq!(found.unsigned[2], None);
    let found = probe(&mut world, (-7i128) as u128, 2);
    assert_eq!((found.signed[3], found.signed[4]), (Some(-3), Some(-1)));
    assert_eq!(found.order, [1, -1]);
    let found = probe(&mut world, u128::from(u64::MAX), u128::from(u64::MAX));
    assert_eq!((found.low[2], found.wide[0]), (None, Some(340_282_366_920_938_463_426_481_119_284_349_108_225)));
}

#[test]
fn the_program_that_is_deployed_has_no_probe() {
    let mut world = World::bare(program::elf(), 0, false);
    let data = tessera::instruction::ArithmeticProbe { a: 1, b: 1 }.data();
    let instruction = Instruction { program_id: tessera::ID, accounts: vec![], data };
    let failed = world.send(&[instruction]).expect_err("there is no such instruction");
    let refusal = tessera_tests::call::Refusal::from(failed.err);
    assert_eq!(refusal, anchor_lang::error::ErrorCode::InstructionFallbackNotFound.into());
}
