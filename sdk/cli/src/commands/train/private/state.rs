//! What is noted of private rounds besides how they were begun. It outlives `--restart`: participants and their data are the same.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tessera_secure_sum::dp::{Accountant, Spent};

/// What is noted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Number of the last round that participants were invited to: none has the same twice.
    last: u64,
    /// ρ of each round in which updates were masked, by the clip and the noise that it had; nothing of one without noise.
    rho: Vec<Option<f64>>,
    /// Bytes of masked updates that were fetched.
    pub bytes: u64,
}

/// What all rounds so far say of a participant's data at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Privacy {
    /// There was noise in each.
    Bounded(Spent),
    /// There was none in some of them.
    Unbounded {
        /// In so many.
        without: usize,
        /// Of so many.
        rounds: usize,
    },
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounded(spent) => write!(f, "{spent}"),
            Self::Unbounded { without, rounds } => {
                write!(f, "no bound on what is learnt of a participant: {without} of {rounds} rounds had no noise")
            }
        }
    }
}

impl Privacy {
    /// (ε, δ), where there is such a bound.
    pub const fn spent(&self) -> Option<Spent> {
        match self {
            Self::Bounded(spent) => Some(*spent),
            Self::Unbounded { .. } => None,
        }
    }
}

impl State {
    /// Whether participants were invited before.
    pub const fn is_new(&self) -> bool {
        self.last == 0
    }

    /// Begins a round in which sums have this ρ, and returns its number, which is that of the time: time goes on even if what is noted
    /// is lost.
    pub fn begin(&mut self, rho: Option<f64>) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.last = u64::try_from(now).unwrap_or(u64::MAX).max(self.last.saturating_add(1));
        self.rho.push(rho);
        self.last
    }

    /// What the rounds say of a participant's data at most; nothing where noise was never asked for.
    pub fn privacy(&self, delta: f64) -> Result<Option<Privacy>> {
        let rounds = self.rho.len();
        let without = self.rho.iter().filter(|rho| rho.is_none()).count();
        if without == rounds {
            return Ok(None);
        }
        if without > 0 {
            return Ok(Some(Privacy::Unbounded { without, rounds }));
        }
        let mut accountant = Accountant::default();
        self.rho.iter().flatten().for_each(|rho| accountant.add_rho(*rho));
        Ok(Some(Privacy::Bounded(accountant.spent(delta)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELTA: f64 = 1e-5;

    #[test]
    fn numbers_ascend_whatever_the_clock_says() {
        let mut state = State::default();
        assert!(state.is_new());
        let (one, two) = (state.begin(None), state.begin(None));
        assert!(one < two && !state.is_new());
        state.last = u64::MAX - 1;
        assert_eq!(state.begin(None), u64::MAX);
    }

    #[test]
    fn a_round_without_noise_leaves_no_bound() {
        let mut state = State::default();
        assert_eq!(state.privacy(DELTA).unwrap(), None);
        state.begin(None);
        assert_eq!(state.privacy(DELTA).unwrap(), None, "nobody asked for any");
        state.begin(Some(0.5));
        let said = state.privacy(DELTA).unwrap().unwrap();
        assert_eq!((said, said.spent()), (Privacy::Unbounded { without: 1, rounds: 2 }, None));
        assert!(said.to_string().contains("1 of 2 rounds had no noise"));
    }

    #[test]
    fn each_round_counts_as_it_was() {
        let mut state = State::default();
        // A multiplier of 1, and one of 2 under another plan.
        state.begin(Some(0.5));
        let first = state.privacy(DELTA).unwrap().unwrap().spent().unwrap();
        assert!((first.epsilon - 4.728).abs() < 1e-3, "{first}");
        state.begin(Some(0.125));
        let kept: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        let both = kept.privacy(DELTA).unwrap().unwrap().spent().unwrap();
        assert!(both.epsilon > first.epsilon && both.rounds == 2, "{both}");
    }
}
