//! Sums of private vectors.
//!
//! Members of a group each hold a vector of integers. A server learns the sum of those that stay to the end, modulo 2^32, and nothing else of
//! the vectors, while at most `colluders` of the members work together with it. The protocol is that of Bonawitz et al.,
//! "Practical Secure Aggregation for Privacy-Preserving Machine Learning" (CCS 2017), figure 4, in its variant against servers that lie,
//! with the keys of providers as public key infrastructure:
//!
//! | | members say ([`message::Said`]) | server says ([`message::Told`]) |
//! | --- | --- | --- |
//! | 1 | two X25519 keys, signed | all keys |
//! | 2 | Shamir shares of their mask key and of the seed of their own mask, sealed for each other | the shares for each |
//! | 3 | their vector plus [`Mask`], by whatever way | whose vectors came |
//! | 4 | a signature of that set and of all keys | t signatures or more |
//! | 5 | of each whose vector came the share of its seed, of each other the share of its mask key | |
//!
//! Everything is bound to the [`Round`] by signatures, key derivation and associated data. [`Participant`] and [`Server`] do no input or
//! output and know no time: who carries messages decides when a phase is over. [`dp`] has noise and its price.
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use tessera_secure_sum::{Participant, Policy, Round, Rounds, Server};
//!
//! let mut keys: Vec<_> = (1..=3).map(|i| SigningKey::from_bytes(&[i; 32])).collect();
//! keys.sort_by_key(|key| key.verifying_key().to_bytes());
//! let members: Vec<_> = keys.iter().map(|key| key.verifying_key().to_bytes()).collect();
//! let round = Round {
//!     training: [1; 32], round: 1, group: 0, task: [2; 32], len: 8, threshold: 3, colluders: 1, noise: 0, members: members.clone(),
//! };
//! let mut policy = Policy::new([1; 32], members);
//! // With two others, one of whom may collude, there is one left.
//! policy.honest_others = 1;
//!
//! let mut server = Server::new(round.clone())?;
//! let join = |key| Participant::join(round.clone(), key, &policy, &mut Rounds::default());
//! let mut all = keys.iter().map(join).collect::<Result<Vec<_>, _>>()?;
//! for member in &all {
//!     server.take(member.advert().clone())?;
//! }
//! let (_, keys) = server.end_adverts()?;
//! for member in &mut all {
//!     server.take(member.keys(&keys)?)?;
//! }
//! for (place, dealt) in server.end_deals()? {
//!     let mask = all[usize::from(place)].dealt(&dealt)?;
//!     server.vector(place, &mask.hide(&[10, -20, 0, 0, 0, 0, 0, 1])?)?;
//! }
//! let (_, survivors) = server.end_vectors()?;
//! for member in &mut all {
//!     server.take(member.survivors(&survivors)?)?;
//! }
//! let (_, confirmed) = server.end_confirmations()?;
//! for member in &mut all {
//!     server.take(member.confirmed(&confirmed)?)?;
//! }
//! assert_eq!(server.finish()?.signed(), [30, -60, 0, 0, 0, 0, 0, 3]);
//! # Ok::<(), tessera_secure_sum::Error>(())
//! ```

pub mod dp;
mod error;
mod mask;
pub mod message;
mod participant;
mod policy;
mod round;
mod secret;
mod server;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use mask::{Mask, words_from_bytes};
pub use participant::Participant;
pub use policy::{MIN_LEN, Policy, Rounds};
pub use round::{Key, MAX_LEN, MAX_MEMBERS, MAX_NOISE, MIN_MEMBERS, Members, Round};
pub use server::{Phase, Server, Sum};
