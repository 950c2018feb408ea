//! The protocol as a whole: rounds that go well or badly, attacks, and what is to be seen of a vector.

mod attacks;
mod fixture;
mod privacy;
mod refused;
mod rounds;
