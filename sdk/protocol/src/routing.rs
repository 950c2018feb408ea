//! Routing: who may claim which lease, decided alike by program and worker.
//!
//! Every provider has a [`rank`] in every seat, a hash that nobody can choose. A seat is open to ranks under
//! `weight × opening`, and the [`Opening`] doubles every few seconds: work spreads over the network by stake, collisions are
//! few, nobody chooses what it audits, and a favourite that is gone delays a lease by seconds. [`admit`] decides.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Key, chance::Chance, hash::sha256, verdict::Kind};

/// What a job asks of a provider. Zero asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Requirements {
    /// Device memory in MiB.
    pub memory_mib: u32,
    /// Lowest hardware class.
    pub class: u8,
    /// Set of regions, one bit each; 0 means anywhere.
    pub regions: u64,
}

/// What a provider says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Capabilities {
    /// Device memory in MiB of its smallest device.
    pub memory_mib: u32,
    /// Hardware class: 0 CPU, otherwise the compute capability times ten (80, 86, 90, 120).
    pub class: u8,
    /// Region, 0..64.
    pub region: u8,
}

impl Requirements {
    /// Whether a provider with these capabilities is qualified.
    #[must_use]
    pub fn met_by(&self, has: &Capabilities) -> bool {
        let here = 1u64.checked_shl(u32::from(has.region)).unwrap_or(0);
        has.memory_mib >= self.memory_mib && has.class >= self.class && (self.regions == 0 || self.regions & here != 0)
    }
}

/// First 8 bytes of `H(seed ‖ lease ‖ replica ‖ provider)`, little endian. Low ranks come first.
#[must_use]
pub fn rank(seed: &Key, lease: u32, replica: u8, provider: &Key) -> u64 {
    let digest = sha256(&[b"tessera-rank-1", seed, &lease.to_le_bytes(), &[replica], provider]);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// What a job asks of a provider's standing, beside [`Requirements`]. Zero asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Threshold {
    /// Least score, see [`crate::reputation::Reputation::score`].
    pub score: Chance,
    /// Least stake.
    pub stake: u64,
}

/// What routing has to know of a provider beside its capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Score of its reputation.
    pub score: Chance,
    /// Stake in all.
    pub stake: u64,
    /// Part of it that is locked by seats.
    pub locked: u64,
    /// Slot in which stake was added last.
    pub staked_slot: u64,
}

/// Unit of weights and openings: 1.0 in units of 2⁻³².
const ONE: u64 = 1 << 32;
/// Most of the market that may take an audit or dispute seat before it is late.
const EARLY_OPENING: u64 = ONE / 4;
/// Doublings of the opening after which audit and dispute seats are late, and open to whoever comes.
pub const LATE_STEPS: u32 = 32;

/// Weight of a provider in the routing of a seat, in units of 2⁻³²: its stake as a part of `cap`, at most 1.
///
/// For base seats the stake that is free counts, so work goes to those who have room, and up to half the weight depends on
/// the score. For audits and disputes all stake counts and nothing else: a weight is a share of the vote there, and neither
/// idle stake nor a farmed score may buy more of it. There is no least weight, which would favour many small identities.
#[must_use]
pub fn weight(standing: &Standing, kind: Kind, cap: u64) -> u64 {
    let stake = match kind {
        Kind::Base => standing.stake.saturating_sub(standing.locked),
        Kind::Audit | Kind::Dispute => standing.stake,
    };
    let by_stake = part(stake, cap);
    match kind {
        Kind::Base if standing.score < Chance::ONE => (by_stake * ((ONE + standing.score.units()) / 2)) >> 32,
        _ => by_stake,
    }
}

/// `stake / cap`, at most 1, in units of 2⁻³², rounded down: by a division of 64 bits, for which large numbers lose their last
/// bits, never in favour of the stake.
fn part(stake: u64, cap: u64) -> u64 {
    if stake >= cap {
        return ONE;
    }
    let dropped = 32 - cap.leading_zeros().min(32);
    let (narrow, exact) = (cap >> dropped, dropped == 0);
    ((stake >> dropped) << 32) / (narrow + u64::from(!exact))
}

/// `a / b` in units of 2⁻³², as far as that fits, by a division of 64 bits as in [`part`]: rounded down, but for the last bits
/// of a large `b`, which are lost.
fn ratio(a: u64, b: u64) -> u64 {
    let shift = a.leading_zeros().min(32);
    match b >> (32 - shift) {
        0 => u64::MAX,
        narrow => (a << shift) / narrow,
    }
}

/// How far a group of seats has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What the seats are for.
    pub kind: Kind,
    /// Seats that are wanted.
    pub wanted: u8,
    /// Stake of all providers of the market. Identities are not counted, they cost nothing.
    pub stake: u64,
    /// Unix time at which the seats opened.
    pub opened_at: i64,
    /// Seconds after which the opening doubles.
    pub step_seconds: u32,
}

impl Opening {
    /// The opening at `now` in units of 2⁻³²: at first as many of the market as are wanted, counted in providers of the full
    /// weight that `cap` gives, doubled every step. In a market with less stake than `cap` it is above 1 from the beginning, so
    /// that its weights, all below 1, admit as many as elsewhere. Base seats open twice as wide, for half of a weight there is in
    /// the score and in stake that is free: a provider that has all the stake may take a seat at once.
    ///
    /// Audit and dispute seats open to a quarter of the market only (or four times what is wanted) until they are late: a wider
    /// opening would be a race, and races are won by whoever prepares for them.
    #[must_use]
    pub fn at(&self, cap: u64, now: i64) -> u64 {
        let elapsed = now.saturating_sub(self.opened_at);
        match u64::try_from(elapsed) {
            Err(_) => 0,
            Ok(elapsed) => {
                let steps = (elapsed / u64::from(self.step_seconds.max(1))).min(STEPS.into()) as u32;
                self.after(self.first(cap), steps)
            }
        }
    }

    /// The opening at first.
    fn first(&self, cap: u64) -> u64 {
        let (wanted, wider) = (u64::from(self.wanted.max(1)), 1 + u64::from(self.kind == Kind::Base));
        ratio(cap, self.stake).saturating_mul(wanted * wider).max(1)
    }

    /// The opening after so many steps.
    fn after(&self, first: u64, steps: u32) -> u64 {
        let open = if steps <= first.leading_zeros() { first << steps } else { u64::MAX };
        match self.kind {
            Kind::Audit | Kind::Dispute if steps < LATE_STEPS => open.min(EARLY_OPENING.max(first.saturating_mul(4))),
            _ => open,
        }
    }
}

/// Steps after which an opening grows no more.
const STEPS: u32 = 64;

/// A group of seats that providers may take.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Hash of the slot that ranks the providers: after the post for base seats, the one that drew for audits, a new one
    /// for each round of a dispute.
    pub seed: &'a Key,
    /// That slot. Who has added stake in it or later could have been made to fit the seed: it comes last for base seats, and
    /// not at all for the others.
    pub seed_slot: u64,
    /// Number of the lease.
    pub lease: u32,
    /// Number of the seat: the rank of one says nothing about another.
    pub seat: u8,
    /// How far it has opened.
    pub opening: Opening,
    /// Stake that gives full weight in this market.
    pub weight_cap: u64,
}

/// Why a provider may not take a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too little memory, or for a base seat the wrong class or region.
    Capabilities,
    /// Too little stake or score for what the job asks.
    Threshold,
    /// The stake was added too late for a seat that votes.
    FreshStake,
    /// Not yet: the rank lies above what has opened.
    NotYet,
}

/// Whether a rank is low enough for a weight and an opening: `rank / 2⁶⁴ < weight × opening`.
#[must_use]
pub fn admits(rank: u64, weight: u64, opening: u64) -> bool {
    weight.checked_mul(opening).is_none_or(|bar| rank < bar)
}

/// Whether a provider has what a job asks of those who take its replicas. In a private job that is all that counts: its client
/// names those who may take it, and nobody waits for a turn.
pub fn qualified(
    has: &Capabilities,
    standing: &Standing,
    required: &Requirements,
    threshold: &Threshold,
) -> Result<(), Refusal> {
    if !required.met_by(has) {
        return Err(Refusal::Capabilities);
    }
    if standing.stake < threshold.stake || standing.score < threshold.score {
        return Err(Refusal::Threshold);
    }
    Ok(())
}

/// Whether `provider` may take a seat at `now` (Unix seconds).
///
/// For audit and dispute seats nothing that the client chose counts, except the memory without which the work cannot be
/// done: a client that could choose the jury could convict anybody.
pub fn admit(
    call: &Call,
    provider: &Key,
    has: &Capabilities,
    standing: &Standing,
    required: &Requirements,
    threshold: &Threshold,
    now: i64,
) -> Result<(), Refusal> {
    let (rank, weight) = place(call, provider, has, standing, required, threshold)?;
    if admits(rank, weight, call.opening.at(call.weight_cap, now)) { Ok(()) } else { Err(Refusal::NotYet) }
}

/// The Unix time from which [`admit`] lets `provider` take a seat, if it ever does with this standing.
pub fn turn(
    call: &Call,
    provider: &Key,
    has: &Capabilities,
    standing: &Standing,
    required: &Requirements,
    threshold: &Threshold,
) -> Result<i64, Refusal> {
    let (rank, weight) = place(call, provider, has, standing, required, threshold)?;
    let opening = &call.opening;
    let first = opening.first(call.weight_cap);
    let steps = (0..=STEPS).find(|steps| admits(rank, weight, opening.after(first, *steps)));
    let steps = steps.ok_or(Refusal::NotYet)?;
    Ok(opening.opened_at.saturating_add(i64::from(steps) * i64::from(opening.step_seconds.max(1))))
}

/// Rank and weight of a provider in a group of seats that it may take when its turn has come.
fn place(
    call: &Call,
    provider: &Key,
    has: &Capabilities,
    standing: &Standing,
    required: &Requirements,
    threshold: &Threshold,
) -> Result<(u64, u64), Refusal> {
    let kind = call.opening.kind;
    match kind {
        Kind::Base => qualified(has, standing, required, threshold)?,
        Kind::Audit | Kind::Dispute if has.memory_mib < required.memory_mib => return Err(Refusal::Capabilities),
        Kind::Audit | Kind::Dispute => {}
    }
    let fresh = standing.staked_slot >= call.seed_slot;
    if fresh && kind.votes() {
        return Err(Refusal::FreshStake);
    }
    let rank = if fresh { u64::MAX } else { rank(call.seed, call.lease, call.seat, provider) };
    Ok((rank, weight(standing, kind, call.weight_cap)))
}

#[cfg(test)]
mod tests;
