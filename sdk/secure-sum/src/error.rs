//! What can go wrong.

use crate::{Members, message::Kind};

/// Why a message, a round or an end of a phase is refused. A refused message changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Numbers that do not fit together.
    #[error("round: {0}")]
    Round(String),
    /// The round is not one that the participant's owner allows.
    #[error("not allowed by this participant: {0}")]
    Policy(String),
    /// The key is not among the members.
    #[error("key {} is not a member of this round", bs58::encode(.0).into_string())]
    Stranger([u8; 32]),
    /// Bytes that are no message.
    #[error("a message of {len} bytes cannot be read: {reason}")]
    Malformed {
        /// How many bytes there were.
        len: usize,
        /// What is wrong with them.
        reason: String,
    },
    /// A place that no member has.
    #[error("place {place}, expected one below {members}")]
    Place {
        /// What was named.
        place: u8,
        /// How many members there are.
        members: usize,
    },
    /// Not signed by who it names, for this round.
    #[error("member {0}'s message is not signed by it for this round: forged, altered or of another round")]
    Signature(u8),
    /// A message of another phase.
    #[error("{found} came while {expected} was due: too late, too early, or not in this order")]
    Order {
        /// What is due; "nothing" when the round has ended.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// The member has sent this kind of message already; the first one counts.
    #[error("member {from} has sent its {kind} already; the first counts")]
    Repeated {
        /// Who.
        from: u8,
        /// What.
        kind: Kind,
    },
    /// Members without whom this phase goes on.
    #[error("member {0} has dropped out of this round")]
    Dropped(u8),
    /// Contents that do not fit the round or each other.
    #[error("{0}")]
    Content(String),
    /// A vector of another length.
    #[error("member {from}'s vector has {found} elements, expected {expected}")]
    Len {
        /// Whose.
        from: u8,
        /// Elements that it has.
        found: usize,
        /// Elements of the round.
        expected: u32,
    },
    /// Not enough stayed.
    #[error("{phase}: only {found} members stayed, {threshold} are needed; the round is void, nothing was learnt")]
    TooFew {
        /// Where they were lost.
        phase: &'static str,
        /// How many stayed.
        found: u32,
        /// The threshold.
        threshold: u8,
    },
    /// Too few good shares of somebody's secret: no sum.
    #[error(
        "too few shares that fit of the secrets of members {of}; members {suspects} sent others than were dealt, or dealt wrong ones"
    )]
    Unopened {
        /// Whose secrets stay closed.
        of: Members,
        /// Who sent shares that are not those which were dealt, and whose shares they are.
        suspects: Members,
        /// Without whom it would have gone well, as far as can be told: who contradicts most others, and whose shares so few could
        /// open that no liar among them explains it.
        because_of: Members,
    },
    /// Shares that were dealt do not give the secret that was announced: the dealer cheated.
    #[error("the shares that member {0} dealt do not give the secret that it announced; leave it out")]
    Dealer(u8),
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// Differential privacy with numbers that make no sense.
    #[error("privacy: {0}")]
    Privacy(String),
}

impl Error {
    /// Members because of whom there is no sum, as far as can be told. Nobody where some were only missing.
    #[must_use]
    pub const fn because_of(&self) -> Members {
        match self {
            Self::Dealer(place) => Members::NONE.with(*place),
            Self::Unopened { because_of, .. } => *because_of,
            _ => Members::NONE,
        }
    }
}
