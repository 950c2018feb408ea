use std::io::{Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};
use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    commitment::{Place, Reveal, commit, key_hash},
    hash::Digest,
    verdict::{Kind, VOID_ROOT},
};

/// A lease of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LeaseId {
    /// Address of the job.
    pub job: [u8; 32],
    /// Number of the lease in it.
    pub index: u32,
}

impl LeaseId {
    /// Lease `index` of `job`.
    #[must_use]
    pub fn new(job: &Pubkey, index: u32) -> Self {
        Self { job: job.to_bytes(), index }
    }

    /// Address of the job.
    #[must_use]
    pub fn job(&self) -> Pubkey {
        Pubkey::new_from_array(self.job)
    }
}

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.job(), self.index)
    }
}

/// What the worker last set out to do with a lease. What has really happened, the chain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Phase {
    /// A claim may have been sent.
    Claiming,
    /// The seat is ours; there is no result yet.
    Leased,
    /// There is a result.
    Executed,
    /// A commit may have been sent.
    Committing,
    /// A reveal may have been sent.
    Revealing,
    /// An opening may have been sent.
    Opening,
    /// The seat is being left: settled, returned or expired.
    Leaving,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Claiming, Self::Leased, Self::Executed, Self::Committing, Self::Revealing, Self::Opening, Self::Leaving];

    /// One word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claiming => "claiming",
            Self::Leased => "leased",
            Self::Executed => "executed",
            Self::Committing => "committed",
            Self::Revealing => "revealed",
            Self::Opening => "opened",
            Self::Leaving => "leaving",
        }
    }
}

/// A result: everything that a commitment binds, and what it was sealed with.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sealed {
    /// Tree over the unit hashes.
    pub result_root: Digest,
    /// Tree over the work leaves.
    pub work_root: Digest,
    /// Opens the sealed outputs. Drawn anew for every execution.
    pub key: Digest,
    /// Hides the roots in the commitment. Drawn anew for every execution.
    pub nonce: Digest,
    /// The sealed outputs.
    pub cid: Cid,
    /// Their length in bytes.
    pub len: u64,
}

impl Sealed {
    /// Whether it says that there is no result, so that nothing is in the store.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.result_root == VOID_ROOT
    }

    /// What a reveal shows.
    #[must_use]
    pub fn reveal(&self) -> Reveal {
        Reveal {
            result_root: self.result_root,
            work_root: self.work_root,
            key_hash: key_hash(&self.key),
            nonce: self.nonce,
        }
    }

    /// The commitment to this result at `place`.
    #[must_use]
    pub fn commitment(&self, place: &Place) -> Digest {
        commit(place, &self.reveal())
    }
}

impl std::fmt::Debug for Sealed {
    /// Without key and nonce: those must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("cid", &self.cid).field("len", &self.len).finish_non_exhaustive()
    }
}

/// A lease that the worker has to do with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Which.
    pub id: LeaseId,
    /// Our address as a provider; a commitment binds it.
    pub provider: [u8; 32],
    /// The attempt number of our seat, as soon as it was seen on chain.
    pub attempt: Option<u32>,
    /// What the worker set out to do last.
    pub phase: Phase,
    /// The result, from [`Phase::Executed`] on.
    pub result: Option<Sealed>,
    /// When the claim was sent, in Unix seconds.
    pub claimed_at: i64,
    /// How we came to the lease, as soon as that was seen on chain.
    #[borsh(serialize_with = "write_kind", deserialize_with = "read_kind")]
    pub kind: Kind,
    /// What the seat pays, as soon as it was seen on chain.
    pub pay: u64,
    /// Whether a settlement of this seat by us is known to have landed.
    pub paid: bool,
}

fn write_kind<W: Write>(kind: &Kind, writer: &mut W) -> std::io::Result<()> {
    u8::from(*kind).serialize(writer)
}

fn read_kind<R: Read>(reader: &mut R) -> std::io::Result<Kind> {
    let byte = u8::deserialize_reader(reader)?;
    Kind::try_from(byte).map_err(|_| std::io::Error::other(format!("a seat of kind {byte}")))
}

impl Entry {
    /// The first thing written about a lease: that it is going to be claimed.
    #[must_use]
    pub fn claiming(id: LeaseId, provider: &Pubkey, now: i64) -> Self {
        Self {
            id,
            provider: provider.to_bytes(),
            attempt: None,
            phase: Phase::Claiming,
            result: None,
            claimed_at: now,
            kind: Kind::Base,
            pay: 0,
            paid: false,
        }
    }

    /// The place of our seat, once its attempt number is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        Some(Place { job: self.id.job, lease: self.id.index, attempt: self.attempt?, provider: self.provider })
    }

    /// The commitment to our result, if there is one.
    #[must_use]
    pub fn commitment(&self) -> Option<Digest> {
        Some(self.result.as_ref()?.commitment(&self.place()?))
    }
}
