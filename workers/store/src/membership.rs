//! Who may put blobs: wallets with a client account in the market and operators of its providers.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use solana_pubkey::Pubkey;
use tessera_sdk::{Tessera, pda};
use tokio::time::Instant;

use crate::StoreError;

/// Says whether a key may put blobs.
#[async_trait]
pub trait Membership: Send + Sync + 'static {
    /// Whether `key` belongs to a client or an operator of the market.
    ///
    /// # Errors
    /// If it cannot be found out now.
    async fn is_member(&self, key: &Pubkey) -> Result<bool, StoreError>;
}

/// A set of keys that never changes, for stores of a closed group.
#[async_trait]
impl Membership for HashSet<Pubkey> {
    async fn is_member(&self, key: &Pubkey) -> Result<bool, StoreError> {
        Ok(self.contains(key))
    }
}

/// Looks keys up in a market on chain.
pub struct OnChain {
    tessera: Tessera,
    market: Pubkey,
    operators: tokio::sync::Mutex<Operators>,
}

/// The operators of the market's providers, as of a moment.
#[derive(Default)]
struct Operators {
    keys: HashSet<Pubkey>,
    read: Option<Instant>,
}

/// All providers are listed at most once in so long, however many strangers ask.
const RELIST: Duration = Duration::from_secs(2);

impl OnChain {
    /// Members of `market`.
    #[must_use]
    pub fn new(tessera: Tessera, market: Pubkey) -> Self {
        Self { tessera, market, operators: tokio::sync::Mutex::default() }
    }
}

#[async_trait]
impl Membership for OnChain {
    async fn is_member(&self, key: &Pubkey) -> Result<bool, StoreError> {
        let failed = |e: tessera_sdk::Error| StoreError::Membership { key: key.to_string(), reason: e.to_string() };
        if self.tessera.client(&pda::client(&self.market, key)).await.map_err(failed)?.is_some() {
            return Ok(true);
        }
        let mut operators = self.operators.lock().await;
        if operators.read.is_none_or(|read| read.elapsed() >= RELIST) {
            let providers = self.tessera.providers(&self.market).await.map_err(failed)?;
            operators.keys = providers.iter().map(|provider| provider.operator).collect();
            operators.read = Some(Instant::now());
        }
        Ok(operators.keys.contains(key))
    }
}

/// How long answers are believed, and how many are kept.
#[derive(Clone, Copy, Debug)]
pub struct CacheTimes {
    /// A member stays one for so long.
    pub positive: Duration,
    /// A stranger may ask again after so long: short, because people put blobs right after they register.
    pub negative: Duration,
    /// Most answers kept.
    pub entries: usize,
}

impl Default for CacheTimes {
    fn default() -> Self {
        Self { positive: Duration::from_secs(600), negative: Duration::from_secs(3), entries: 10_000 }
    }
}

/// Remembers answers, so that a flood of requests does not become a flood of look-ups.
pub struct Cached {
    inner: Arc<dyn Membership>,
    times: CacheTimes,
    answers: Mutex<HashMap<Pubkey, (bool, Instant)>>,
}

impl Cached {
    /// Remembers the answers of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Membership>, times: CacheTimes) -> Self {
        Self { inner, times, answers: Mutex::default() }
    }

    fn recall(&self, key: &Pubkey) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(key).filter(|(_, until)| Instant::now() < *until).map(|(answer, _)| *answer)
    }

    fn remember(&self, key: Pubkey, answer: bool) {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= self.times.entries {
            answers.retain(|_, (_, until)| now < *until);
        }
        if answers.len() >= self.times.entries {
            // Full of fresh answers: strangers' go first, because anybody can make those.
            answers.retain(|_, (member, _)| *member);
        }
        if answers.len() < self.times.entries {
            let time = if answer { self.times.positive } else { self.times.negative };
            answers.insert(key, (answer, now + time));
        }
    }
}

#[async_trait]
impl Membership for Cached {
    async fn is_member(&self, key: &Pubkey) -> Result<bool, StoreError> {
        if let Some(answer) = self.recall(key) {
            return Ok(answer);
        }
        let answer = self.inner.is_member(key).await?;
        self.remember(*key, answer);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[derive(Default)]
    struct Register {
        registered: AtomicBool,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl Membership for Register {
        async fn is_member(&self, _: &Pubkey) -> Result<bool, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(self.registered.load(Ordering::SeqCst))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_forgotten_soon_and_a_member_late() {
        let register = Arc::new(Register::default());
        let cached = Cached::new(register.clone(), CacheTimes::default());
        let key = Pubkey::new_from_array([7; 32]);
        let asked = || register.asked.load(Ordering::SeqCst);

        assert!(!cached.is_member(&key).await.unwrap());
        register.registered.store(true, Ordering::SeqCst);
        assert!(!cached.is_member(&key).await.unwrap(), "still cached");
        assert_eq!(asked(), 1);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(cached.is_member(&key).await.unwrap());
        register.registered.store(false, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(500)).await;
        assert!(cached.is_member(&key).await.unwrap());
        assert_eq!(asked(), 2);
        tokio::time::advance(Duration::from_secs(101)).await;
        assert!(!cached.is_member(&key).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_cannot_push_members_out() {
        let register = Arc::new(Register::default());
        let times = CacheTimes { entries: 4, ..CacheTimes::default() };
        let cached = Cached::new(register.clone(), times);
        let key = |n| Pubkey::new_from_array([n; 32]);
        register.registered.store(true, Ordering::SeqCst);
        assert!(cached.is_member(&key(0)).await.unwrap());
        register.registered.store(false, Ordering::SeqCst);
        for n in 1..40 {
            assert!(!cached.is_member(&key(n)).await.unwrap());
        }
        let asked = register.asked.load(Ordering::SeqCst);
        assert!(cached.is_member(&key(0)).await.unwrap());
        assert_eq!(register.asked.load(Ordering::SeqCst), asked);
        assert!(cached.answers.lock().unwrap().len() <= 4);
    }
}
