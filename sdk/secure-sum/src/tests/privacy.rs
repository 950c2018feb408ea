//! What server, chain and store see says nothing on a single vector but what the sum says.
//!
//! The argument is that of the paper's theorem 6.5, step by step: keys that honest members agree on are as good as random ones (X25519 and
//! HKDF), so are the pads that follow from them (ChaCha20), and sealed or hashed shares hide them (ChaCha20-Poly1305, SHA-256); fewer than t
//! shares say nothing (Shamir). These are assumptions that no test shows. What is left to show is that with such pads the view is
//! the same for *any* vectors of the same sum. That is done here with pads in the place of those that nobody but honest members could
//! make: two worlds, one view, byte for byte.

use std::collections::HashMap;

use super::fixture::{Group, Speaking, View, all_but, round, seed, sum_of, vectors};
use crate::{
    Members, Round, Sum,
    mask::{ChaChaPads, Pads, Sign},
    secret::{End, Entropy, Secret, Secrets, pair_seed},
};

const N: usize = 8;
const LEN: u32 = 64;
/// Members that work together with the server: t - c = 3 others stay to the end at least.
const COLLUDERS: [u8; 3] = [5, 6, 7];
/// One that drops out after it has dealt; its vector comes late.
const DROPPED: u8 = 4;

/// Pads of given seeds, and those of ChaCha20 for all others.
#[derive(Clone, Default)]
struct Table(HashMap<[u8; 32], Vec<u32>>);

impl Pads for Table {
    fn apply(&self, seed: &Secret, sign: Sign, words: &mut [u32]) {
        let Some(pad) = self.0.get(&**seed) else { return ChaChaPads.apply(seed, sign, words) };
        for (word, pad) in words.iter_mut().zip(pad) {
            *word = match sign {
                Sign::Plus => word.wrapping_add(*pad),
                Sign::Minus => word.wrapping_sub(*pad),
            };
        }
    }
}

fn secrets(place: u8) -> Secrets {
    Secrets::new(&mut Entropy::from_seed(&seed(place)))
}

/// The seed that two members share.
fn pair(round: &Round, a: u8, b: u8) -> [u8; 32] {
    let (own, other) = (secrets(a), secrets(b));
    let (own_key, other_key) = (own.advert().mask, other.advert().mask);
    let ends = (End { place: a, key: &own_key }, End { place: b, key: &other_key });
    *pair_seed(&own.mask, &round.id(), ends.0, ends.1).unwrap()
}

/// Words that nobody can foretell.
fn random(entropy: &mut Entropy) -> Vec<u32> {
    (0..LEN).map(|_| entropy.word() as u32).collect()
}

/// Everything that a server sees which all colluders tell all they have: every message, every masked vector, the late one as well, the sum,
/// the colluders' seeds (from which all their keys follow), vectors and shares, and all that can be opened.
fn view(round: &Round, vectors: &[Vec<i32>], pads: &Table) -> (View, Sum) {
    let mut group = Group::new(round);
    let speaking = Speaking { vectors: all_but(N, &[DROPPED]), ..Speaking::all(N) };
    let (there, keys) = group.adverts(speaking.adverts).unwrap();
    let dealt = group.deals(&keys, there, speaking.deals).unwrap();
    let (survivors, told) = group.vectors(&dealt, vectors, speaking.vectors, pads).unwrap();
    for place in COLLUDERS {
        let held = group.members[usize::from(place)].held();
        group.view.push(seed(place).to_vec());
        group.view.extend(held.iter().flat_map(|(_, held)| [held.mask.to_vec(), held.seed.to_vec()]));
        group.view.push(vectors[usize::from(place)].iter().flat_map(|word| word.to_le_bytes()).collect());
    }
    let (confirmed, told) = group.confirmations(&told, survivors, speaking.confirmations).unwrap();
    group.openings(&told, confirmed, speaking.openings).unwrap();
    let sum = group.server.finish_with(pads).unwrap();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    group.view.push(words(&sum.words));
    group.view.push(words(group.masked[usize::from(DROPPED)].as_ref().unwrap()));
    (group.view, sum)
}

/// Random pads for all that is known to honest members alone: their common seeds, and that of the one that dropped out, whose seed is
/// not opened. (Its mask key is, so the pads that it shares with others are known.)
fn ideal(round: &Round) -> Table {
    let mut entropy = Entropy::from_seed(&[123; 32]);
    let mut table = Table::default();
    for a in 0..DROPPED {
        for b in 0..a {
            table.0.insert(pair(round, a, b), random(&mut entropy));
        }
    }
    table.0.insert(*secrets(DROPPED).seed, random(&mut entropy));
    table
}

/// The pads under which `others` look as `vectors` do under `pads`: what differs between the two moves along the chain 0, 1, 2, 3.
fn moved(round: &Round, pads: &Table, vectors: &[Vec<i32>], others: &[Vec<i32>]) -> Table {
    let mut moved = pads.clone();
    let difference = |place: u8, j: usize| {
        let i = usize::from(place);
        others[i][j].wrapping_sub(vectors[i][j]).cast_unsigned()
    };
    let mut carried = vec![0u32; LEN as usize];
    for place in 0..DROPPED - 1 {
        for (j, carried) in carried.iter_mut().enumerate() {
            *carried = carried.wrapping_add(difference(place, j));
        }
        // The lower of two members takes their pad away, the upper adds it.
        let pad = moved.0.get_mut(&pair(round, place, place + 1)).unwrap();
        pad.iter_mut().zip(&carried).for_each(|(pad, carried)| *pad = pad.wrapping_add(*carried));
    }
    let own = moved.0.get_mut(&*secrets(DROPPED).seed).unwrap();
    own.iter_mut().enumerate().for_each(|(j, pad)| *pad = pad.wrapping_sub(difference(DROPPED, j)));
    moved
}

#[test]
fn two_sets_of_vectors_with_one_sum_look_the_same() {
    let round = round(N, 6, 3, LEN);
    let vectors = vectors(N, LEN);
    let mut entropy = Entropy::from_seed(&[5; 32]);
    // Others at random, but for the last survivor's, which makes the sum of honest survivors the same; the late vector is any.
    let mut others = vectors.clone();
    for place in [0, 1, 2, DROPPED] {
        others[usize::from(place)] = random(&mut entropy).iter().map(|word| word.cast_signed()).collect();
    }
    let honest: Members = (0..DROPPED).collect();
    for j in 0..LEN as usize {
        let short = sum_of(&vectors, honest)[j].wrapping_sub(sum_of(&others, honest)[j]);
        others[3][j] = others[3][j].wrapping_add(short);
    }
    let pads = ideal(&round);
    let (seen, sum) = view(&round, &vectors, &pads);
    assert_eq!(sum.signed(), sum_of(&vectors, all_but(N, &[DROPPED])));
    let (seen_of_others, _) = view(&round, &others, &moved(&round, &pads, &vectors, &others));
    assert!((0..=4).all(|i| vectors[i] != others[i]));
    assert_eq!(seen.len(), seen_of_others.len());
    assert!(
        seen == seen_of_others,
        "views differ at message {:?}",
        seen.iter().zip(&seen_of_others).position(|(a, b)| a != b)
    );

    // It takes the same sum: with one element of it different, the last masked vector and the sum give it away.
    others[0][0] = others[0][0].wrapping_add(1);
    let (seen_of_others, _) = view(&round, &others, &moved(&round, &pads, &vectors, &others));
    let differ = seen.iter().zip(&seen_of_others).filter(|(a, b)| a != b).count();
    assert_eq!(differ, 2);
}

/// Pearson's χ² of the bytes of some words against the uniform distribution: 255 on average, with a deviation of 22.6.
fn chi_squared(words: &[u32]) -> f64 {
    let mut counts = [0u32; 256];
    words.iter().flat_map(|word| word.to_le_bytes()).for_each(|byte| counts[usize::from(byte)] += 1);
    let expected = words.len() as f64 * 4.0 / 256.0;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

/// Seven deviations above the mean of χ² with 255 degrees of freedom.
const SUSPICIOUS: f64 = 255.0 + 7.0 * 22.6;

#[test]
fn masked_vectors_and_sums_of_some_look_like_noise() {
    let len = 8192;
    let round = round(N, 6, 3, len);
    let vectors = vec![vec![1234; len as usize]; N];
    let mut group = Group::new(&round);
    let sum = group.play(&vectors, Speaking::all(N), &ChaChaPads).unwrap();
    assert_eq!(sum.signed(), vec![1234 * 8; len as usize]);
    for masked in group.masked.iter().flatten() {
        assert!(chi_squared(masked) < SUSPICIOUS);
    }
    // After the round the server knows every own mask, and colluders take off what they share with others. What any but all of the honest
    // five sum up to is still noise; all of them together are what the sum says.
    let mut known: Vec<Vec<u32>> = group.masked.iter().flatten().cloned().collect();
    for place in 0..5u8 {
        let words = &mut known[usize::from(place)];
        ChaChaPads.apply(&secrets(place).seed, Sign::Minus, words);
        for colluder in COLLUDERS {
            let common = Secret::new(pair(&round, place, colluder));
            ChaChaPads.apply(&common, Sign::of_pair(place, colluder).opposite(), words);
        }
    }
    for some in 1..32u64 {
        let mut words = vec![0u32; len as usize];
        for place in Members(some).iter() {
            words.iter_mut().zip(&known[usize::from(place)]).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
        }
        if some == 31 {
            assert_eq!(words, vec![1234 * 5; len as usize]);
            assert!(chi_squared(&words) > SUSPICIOUS, "the test would see it");
        } else {
            assert!(chi_squared(&words) < SUSPICIOUS, "members {}", Members(some));
        }
    }
}

#[test]
fn the_same_vectors_look_different_in_each_round() {
    let len = 8192;
    let vectors = vec![vec![77; len as usize]; 3];
    let masked = |number| {
        let round = Round { round: number, ..round(3, 3, 1, len) };
        let mut group = Group::new(&round);
        group.play(&vectors, Speaking::all(3), &ChaChaPads).unwrap();
        group.masked[0].clone().unwrap()
    };
    // Seeds of the test's members are the same in both rounds, keys too: what differs is the name of the round, from which pads follow.
    let difference: Vec<u32> = masked(1).iter().zip(masked(2)).map(|(a, b)| a.wrapping_sub(b)).collect();
    assert!(chi_squared(&difference) < SUSPICIOUS);
}

/// ChaCha20's keystream by RFC 8439, section 2.3: the first block of the key of zeros, nonce zero, counter zero.
#[test]
fn pads_are_those_of_the_rfc() {
    let mut words = [0u32; 16];
    ChaChaPads.apply(&Secret::new([0; 32]), Sign::Plus, &mut words);
    assert_eq!(words[..4], [0xade0_b876, 0x903d_f1a0, 0xe56a_5d40, 0x28bd_8653]);
    // However long, and taken away again.
    let mut long: Vec<u32> = (0..5000).collect();
    ChaChaPads.apply(&Secret::new([3; 32]), Sign::Plus, &mut long);
    ChaChaPads.apply(&Secret::new([3; 32]), Sign::Minus, &mut long);
    assert!(long.iter().copied().eq(0..5000));
}
