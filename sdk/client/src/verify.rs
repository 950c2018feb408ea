//! Checking outputs against the chain: what providers agreed on, and proofs that lead from a unit's bytes to the root that
//! was paid for.
//!
//! Nothing here trusts a store: what it sends is checked against a content id or a result root. What the units *should* be
//! is for the caller to compute, by running the job's module itself; [`first_difference`] says where two outputs part.
//!
//! ```no_run
//! # async fn example(tessera: &tessera_sdk::Tessera, job: &solana_pubkey::Pubkey, mine: &[u8]) -> Result<(), tessera_sdk::Error> {
//! let (spec, store) = tessera.job_spec(job, None).await?;
//! for settled in tessera.settled(job).await? {
//!     let lease = tessera.lease_output(&spec, &store, &settled).await?;
//!     for (unit, output) in lease.units() {
//!         let proof = lease.prove(unit).expect("the unit is one of the lease's");
//!         assert!(proof.holds(output), "unit {unit} was not paid for");
//!     }
//! }
//! # Ok(()) }
//! ```

use std::{collections::BTreeMap, ops::Range};

use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::{CHUNK_LEN, Cid},
    hash::Digest,
    merkle,
    spec::{JobSpec, MAX_SPEC_LEN},
    verdict::VOID_ROOT,
};

use crate::{Error, Event, LeaseOutput, Recorded, StoreClient, Tessera, collect, program_events::LeaseSettled};

/// A lease whose result the chain has: which root its providers agreed on and were paid for.
#[derive(Clone, Debug)]
pub struct SettledLease {
    /// Number of the lease.
    pub index: u32,
    /// Its units.
    pub units: Range<u64>,
    /// Root over the hashes of its units.
    pub result_root: Digest,
    /// The settlement of each seat that computed it: where its sealed outputs are and what opens them.
    pub replicas: Vec<LeaseSettled>,
}

impl SettledLease {
    /// The settled leases among events of a job, in the order of their units.
    ///
    /// # Errors
    /// If two replicas of a lease were paid for different roots, which the program rules out; or if the lease settled
    /// because it has no result.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Result<Vec<Self>, Error> {
        let mut leases = BTreeMap::<u32, Self>::new();
        for recorded in events {
            let Event::LeaseSettled(event) = &recorded.event else { continue };
            if event.result_root == VOID_ROOT {
                return Err(Error::NotComputable { job: event.job, index: event.index });
            }
            let lease = leases.entry(event.index).or_insert_with(|| Self {
                index: event.index,
                units: event.first_unit..event.first_unit.saturating_add(u64::from(event.units)),
                result_root: event.result_root,
                replicas: vec![],
            });
            if lease.result_root != event.result_root {
                return Err(Error::Invalid(format!(
                    "lease {} of job {} settled with two result roots; the endpoint's history is not that of the program",
                    event.index, event.job
                )));
            }
            lease.replicas.push(*event);
        }
        Ok(leases.into_values().collect())
    }
}

/// A proof that an output is that of a unit which was paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitProof {
    /// The unit's place among those of its lease.
    pub place: u64,
    /// Units of the lease.
    pub count: u64,
    /// Siblings on the way from the unit's hash to the root, lowest first.
    pub path: Vec<Digest>,
    /// The lease's result root, as the chain has it.
    pub root: Digest,
}

impl UnitProof {
    /// The proof of one of the units of a lease, from the hashes of all of them; `None` if it is not one of them, or the
    /// hashes are not those of the root.
    #[must_use]
    pub fn new(root: Digest, units: &Range<u64>, hashes: &[Cid], unit: u64) -> Option<Self> {
        let place = unit.checked_sub(units.start)?;
        let index = usize::try_from(place).ok()?;
        let leaves: Vec<Digest> = hashes.iter().map(|hash| hash.0).collect();
        let proof = Self { place, count: units.end - units.start, path: merkle::proof(&leaves, index)?, root };
        proof.leads_from(hashes.get(index)?).then_some(proof)
    }

    /// Whether the output is the one that was paid for.
    #[must_use]
    pub fn holds(&self, output: &[u8]) -> bool {
        self.leads_from(&Cid::of(output))
    }

    fn leads_from(&self, hash: &Cid) -> bool {
        merkle::verify(&self.root, &hash.0, self.place, self.count, &self.path)
    }
}

impl LeaseOutput {
    /// The hashes of the units, in unit order.
    #[must_use]
    pub fn hashes(&self) -> Vec<Cid> {
        self.outputs.iter().map(|output| Cid::of(output)).collect()
    }

    /// The numbers of the units.
    #[must_use]
    pub fn unit_range(&self) -> Range<u64> {
        self.first_unit..self.first_unit + self.outputs.len() as u64
    }

    /// The proof of one of the units; `None` if it is not one of this lease's.
    #[must_use]
    pub fn prove(&self, unit: u64) -> Option<UnitProof> {
        UnitProof::new(self.result_root, &self.unit_range(), &self.hashes(), unit)
    }
}

/// Where an output parts from the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the first byte that differs. Where one output is the start of the other, the length of the shorter.
    pub byte: u64,
    /// Number of the first chunk that differs, the piece of an output that can be proven by itself.
    pub chunk: u64,
    /// What was expected there; `None` if the expected output ends before.
    pub expected: Option<u8>,
    /// What was found there; `None` if the output ends before.
    pub found: Option<u8>,
}

/// The first byte in which two outputs differ; `None` if they are equal.
#[must_use]
pub fn first_difference(expected: &[u8], found: &[u8]) -> Option<Difference> {
    let shared = expected.len().min(found.len());
    let at = expected.iter().zip(found).position(|(a, b)| a != b).unwrap_or(shared);
    (at < expected.len().max(found.len())).then(|| Difference {
        byte: at as u64,
        chunk: (at / CHUNK_LEN) as u64,
        expected: expected.get(at).copied(),
        found: found.get(at).copied(),
    })
}

impl Tessera {
    /// The specification of a job and the store that has its blobs: `store`, or the one that the job names. Works after
    /// the job was closed, but then the chain does not name a store any more.
    ///
    /// # Errors
    /// If there is and was no such job, or the store does not have the specification.
    pub async fn job_spec(&self, job: &Pubkey, store: Option<&str>) -> Result<(JobSpec, StoreClient), Error> {
        let (cid, url) = match self.job(job).await? {
            Some(found) => (Cid(found.spec), store.map_or_else(|| found.store_url(), str::to_owned)),
            None => {
                let history = self.job_history(job).await?;
                let posted = history.iter().find_map(|recorded| match &recorded.event {
                    Event::JobPosted(posted) => Some(Cid(posted.spec)),
                    _ => None,
                });
                let cid = posted.ok_or(Error::NotFound { what: "job, open or closed,", address: *job })?;
                let url =
                    store.ok_or_else(|| Error::Invalid(format!("job {job} is closed; name the store that it used")))?;
                (cid, url.to_owned())
            }
        };
        let store = StoreClient::new(&url)?;
        let bytes = store.get(&cid, MAX_SPEC_LEN as u64).await?;
        Ok((JobSpec::decode(&bytes)?, store))
    }

    /// The leases of a job that have settled, in the order of their units. Works after the job was closed.
    ///
    /// # Errors
    /// As [`Self::history`].
    pub async fn settled(&self, job: &Pubkey) -> Result<Vec<SettledLease>, Error> {
        SettledLease::from_events(&self.job_history(job).await?)
    }

    /// The outputs of a settled lease, checked against its result root, from the first replica whose blob is good.
    ///
    /// # Errors
    /// If the store has no good blob of any replica.
    pub async fn lease_output(
        &self,
        spec: &JobSpec,
        store: &StoreClient,
        lease: &SettledLease,
    ) -> Result<LeaseOutput, Error> {
        let mut last = Error::Invalid(format!("lease {} has no replica", lease.index));
        for replica in &lease.replicas {
            match collect::open(store, spec, replica).await {
                Ok(output) => return Ok(output),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_signature::Signature;
    use tessera_protocol::commitment::result_root;

    #[test]
    fn a_proof_holds_for_its_own_output_alone() {
        let outputs: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
        let hashes = outputs.map(Cid::of);
        let root = result_root(hashes).unwrap();
        let prove = |hashes: &[Cid], unit| UnitProof::new(root, &(10..15), hashes, unit);
        for (place, output) in outputs.iter().enumerate() {
            let proof = prove(&hashes, 10 + place as u64).unwrap();
            assert!(proof.holds(output));
            for other in outputs.iter().filter(|other| *other != output) {
                assert!(!proof.holds(other));
            }
        }
        assert_eq!(prove(&hashes, 9), None);
        assert_eq!(prove(&hashes, 15), None);
        assert_eq!(prove(&hashes[..4], 10), None, "hashes that are not those of the root prove nothing");
    }

    #[test]
    fn differences_are_found_to_the_byte() {
        let mut other = vec![7; 3000];
        assert_eq!(first_difference(&[7; 3000], &other), None);
        other[2048] = 9;
        let difference = first_difference(&[7; 3000], &other).unwrap();
        assert_eq!((difference.byte, difference.chunk), (2048, 2));
        assert_eq!((difference.expected, difference.found), (Some(7), Some(9)));
        let short = first_difference(&[7; 3000], &[7; 1024]).unwrap();
        assert_eq!((short.byte, short.chunk, short.expected, short.found), (1024, 1, Some(7), None));
        assert_eq!(first_difference(&[], &[1]).unwrap().expected, None);
    }

    #[test]
    fn settlements_are_gathered_by_lease() {
        let settled = |index, root, provider| {
            let event = LeaseSettled {
                job: Pubkey::new_from_array([1; 32]),
                index,
                provider: Pubkey::new_from_array([provider; 32]),
                kind: 0,
                pay: 5,
                first_unit: u64::from(index) * 4,
                units: 4,
                result_root: [root; 32],
                sealed: [0; 32],
                key: [0; 32],
            };
            Recorded { signature: Signature::default(), slot: 0, event: Event::LeaseSettled(event) }
        };
        let leases = SettledLease::from_events(&[settled(1, 8, 2), settled(0, 7, 2), settled(1, 8, 3)]).unwrap();
        let seen: Vec<_> =
            leases.iter().map(|lease| (lease.index, lease.units.clone(), lease.replicas.len())).collect();
        assert_eq!(seen, [(0, 0..4, 1), (1, 4..8, 2)]);
        assert!(SettledLease::from_events(&[settled(1, 8, 2), settled(1, 9, 3)]).is_err());
    }

    #[test]
    fn what_cannot_be_computed_is_said() {
        let event = LeaseSettled {
            job: Pubkey::new_from_array([1; 32]),
            index: 7,
            provider: Pubkey::default(),
            kind: 0,
            pay: 5,
            first_unit: 0,
            units: 4,
            result_root: VOID_ROOT,
            sealed: [0; 32],
            key: [0; 32],
        };
        let recorded = Recorded { signature: Signature::default(), slot: 0, event: Event::LeaseSettled(event) };
        assert!(matches!(SettledLease::from_events(&[recorded]), Err(Error::NotComputable { index: 7, .. })));
    }
}
