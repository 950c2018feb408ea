use std::time::Duration;

use tessera_executor::{Backend, Checks, Options, Program, open_with, outputs};

use super::*;

const MIB: u32 = 1;

fn seed(n: u8) -> Digest {
    capability::seed(&[n; 32], &[n ^ 0x5a; 32], MIB)
}

/// What the processor puts out.
fn run(plan: &LaunchPlan, checks: Checks) -> Vec<u8> {
    let executor = open_with(Backend::Cpu, &Options { checks, ..Options::default() }).unwrap();
    let program = Program { module: MODULE, plan, inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(600) };
    outputs(executor.as_ref(), 0, &program, 0..1).unwrap().remove(0)
}

/// Hits of a seed, by the protocol's own words.
fn hits(seed: &Digest) -> Vec<u32> {
    let places = capability::places(MIB);
    let is_hit = |place: &u32| capability::is_hit(&capability::last(seed, places, u64::from(*place)), places);
    (0..u32::try_from(places).unwrap()).filter(is_hit).collect()
}

#[test]
fn the_places_are_those_of_the_protocol() {
    for seed in [1, 2, 3].map(seed) {
        let places = read(&run(&plan(&seed, MIB), Checks::NONE));
        assert_eq!(places, hits(&seed), "every stripe of the smallest table is one place: none is lost");
        assert!(capability::is_proof(&seed, MIB, &choose(&seed, MIB, &places).unwrap()));
    }
}

/// The interpreter, which looks for races and for what nobody wrote, finds none.
#[test]
fn the_table_has_no_races() {
    let plan = plan(&seed(4), MIB);
    assert_eq!(run(&plan, Checks::ALL), run(&plan, Checks::NONE));
}

/// Every digest of a generation, byte by byte.
#[test]
fn generations_are_those_of_the_protocol() {
    let seed = seed(5);
    let mut plan = plan(&seed, MIB);
    let places = capability::places(MIB);
    plan.launches.pop();
    for (steps, buffer) in [(0, 0), (1, 1), (2, 0)] {
        let plan = LaunchPlan { launches: plan.launches[..=steps].to_vec(), output: buffer, ..plan.clone() };
        let output = run(&plan, Checks::NONE);
        let at = |place: u64| {
            let first = |place| capability::first(&seed, place);
            let second = |place| {
                let own = first(place);
                tessera_protocol::hash::sha256(&[&own, &first(capability::parent(&own, places))])
            };
            match steps {
                0 => first(place),
                1 => second(place),
                _ => {
                    let own = second(place);
                    tessera_protocol::hash::sha256(&[&own, &second(capability::parent(&own, places))])
                }
            }
        };
        for (place, digest) in (0..).zip(output.chunks(32)) {
            assert_eq!(digest, at(place), "place {place} after {steps} steps");
        }
    }
}

/// Places of larger tables lie in stripes.
#[test]
fn several_places_lie_in_a_stripe() {
    let (mib, seed) = (3, seed(6));
    let places = read(&run(&plan(&seed, mib), Checks::NONE));
    assert!(capability::is_proof(&seed, mib, &choose(&seed, mib, &places).unwrap()));
    assert!(places.iter().any(|place| *place >= 2 * STRIPES));
}

#[test]
fn a_rehearsal_has_hits_enough() {
    let least = capability::MEMORY_MIB.0;
    assert_eq!(least, MIB);
    assert!(choose(&REHEARSAL, least, &hits(&REHEARSAL)).is_ok());
}

#[test]
fn what_a_device_answers_is_not_believed() {
    let seed = seed(7);
    let places = hits(&seed);
    assert!(choose(&seed, MIB, &places).is_ok());
    let miss = (0..).find(|place| !places.contains(place)).unwrap();
    for wrong in [miss, 1 << 14, u32::MAX] {
        let mut answer = places.clone();
        answer.push(wrong);
        answer.sort_unstable();
        assert_eq!(choose(&seed, MIB, &answer), Err(Unproven::Wrong { memory_mib: MIB, place: wrong }));
    }
    assert_eq!(choose(&seed, MIB, &places[..SHOWN - 1]), Err(Unproven::Few { found: SHOWN - 1 }));
    let mut garbled = output(&places);
    garbled[STRIPES as usize * HIT - 9] ^= 1;
    assert_eq!(choose(&seed, MIB, &read(&garbled)), Err(Unproven::Wrong { memory_mib: MIB, place: u32::MAX }));
    // A place twice would be refused by the program.
    let mut twice = places.clone();
    twice.insert(1, places[0]);
    assert!(capability::is_proof(&seed, MIB, &choose(&seed, MIB, &read(&output(&twice))).unwrap()));
}

/// An output with these places.
fn output(places: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0xff; STRIPES as usize * HIT];
    for (hit, place) in bytes.chunks_mut(HIT).zip(places) {
        hit[8..].copy_from_slice(&u64::from(*place).to_le_bytes());
    }
    bytes
}

#[test]
fn plans_fit_for_all_memory() {
    let (least, most) = capability::MEMORY_MIB;
    for mib in [least, least + 1, 64, 81_559, most] {
        let plan = plan(&seed(8), mib);
        plan.validate(&[]).unwrap();
        let threads = |launch: &Launch| u64::from(launch.grid[0]) * u64::from(launch.block[0]);
        let tables = &plan.launches[..=PASSES as usize];
        assert!(tables.iter().all(|launch| threads(launch) == capability::places(mib)));
        assert_eq!(plan.buffers[0].len + plan.buffers[1].len, u64::from(mib) << 20);
    }
}

#[test]
fn memory_is_cut_to_what_can_be_shown() {
    assert_eq!([0, RESERVE, RESERVE + (3 << 19), 80 << 30].map(memory_mib), [0, 0, 1, (80 << 10) - 256]);
    assert_eq!(memory_mib(u64::MAX), capability::MEMORY_MIB.1);
}
