//! A group's round: keys and shares, a private job for each participant, masked updates, their sum.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tessera_federation::{Coordinator, Offer};
use tessera_protocol::{cid::Cid, hash::Digest};
use tessera_sdk::StoreClient;
use tessera_secure_sum::{Key, Round, dp::Noise, words_from_bytes};
use tessera_train::Training;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{
    errands::Errands,
    settings::{Member, Settings},
};
use crate::session::Session;

/// What a group's round needs.
pub struct Group<'a> {
    pub session: &'a Session<'a>,
    pub coordinator: &'a Coordinator,
    pub settings: &'a Settings,
    pub training: &'a Training,
    /// One job is posted at a time: each has the wallet's next number.
    pub errands: &'a Mutex<Errands>,
    pub members: &'a [Member],
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
    /// The sum of the updates that came in time, and how many there are.
    pub async fn sum(self, numbers: Numbers) -> Result<(Vec<u32>, usize)> {
        let Numbers { training, round, group, task, noise, words } = numbers;
        let threshold = self.settings.threshold(self.members.len())?;
        let mut members: Vec<Key> = self.members.iter().map(|member| member.key).collect();
        members.sort_unstable();
        let noise = noise.map_or(0, |noise| noise.variance);
        let colluders = self.settings.colluders;
        let asked = Round { training, round, group, task, len: words, threshold, colluders, noise, members };
        let gathering = self.coordinator.gather(asked, self.settings.times()).await?;
        let mut until = Instant::now() + self.settings.deadline();
        let offers = gathering.offers(self.settings.times().deals).await?;
        let this = &self;
        let ask = |(key, offers): (Key, Vec<Offer>)| async move { (key, this.update(round, &key, &offers).await) };
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
        drop(coming);
        let gathered = gathering.finish().await?;
        if !gathered.suspects.is_empty() {
            let suspects: Vec<String> =
                gathered.suspects.iter().filter_map(|key| Some(self.member(key)?.provider.to_string())).collect();
            self.session.say(&format!("shares that do not fit, of one of each two of: {}", suspects.join(", ")))?;
        }
        Ok((gathered.sum.words, gathered.members.len()))
    }

    fn member(&self, key: &Key) -> Option<&Member> {
        self.members.iter().find(|member| member.key == *key)
    }

    /// One participant's masked update: a private job is posted for it alone, and its output waited for.
    async fn update(&self, round: u64, key: &Key, offers: &[Offer]) -> Result<Vec<u32>> {
        let member = self.member(key).context("somebody who was not invited")?;
        let &[data, mask] = offers else { bail!("{} inputs are offered, expected data and mask", offers.len()) };
        let expected = 4 * self.training.private_words() as u64;
        ensure!(mask.len == expected, "a mask of {} bytes, expected {expected}", mask.len);
        let job = self.training.private_job((Cid(data.cid), data.len), Cid(mask.cid))?;
        let address = self.errands.lock().await.post(self.session, round, member, &job).await?;
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
