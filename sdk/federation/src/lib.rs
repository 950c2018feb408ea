//! Carries secure sums ([`tessera_secure_sum`]) over HTTP.
//!
//! Who trains runs a [`Coordinator`]: a service that keeps a few letters for each participant and takes what they say. Participants
//! ([`Participant`]) only ask, by requests that wait for the next letter, so they may stand behind address translation and firewalls.
//! Every request is signed with the provider's key ([`auth`]). The coordinator is not trusted with vectors, nor is whoever
//! listens: what is said is bound and sealed by the protocol itself. TLS, by a proxy in front of the coordinator, keeps others from
//! disturbing rounds and from seeing who takes part.
//!
//! A round ([`Coordinator::gather`], [`Participant::round`]):
//!
//! | coordinator | participant |
//! | --- | --- |
//! | invites a group | checks the owner's [policy](tessera_secure_sum::Policy), writes the round into its file, says its keys |
//! | tells all keys | deals shares |
//! | tells each its shares; [`Gathering`] | [`Turn::take_mask`], kept where its worker finds it; [`Turn::offer`] tells its name |
//! | [`Gathering::offers`]: posts a job for each, whose unit adds the mask to the vector | |
//! | [`Gathering::vector`] as masked vectors are found on chain and in the store; [`Gathering::finish`] tells whose | [`Turn::finish`] confirms |
//! | tells the confirmations | opens shares |
//! | takes the masks off the sum, tells the end | |
//!
//! Each phase ends when all have spoken, or by a deadline ([`Times`]); who is missing is left out, and is invited to the next round again.

pub mod auth;
mod client;
mod connections;
mod coordinator;
mod desk;
mod error;
mod gathering;
mod letter;
mod participant;
mod rounds_file;
mod routes;
#[cfg(test)]
mod tests;

pub use coordinator::{Coordinator, CoordinatorConfig};
pub use error::Error;
pub use gathering::{Gathered, Gathering};
pub use letter::{Ended, MAX_OFFERS, Offer, Times};
pub use participant::{Participant, ParticipantConfig, Turn, WORK};
pub use url::Url;
