//! What to do next with a lease: a pure function of what the journal knows and what the chain shows.
//!
//! The worker asks again after every step and every few seconds, so nothing here remembers anything: a worker that was
//! killed at any instant comes back, asks, and goes on from whatever is true then.

mod decide;
mod view;

pub use decide::{Action, Exit, Me, Mood, Reveal, decide};
pub use view::{Draw, JobView, LeaseState, LeaseView, Record, Seat, SeatState, View};
