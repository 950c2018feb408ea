//! What a round costs: bytes that a participant sends and gets besides its vector, and the time of one processor.
//!
//! `cargo run --release -p tessera-secure-sum --example cost`

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use tessera_secure_sum::{
    Error, MIN_LEN, Participant, Policy, Round, Rounds, Server,
    message::{Signed, Told, to_bytes},
};

fn main() -> Result<(), Error> {
    println!(
        "| members | threshold | elements | dropped out | sent | received | a participant | its mask | server's sum |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (n, colluders, len, dropped) in [
        (8, 3, 1_000_000, 0),
        (8, 3, 1_000_000, 2),
        (64, 20, MIN_LEN, 0),
        (64, 20, 1_000_000, 0),
        (64, 20, 1_000_000, 6),
    ] {
        round(n, colluders, len, dropped)?;
    }
    Ok(())
}

/// The bytes and times of the member at place 0.
#[derive(Default)]
struct Cost {
    sent: usize,
    received: usize,
    time: Duration,
}

impl Cost {
    fn answer(&mut self, told: &Told, answer: impl FnOnce(&Told) -> Result<Signed, Error>) -> Result<Signed, Error> {
        self.received += to_bytes(told).len();
        let begin = Instant::now();
        let signed = answer(told)?;
        self.time += begin.elapsed();
        self.sent += to_bytes(&signed).len();
        Ok(signed)
    }
}

fn round(n: u8, colluders: u8, len: u32, dropped: u8) -> Result<(), Error> {
    let mut keys: Vec<_> = (1..=n).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
    keys.sort_by_key(|key| key.verifying_key().to_bytes());
    let members: Vec<_> = keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
    let threshold = Round::least_threshold(n.into(), colluders.into()) as u8;
    let policy = Policy::new([1; 32], members.clone());
    let round =
        Round { training: [1; 32], round: 1, group: 0, task: [2; 32], len, threshold, colluders, noise: 0, members };

    let mut server = Server::new(round.clone())?;
    let mut all = Vec::new();
    for key in &keys {
        all.push(Participant::join(round.clone(), key, &policy, &mut Rounds::default())?);
    }
    // Of each answer the last one, of member 0, is what counts.
    let mut cost = Cost { sent: to_bytes(all[0].advert()).len(), ..Cost::default() };
    for member in &all {
        server.take(member.advert().clone())?;
    }
    let (_, told) = server.end_adverts()?;
    for (place, member) in all.iter_mut().enumerate() {
        let counted = if place == 0 { &mut cost } else { &mut Cost::default() };
        server.take(counted.answer(&told, |told| member.keys(told))?)?;
    }
    let mut mask_time = Duration::ZERO;
    for (place, told) in server.end_deals()? {
        let begin = Instant::now();
        let mask = all[usize::from(place)].dealt(&told)?;
        if place == 0 {
            mask_time = begin.elapsed();
            cost.received += to_bytes(&told).len();
        }
        if place < n - dropped {
            server.vector(place, mask.words())?;
        }
    }
    let (survivors, told) = server.end_vectors()?;
    for place in survivors.iter() {
        let counted = if place == 0 { &mut cost } else { &mut Cost::default() };
        server.take(counted.answer(&told, |told| all[usize::from(place)].survivors(told))?)?;
    }
    let (confirmed, told) = server.end_confirmations()?;
    for place in confirmed.iter() {
        let counted = if place == 0 { &mut cost } else { &mut Cost::default() };
        server.take(counted.answer(&told, |told| all[usize::from(place)].confirmed(told))?)?;
    }
    let begin = Instant::now();
    let sum = server.finish()?;
    let sum_time = begin.elapsed();
    assert!(sum.words.iter().all(|word| *word == 0), "masks of nothing sum up to nothing");
    let (sent, received, time) = (cost.sent, cost.received, cost.time);
    println!(
        "| {n} | {threshold} | {len} | {dropped} | {sent} B | {received} B | {time:.1?} | {mask_time:.0?} | {sum_time:.0?} |"
    );
    Ok(())
}
