//! What waits for each participant, and who is in which round.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tessera_protocol::hash::Digest;
use tessera_secure_sum::{Error as SumError, Key, Phase, Server, message::to_bytes};
use tokio::sync::watch;

use crate::{
    Error,
    auth::name,
    letter::{Content, Letter, MAX_OFFERS, MAX_REASON, Offer, Position},
};

/// A round under way.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: Digest,
    /// `None` once the sum is being made.
    server: Mutex<Option<Server>>,
    /// What participants offer, by place.
    offers: Mutex<BTreeMap<u8, Vec<Offer>>>,
    /// Why participants do not take part, by place.
    refusals: Mutex<BTreeMap<u8, String>>,
    /// Tells that something was taken.
    pub(crate) taken: watch::Sender<()>,
}

impl Session {
    pub(crate) fn new(server: Server) -> Arc<Self> {
        let id = server.round().id();
        let (server, taken) = (Mutex::new(Some(server)), watch::Sender::new(()));
        Arc::new(Self { id, server, offers: Mutex::default(), refusals: Mutex::default(), taken })
    }

    /// Takes note that the member with `key` does not take part, while its keys are due. The reason is somebody else's text: what could
    /// change a terminal is left out.
    pub(crate) fn refuse(&self, key: &Key, reason: &str) -> Result<(), SumError> {
        let place = self.with(|server| {
            let place = server.round().place(key).ok_or(SumError::Stranger(*key))?;
            match server.phase() {
                Phase::Adverts if server.missing().contains(place) => Ok(place),
                phase => Err(SumError::Order { expected: phase.name(), found: "a refusal" }),
            }
        })?;
        let reason = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).insert(place, reason);
        Ok(())
    }

    /// Who does not take part, and why.
    pub(crate) fn refused(&self) -> BTreeMap<u8, String> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn offers(&self) -> MutexGuard<'_, BTreeMap<u8, Vec<Offer>>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the member with `key` offers, while its vector is due and once.
    pub(crate) fn offer(&self, key: &Key, offers: Vec<Offer>) -> Result<(), SumError> {
        let place = self.with(|server| {
            let place = server.round().place(key).ok_or(SumError::Stranger(*key))?;
            match server.phase() {
                Phase::Vectors if server.missing().contains(place) => Ok(place),
                Phase::Vectors => Err(SumError::Dropped(place)),
                phase => Err(SumError::Order { expected: phase.name(), found: "offered inputs" }),
            }
        })?;
        if offers.is_empty() || offers.len() > MAX_OFFERS {
            return Err(SumError::Content(format!("{} inputs are offered, expected 1 to {MAX_OFFERS}", offers.len())));
        }
        match self.offers().entry(place) {
            Entry::Vacant(free) => drop(free.insert(offers)),
            Entry::Occupied(old) if *old.get() == offers => {}
            Entry::Occupied(_) => {
                return Err(SumError::Content(format!("member {place} has offered other inputs; the first count")));
            }
        }
        Ok(())
    }

    /// What was offered so far.
    pub(crate) fn offered(&self) -> BTreeMap<u8, Vec<Offer>> {
        self.offers().clone()
    }

    /// Does something with the server, if it is still there.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Server) -> Result<T, SumError>) -> Result<T, SumError> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        match server.as_mut() {
            Some(server) => act(server),
            None => Err(SumError::Order { expected: "nothing", found: "a message" }),
        }
    }

    /// Takes the server out: from now on the session takes nothing.
    pub(crate) fn close(&self) -> Option<Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One participant's place.
struct Desk {
    /// Of the last round that it was invited to: a handful.
    letters: Vec<(Position, Bytes)>,
    session: Option<Arc<Session>>,
    /// Tells that there is a letter, or another reader.
    changed: watch::Sender<()>,
    /// Counts readers; the last one reads.
    reader: u64,
}

/// All desks. What they hold is bounded by the number of participants, since strangers have none.
pub(crate) struct Desks {
    desks: Mutex<HashMap<Key, Desk>>,
    epoch: u64,
    last: Mutex<u64>,
}

/// What a reader finds.
pub(crate) enum Found {
    Letter(Bytes),
    Nothing,
    /// The same participant reads elsewhere by now.
    Replaced,
}

impl Desks {
    pub(crate) fn new(members: impl IntoIterator<Item = Key>, epoch: u64) -> Self {
        let desk = |key| (key, Desk { letters: Vec::new(), session: None, changed: watch::Sender::new(()), reader: 0 });
        Self { desks: Mutex::new(members.into_iter().map(desk).collect()), epoch, last: Mutex::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.lock().contains_key(key)
    }

    /// Seats all of `members` in a session, their desks cleared, if none of them is in another.
    pub(crate) fn seat(&self, members: &[Key], session: &Arc<Session>) -> Result<(), Error> {
        let mut desks = self.lock();
        for key in members {
            match desks.get(key) {
                None => return Err(Error::Stranger(name(key))),
                Some(desk) if desk.session.is_some() => return Err(Error::Busy(name(key))),
                Some(_) => {}
            }
        }
        for key in members {
            if let Some(desk) = desks.get_mut(key) {
                desk.session = Some(Arc::clone(session));
                desk.letters.clear();
            }
        }
        Ok(())
    }

    /// Puts a letter on a desk, if its participant still is in that session.
    pub(crate) fn put(&self, key: &Key, session: &Arc<Session>, content: Content) {
        let mut desks = self.lock();
        let Some(desk) = desks.get_mut(key).filter(|desk| sits(desk, session)) else { return };
        let number = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last += 1;
            *last
        };
        let position = Position { epoch: self.epoch, number };
        let letter = Letter { position, round: session.id, content };
        desk.letters.push((position, to_bytes(&letter).into()));
        desk.changed.send_replace(());
    }

    /// Lets a participant leave a session. Its letters stay until the next.
    pub(crate) fn leave(&self, key: &Key, session: &Arc<Session>) {
        if let Some(desk) = self.lock().get_mut(key).filter(|desk| sits(desk, session)) {
            desk.session = None;
        }
    }

    pub(crate) fn session(&self, key: &Key) -> Option<Arc<Session>> {
        self.lock().get(key)?.session.clone()
    }

    /// A new reader of a desk, whose number it needs to read. Others of that participant read no longer.
    pub(crate) fn reader(&self, key: &Key) -> Option<(u64, watch::Receiver<()>)> {
        let mut desks = self.lock();
        let desk = desks.get_mut(key)?;
        desk.reader += 1;
        desk.changed.send_replace(());
        Some((desk.reader, desk.changed.subscribe()))
    }

    /// The first letter after a position.
    pub(crate) fn read(&self, key: &Key, reader: u64, after: Position) -> Found {
        let desks = self.lock();
        let Some(desk) = desks.get(key).filter(|desk| desk.reader == reader) else { return Found::Replaced };
        let after = if after.epoch == self.epoch { after.number } else { 0 };
        match desk.letters.iter().find(|(position, _)| position.number > after) {
            Some((_, bytes)) => Found::Letter(bytes.clone()),
            None => Found::Nothing,
        }
    }
}

fn sits(desk: &Desk, session: &Arc<Session>) -> bool {
    desk.session.as_ref().is_some_and(|own| Arc::ptr_eq(own, session))
}
