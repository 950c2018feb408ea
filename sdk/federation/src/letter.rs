//! What the coordinator writes to a participant.

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use tessera_protocol::hash::Digest;
use tessera_secure_sum::{Members, Round, message::Told};

/// Longest letter in bytes: a message of the protocol, and what stands around it.
pub const MAX_LETTER_LEN: usize = tessera_secure_sum::message::MAX_MESSAGE_LEN + 4096;

/// Where a participant has read to. A coordinator that was started anew has another epoch, and begins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Position {
    /// Which run of the coordinator.
    pub epoch: u64,
    /// Number of the letter in it.
    pub number: u64,
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Letter {
    /// Where it stands.
    pub position: Position,
    /// [`Round::id`] of the round that it is about.
    pub round: Digest,
    /// What it says.
    pub content: Content,
}

/// What letters say.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Content {
    /// A round begins; keys are awaited.
    Invitation(Round),
    /// A message of the protocol.
    Told(Told),
    /// The round is over.
    Ended(Ended),
}

/// Most private inputs of a unit.
pub const MAX_OFFERS: usize = 8;

/// Longest reason, in characters, for which a participant does not take part.
pub const MAX_REASON: usize = 300;

/// A private input of the unit that computes a participant's vector: who trains needs its name to post the job, not its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Offer {
    /// Content id.
    pub cid: Digest,
    /// Bytes.
    pub len: u64,
}

/// How a round ends for a participant.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ended {
    /// There is a sum of the vectors of these.
    Summed(Members),
    /// It goes on without this participant, from whom something did not come in time.
    Dropped,
    /// There is no sum.
    Void(String),
}

/// How long participants have for what they say, in each phase; it ends earlier when all have spoken. How long masked vectors may take
/// is up to whoever gathers them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For keys.
    pub adverts: Duration,
    /// For shares.
    pub deals: Duration,
    /// For confirmations.
    pub confirmations: Duration,
    /// For opened shares; it ends as soon as there are enough.
    pub openings: Duration,
}

impl Default for Times {
    /// A minute for each, twice as long for keys.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { adverts: 2 * minute, deals: minute, confirmations: minute, openings: minute }
    }
}
