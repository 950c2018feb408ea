//! A group's round: keys and shares, a private job for each participant, masked updates, their sum.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tessera_federation::{Coordinator, Error as FederationError, Gathering, Offer};
use tessera_protocol::{cid::Cid, hash::Digest};
use tessera_sdk::StoreClient;
use tessera_secure_sum::{Key, Round, dp::Noise, words_from_bytes};
use tessera_train::Training;
use tokio::{
    select,
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    errands::Errands,
    settings::{Member, Settings},
    sums::Sum,
};
use crate::{folder::Folder, session::Session};

/// What a group's round needs.
pub struct Group<'a> {
    pub session: &'a Session<'a>,
    pub coordinator: &'a Coordinator,
    pub settings: &'a Settings,
    pub training: &'a Training,
    /// One job is posted at a time: each has the wallet's next number.
    pub errands: &'a Mutex<Errands>,
    /// Where sums are kept.
    pub folder: &'a Folder,
    pub members: &'a [Member],
    /// Participants of all groups.
    pub invited: usize,
}

/// What names a round, and what its vectors are.
pub struct Numbers {
    pub training: Digest,
    pub round: u64,
    pub group: u32,
    pub task: Digest,
    pub noise: Option<Noise>,
    pub words: u32,
}

impl Group<'_> {
    /// Has the updates summed that come in time, and keeps the sum; of how many there are it is.
    pub async fn sum(self, numbers: Numbers) -> Result<usize> {
        let Numbers { training, round, group, task, noise, words } = numbers;
        let threshold = self.settings.threshold(self.members.len())?;
        let mut members: Vec<Key> = self.members.iter().map(|member| member.key).collect();
        members.sort_unstable();
        let noise = noise.map_or(0, |noise| noise.variance);
        let colluders = self.settings.colluders;
        let asked = Round { training, round, group, task, len: words, threshold, colluders, noise, members };
        let mut gathering = self.invite(asked).await?;
        let mut until = Instant::now() + self.settings.deadline();
        let offers = gathering.offers(self.settings.times().deals).await?;
        let (this, is_over) = (&self, &AtomicBool::new(false));
        let ask =
            |(key, offers): (Key, Vec<Offer>)| async move { (key, this.update(round, &key, &offers, is_over).await) };
        let mut coming: FuturesUnordered<_> = offers.into_iter().map(ask).collect();
        let mut there = 0;
        while let Ok(Some((key, update))) = timeout_at(until, coming.next()).await {
            let added = update.and_then(|update| Ok(gathering.vector(&key, &update)?));
            let Err(error) = added else {
                there += 1;
                if there == usize::from(threshold) {
                    until = until.min(Instant::now() + self.settings.late());
                }
                continue;
            };
            let member = self.member(&key).map_or_else(String::new, |member| member.provider.to_string());
            self.session.say(&format!("no update of {member}: {error:#}"))?;
        }
        is_over.store(true, Ordering::Relaxed);
        // Whoever posts a job does that to its end: one that was sent and not noted would be looked for in vain.
        let posted = self.errands.lock();
        tokio::pin!(posted);
        loop {
            select! {
                _guard = &mut posted => break,
                Some(_) = coming.next() => {}
            }
        }
        drop(coming);
        let gathered = gathering.sum().await?;
        if !gathered.suspects.is_empty() {
            let suspects: Vec<String> =
                gathered.suspects.iter().filter_map(|key| Some(self.member(key)?.provider.to_string())).collect();
            self.session.say(&format!("shares that do not fit, of one of each two of: {}", suspects.join(", ")))?;
        }
        let (updates, invited) = (gathered.members.len(), self.invited);
        let sum = Sum { round: self.training.round(), words: gathered.sum.words, updates, invited };
        // First: participants who know that there is a sum do not help to make it again.
        sum.keep(self.folder, group)?;
        gathering.end();
        Ok(updates)
    }

    /// Invites the members, and says who does not take part, and why.
    async fn invite(&self, asked: Round) -> Result<Gathering> {
        let say = |refused: Vec<(Key, String)>| {
            refused.iter().try_for_each(|(key, reason)| {
                let member = self.member(key).map_or_else(String::new, |member| member.provider.to_string());
                self.session.say(&format!("{member} does not take part: {reason}"))
            })
        };
        match self.coordinator.gather(asked, self.settings.times()).await {
            Ok(gathering) => {
                say(gathering.refused())?;
                Ok(gathering)
            }
            Err(FederationError::Unwilling { error, refused }) => {
                say(refused)?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn member(&self, key: &Key) -> Option<&Member> {
        self.members.iter().find(|member| member.key == *key)
    }

    /// One participant's masked update: a private job is posted for it alone, and its output waited for.
    async fn update(&self, round: u64, key: &Key, offers: &[Offer], is_over: &AtomicBool) -> Result<Vec<u32>> {
        let member = self.member(key).context("somebody who was not invited")?;
        let &[data, mask] = offers else { bail!("{} inputs are offered, expected data and mask", offers.len()) };
        let expected = 4 * self.training.private_words() as u64;
        ensure!(mask.len == expected, "a mask of {} bytes, expected {expected}", mask.len);
        let job = self.training.private_job((Cid(data.cid), data.len), Cid(mask.cid))?;
        let mut errands = self.errands.lock().await;
        ensure!(!is_over.load(Ordering::Relaxed), "its turn to be asked came too late");
        let address = errands.post(self.session, round, member, &job).await?;
        drop(errands);
        let store = StoreClient::new(self.session.store_url()?)?;
        let mut output = None;
        self.session
            .tessera()
            .collect(&address, &job.spec, &store, &HashSet::new(), |lease| {
                output = lease.outputs.first().cloned();
                Ok(())
            })
            .await?;
        self.errands.lock().await.delivered(&address);
        Ok(words_from_bytes(&output.context("the job has no output")?)?)
    }
}

/// The members because of whom a group has no sum, as far as that can be told from its error.
pub fn because_of(error: &anyhow::Error, members: &[Member]) -> Vec<Member> {
    let Some(FederationError::Sum(error)) = error.downcast_ref::<FederationError>() else { return vec![] };
    let mut by_place = members.to_vec();
    by_place.sort_unstable_by_key(|member| member.key);
    error.because_of().iter().filter_map(|place| by_place.get(usize::from(place)).copied()).collect()
}

/// Sizes of groups of at most `most`: as few and as equal as they can be.
pub fn sizes(members: usize, most: usize) -> Vec<usize> {
    let groups = members.div_ceil(most.max(1)).max(1);
    (0..groups).map(|group| (group + 1) * members / groups - group * members / groups).collect()
}

/// Divides members into groups, drawn anew for each round: who is grouped with whom is not up to them.
pub fn divide(members: &[Member], most: usize) -> Result<Vec<Vec<Member>>> {
    let mut order = members.to_vec();
    for last in (1..order.len()).rev() {
        let random = getrandom::u64().context("the system gives no random numbers")?;
        // Of a few members; what is not even in this is less than 2⁻⁵⁰.
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
    let mut rest = &order[..];
    let cut = |size: usize| {
        let (group, others) = rest.split_at(size);
        rest = others;
        group.to_vec()
    };
    Ok(sizes(members.len(), most).into_iter().map(cut).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_pubkey::Pubkey;

    #[test]
    fn who_voids_a_round_is_known_by_its_place() {
        let member = |n: u8| Member { provider: Pubkey::new_from_array([9 - n; 32]), key: [n; 32] };
        let members = [member(5), member(2), member(7)];
        let lied = anyhow::Error::from(FederationError::Sum(tessera_secure_sum::Error::Dealer(2))).context("a group");
        assert_eq!(because_of(&lied, &members), [member(7)]);
        let few = tessera_secure_sum::Error::TooFew { phase: "masked vectors", found: 1, threshold: 2 };
        assert!(because_of(&FederationError::Sum(few).into(), &members).is_empty());
        assert!(because_of(&anyhow::anyhow!("no store"), &members).is_empty());
    }

    #[test]
    fn everybody_is_in_one_group() {
        assert_eq!(sizes(8, 64), [8]);
        assert_eq!(sizes(8, 4), [4, 4]);
        assert_eq!(sizes(10, 4), [3, 3, 4]);
        let members: Vec<Member> =
            (0..10).map(|n| Member { provider: Pubkey::new_from_array([n; 32]), key: [n; 32] }).collect();
        let groups = divide(&members, 4).unwrap();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 4]);
        let mut all: Vec<Key> = groups.concat().iter().map(|member| member.key).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(members.iter().map(|member| member.key)));
    }
}
