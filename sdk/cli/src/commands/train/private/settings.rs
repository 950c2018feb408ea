//! Who takes part, and on what terms: a TOML file beside the plan.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use solana_pubkey::Pubkey;
use tessera_federation::Times;
use tessera_secure_sum::{
    Key, MAX_MEMBERS, MIN_MEMBERS, Round,
    dp::{Noise, largest_element, rounded_bound},
};
use tessera_train::Plan;

use crate::session::Session;

/// A participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its provider account.
    pub provider: Pubkey,
    /// The key of its worker.
    pub key: Key,
}

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The training's name, which participants have in their configuration.
    pub name: String,
    /// Where participants reach the coordinator.
    pub listen: SocketAddr,
    /// Provider accounts.
    participants: Vec<String>,
    /// Most participants of a group.
    #[serde(default = "most")]
    pub group: usize,
    /// How many of a group may work together with whoever trains without learning more than the sum of the others.
    #[serde(default = "one")]
    pub colluders: u8,
    /// How many of a group must stay to the end; the least that is safe if absent.
    threshold: Option<u8>,
    /// Standard deviation of the noise in each sum as a multiple of what one participant changes; 0: none.
    #[serde(default)]
    noise: f64,
    /// The δ for which ε is printed.
    #[serde(default = "delta")]
    pub delta: f64,
    /// How long masked updates of a round may take, in seconds.
    #[serde(default = "deadline")]
    deadline_seconds: u64,
    /// How long others may take, in seconds, once as many are there as must stay to the end.
    #[serde(default = "late")]
    late_seconds: u64,
    /// How long participants have for each message, in seconds.
    #[serde(default = "minute")]
    phase_seconds: u64,
    /// After so many rounds in a row that came to nothing it is given up.
    #[serde(default = "tries")]
    pub tries: u32,
}

impl Settings {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let settings: Self = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        settings.check_alone().with_context(|| format!("in {}", path.display()))?;
        Ok(settings)
    }

    fn check_alone(&self) -> Result<()> {
        let n = self.participants.len();
        ensure!(!self.name.is_empty(), "name is empty");
        ensure!(n >= MIN_MEMBERS, "{n} participants, expected at least {MIN_MEMBERS}");
        let group = self.group;
        ensure!(
            (MIN_MEMBERS..=MAX_MEMBERS).contains(&group),
            "group is {group}, expected {MIN_MEMBERS} to {MAX_MEMBERS}"
        );
        ensure!((0.0..=1e6).contains(&self.noise), "noise is {}, expected 0 to 1000000", self.noise);
        ensure!(self.delta > 0.0 && self.delta < 1.0, "delta is {}, expected more than 0 and less than 1", self.delta);
        for (name, value) in [
            ("deadline_seconds", self.deadline_seconds),
            ("phase_seconds", self.phase_seconds),
            ("tries", u64::from(self.tries)),
        ] {
            ensure!(value > 0, "{name} is 0, expected at least 1");
        }
        let sizes = super::group::sizes(n, group);
        let smallest = sizes.iter().copied().min().unwrap_or(0);
        ensure!(
            smallest >= MIN_MEMBERS,
            "{n} participants in groups of at most {group}: one would have {smallest}, expected at least {MIN_MEMBERS}; change group"
        );
        for size in sizes {
            let members = (1..=size as u8).map(|n| [n; 32]).collect();
            let (threshold, colluders) = (self.threshold(size)?, self.colluders);
            let (training, round, group, task, len, noise) = ([0; 32], 1, 0, [0; 32], 1, 0);
            let round = Round { training, round, group, task, len, threshold, colluders, noise, members };
            round.check().context("colluders and threshold")?;
        }
        Ok(())
    }

    /// Checks that sums of a plan's updates, with `words` words, fit.
    pub fn check(&self, plan: &Plan, words: u32) -> Result<()> {
        let largest = f64::from(plan.private.clip) * f64::from(plan.private.steps) + 1.0;
        for size in super::group::sizes(self.participants.len(), self.group) {
            let variance = self.noise(plan, size, words)?.map_or(0, |noise| noise.variance);
            let room = largest_element(size, variance);
            if largest > f64::from(room) {
                bail!(
                    "private.clip × private.steps is {largest}, groups of {size} have room for {room}: lower private.steps"
                );
            }
        }
        Ok(())
    }

    /// How many of a group must stay.
    pub fn threshold(&self, members: usize) -> Result<u8> {
        let least = Round::least_threshold(members, self.colluders.into());
        match self.threshold {
            Some(threshold) => Ok(threshold),
            None => u8::try_from(least).context("a threshold of more than 255"),
        }
    }

    /// What one participant changes in a sum at most, in steps.
    pub fn bound(&self, plan: &Plan, words: u32) -> f64 {
        rounded_bound(plan.private.clip.into(), 1.0 / f64::from(plan.private.steps), words)
    }

    /// The noise of a group's round, if there is any.
    pub fn noise(&self, plan: &Plan, members: usize, words: u32) -> Result<Option<Noise>> {
        if self.noise == 0.0 {
            return Ok(None);
        }
        let honest = self.threshold(members)?.saturating_sub(self.colluders);
        Ok(Some(Noise::new(self.bound(plan, words), self.noise, honest, words)?))
    }

    /// How long masked updates may take.
    pub const fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    /// How long those who are late are waited for.
    pub const fn late(&self) -> Duration {
        Duration::from_secs(self.late_seconds)
    }

    /// How long participants have for each message.
    pub const fn times(&self) -> Times {
        let phase = Duration::from_secs(self.phase_seconds);
        Times {
            adverts: Duration::from_secs(self.phase_seconds.saturating_mul(2)),
            deals: phase,
            confirmations: phase,
            openings: phase,
        }
    }

    /// The participants, whose keys are looked up.
    pub async fn members(&self, session: &Session<'_>) -> Result<Vec<Member>> {
        let parse =
            |text: &String| text.parse::<Pubkey>().with_context(|| format!("participants: {text:?} is no address"));
        let addresses = self.participants.iter().map(parse).collect::<Result<Vec<_>>>()?;
        let found = session.tessera().providers_at(&addresses).await?;
        let mut members = Vec::with_capacity(addresses.len());
        for (address, account) in addresses.iter().zip(found) {
            let account = account.with_context(|| format!("participants: there is no provider {address}"))?;
            members.push(Member { provider: *address, key: account.operator.to_bytes() });
        }
        members.sort_by_key(|member| member.key);
        if let Some(pair) = members.windows(2).find(|pair| pair[0].key == pair[1].key) {
            bail!("participants: provider {} is there twice, or shares its key with another one", pair[0].provider);
        }
        Ok(members)
    }
}

const fn most() -> usize {
    MAX_MEMBERS
}

const fn one() -> u8 {
    1
}

const fn delta() -> f64 {
    1e-5
}

const fn deadline() -> u64 {
    1800
}

const fn late() -> u64 {
    300
}

const fn minute() -> u64 {
    60
}

const fn tries() -> u32 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(participants: usize, more: &str) -> Result<Settings> {
        let keys: Vec<String> =
            (0..participants).map(|n| format!("\"{}\"", Pubkey::new_from_array([n as u8; 32]))).collect();
        let text = format!("name = \"digits\"\nlisten = \"127.0.0.1:0\"\nparticipants = [{}]\n{more}", keys.join(","));
        let settings: Settings = toml::from_str(&text)?;
        settings.check_alone()?;
        Ok(settings)
    }

    #[test]
    fn settings_say_what_does_not_fit() {
        let five = settings(5, "").unwrap();
        assert_eq!((five.threshold(5).unwrap(), five.group, five.colluders), (4, 64, 1));
        settings(16, "group = 8\ncolluders = 3\nnoise = 1.0").unwrap();
        let refused = |participants, more: &str| format!("{:#}", settings(participants, more).unwrap_err());
        assert!(refused(2, "").contains("2 participants, expected at least 3"));
        assert!(refused(5, "group = 3").contains("one would have 2"));
        assert!(refused(5, "group = 65").contains("group is 65"));
        assert!(refused(5, "threshold = 3").contains("a threshold of 3 of 5"));
        assert!(refused(5, "colluders = 4").contains("colluders"));
        assert!(refused(5, "noise = -1.0").contains("noise is -1"));
        assert!(refused(5, "delta = 1.0").contains("delta is 1"));
        assert!(refused(5, "deadline_seconds = 0").contains("deadline_seconds is 0"));
        assert!(refused(5, "limit = 0").contains("limit"));
    }
}
