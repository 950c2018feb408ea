//! Trainings in which a private shard of this machine takes part.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use solana_pubkey::Pubkey;
use tessera_federation::Url;
use tessera_protocol::hash::Digest;
use tessera_secure_sum::{MAX_MEMBERS, MIN_MEMBERS, Policy, Round};

use super::settings::{parsed, parsed_list};

/// Folder within the private one for masks.
const MASKS: &str = "masks";

/// One training.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Its name, which its client gave it.
    pub name: String,
    /// The wallet that trains.
    #[serde(deserialize_with = "parsed")]
    pub client: Pubkey,
    /// Where its coordinator is: `http(s)://HOST[:PORT]`.
    pub coordinator: String,
    /// The file with the plan. Jobs that compute anything else are refused.
    pub plan: PathBuf,
    /// The shard, a file within `private.folder`.
    pub shard: PathBuf,
    /// Keys with which the workers of others sign (their operator keys): nobody else is summed with.
    #[serde(deserialize_with = "parsed_list")]
    pub peers: Vec<Pubkey>,
    /// At least so many others in a sum do not work together with the client.
    #[serde(default = "two")]
    pub honest_others: u8,
    /// At least so many of the group may work together with the client without learning more than the sum of the others.
    #[serde(default = "one")]
    pub colluders: u8,
    /// Longest update, in parameters.
    #[serde(default = "longest")]
    pub max_len: u32,
    /// Least variance of the noise that each participant adds, in squared steps.
    #[serde(default)]
    pub noise: u64,
}

impl TrainingSettings {
    /// Checks that the settings make sense.
    pub(super) fn check(&self) -> Result<()> {
        let name = &self.name;
        ensure!(!name.is_empty(), "private.training: name is empty, expected the one that its client gave it");
        let url = self.url()?;
        ensure!(
            matches!(url.scheme(), "http" | "https"),
            "private.training {name}: coordinator is {url}, expected http(s)://HOST[:PORT]"
        );
        ensure!(
            !self.shard.as_os_str().is_empty()
                && self.shard.components().all(|part| matches!(part, Component::Normal(_))),
            "private.training {name}: shard {:?}, expected a file within private.folder",
            self.shard
        );
        let (peers, least) = (self.peers.len(), MIN_MEMBERS - 1);
        ensure!(peers >= least, "private.training {name}: {peers} peers, expected at least {least}");
        ensure!(self.honest_others > 0, "private.training {name}: honest_others is 0, expected at least 1");
        // Where all of the largest group must stay.
        let (colluders, honest_others) = (self.colluders, self.honest_others);
        let most = (self.largest_group() - 1).saturating_sub(colluders.into());
        ensure!(
            most >= honest_others.into(),
            "private.training {name}: of {peers} peers of whom {colluders} may collude, {most} others are honest at the most, honest_others is {honest_others}: no round can be taken part in; name more peers, or lower honest_others"
        );
        Ok(())
    }

    /// Members of the largest group that the peers allow, this machine among them.
    fn largest_group(&self) -> usize {
        (self.peers.len() + 1).min(MAX_MEMBERS)
    }

    /// What must be so besides, if rounds of all peers are to be taken part in.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let (group, colluders) = (self.largest_group(), usize::from(self.colluders));
        let least = Round::least_threshold(group, colluders);
        let needed = usize::from(self.honest_others) + colluders + 1;
        (least < needed).then(|| {
            format!(
                "rounds of {group} members are taken part in only if all but {} must stay to the end (threshold = {needed} in the client's file of participants, not the least that is safe, {least}): name more peers, or set honest_others to {}",
                group.saturating_sub(needed),
                least.saturating_sub(colluders + 1)
            )
        })
    }

    /// Where the coordinator is.
    ///
    /// # Errors
    /// If that is no URL.
    pub fn url(&self) -> Result<Url> {
        let Self { name, coordinator, .. } = self;
        let expected =
            || format!("private.training {name}: coordinator {coordinator:?}, expected http(s)://HOST[:PORT]");
        Url::parse(coordinator).with_context(expected)
    }

    /// The training's id.
    #[must_use]
    pub fn id(&self) -> Digest {
        tessera_train::training_id(&self.client.to_bytes(), &self.name)
    }

    /// The same in hexadecimal.
    #[must_use]
    pub fn id_text(&self) -> String {
        self.id().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The folder within the private one in which its masks lie.
    #[must_use]
    pub fn masks(&self) -> PathBuf {
        Path::new(MASKS).join(self.id_text())
    }

    /// In which rounds this machine takes part.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::new(self.id(), self.peers.iter().map(|peer| peer.to_bytes()));
        policy.honest_others = self.honest_others;
        policy.colluders = self.colluders;
        policy.max_len = self.max_len;
        policy.noise = self.noise;
        policy
    }

    /// What is taken part in, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self { name, client, coordinator, shard, peers, honest_others, colluders, .. } = self;
        format!(
            "training {name} of {client} at {coordinator}, shard {}, with {} others, of whom {honest_others} are honest and {colluders} may not be",
            shard.display(),
            peers.len()
        )
    }
}

const fn one() -> u8 {
    1
}

const fn two() -> u8 {
    2
}

const fn longest() -> u32 {
    1 << 26
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: (&str, &str)) -> Result<TrainingSettings> {
        let keys = [1, 2, 3, 4, 5].map(|n| Pubkey::new_from_array([n; 32]));
        let text = format!(
            "name = \"digits\"\nclient = \"{}\"\ncoordinator = \"https://train.example\"\nplan = \"digits.toml\"\n\
             shard = \"data/own.shard\"\npeers = [\"{}\", \"{}\", \"{}\", \"{}\"]\n",
            keys[0], keys[1], keys[2], keys[3], keys[4]
        );
        let settings: TrainingSettings = toml::from_str(&text.replace(change.0, change.1))?;
        settings.check()?;
        Ok(settings)
    }

    #[test]
    fn a_participant_is_careful_unless_told_otherwise() {
        let settings = settings(("", "")).unwrap();
        let policy = settings.policy();
        assert_eq!((policy.honest_others, policy.colluders, policy.noise, policy.peers.len()), (2, 1, 0, 4));
        assert!(policy.trainings.contains(&settings.id()) && policy.trainings.len() == 1);
        // Another client's training of the same name is another one.
        let other = TrainingSettings { client: Pubkey::new_from_array([9; 32]), ..settings.clone() };
        assert_ne!(other.id(), settings.id());
        assert!(settings.describe().contains("training digits of"));
    }

    #[test]
    fn a_policy_that_no_round_can_meet_is_refused() {
        let without = |left_out: &[u8]| {
            let mut kept = settings(("", "")).unwrap();
            kept.peers.retain(|peer| !left_out.contains(&peer.to_bytes()[0]));
            kept
        };
        let five = without(&[]);
        assert_eq!((five.check().is_ok(), five.remark()), (true, None));
        // Four members must all stay, since the least threshold of 3 leaves one honest other.
        let four = without(&[2]);
        assert!(four.check().is_ok() && four.remark().unwrap().contains("threshold = 4"), "{:?}", four.remark());
        let three = without(&[2, 3]);
        let refused = three.check().unwrap_err().to_string();
        assert!(refused.contains("1 others are honest at the most, honest_others is 2"), "{refused}");
        let one = TrainingSettings { honest_others: 1, ..three };
        assert_eq!((one.check().is_ok(), one.remark()), (true, None));
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |from: &str, to: &str| format!("{:#}", settings((from, to)).unwrap_err());
        assert!(wrong("https://train.example", "train.example").contains("coordinator"));
        assert!(wrong("https://train.example", "ftp://train.example").contains("http(s)"));
        for shard in ["../own", "/etc/own", ""] {
            assert!(wrong("data/own.shard", shard).contains("within private.folder"), "{shard}");
        }
        let named = [2, 3, 4].map(|n| format!("\"{}\", ", Pubkey::new_from_array([n; 32]))).concat();
        assert!(wrong(&named, "").contains("1 peers, expected at least 2"));
        assert!(wrong("name = \"digits\"", "name = \"\"").contains("name is empty"));
        assert!(wrong("plan =", "honest_others = 0\nplan =").contains("honest_others is 0"));
        assert!(wrong("plan =", "limit = 0\nplan =").contains("limit"));
    }
}
