//! Proofs of capability: the table of [`tessera_protocol::capability`] as launches on a device, and the places to show of it.
//!
//! Whatever a device answers is checked here before it goes to the chain: a table with a wrong digest would cost a fee and prove
//! nothing, and says that the device must not compute for anybody.

mod record;

use tessera_protocol::{
    capability::{self, BYTES_PER_PLACE, PASSES, SHOWN},
    hash::Digest,
    spec::{Arg, Buffer, BufferInit, Launch, LaunchPlan},
};

pub use record::{Proof, READABLE};

/// The module; table.cu is its source.
pub const MODULE: &str = include_str!("proof/table.ptx");

/// Threads of a block.
const THREADS: u32 = 256;
/// Stripes in which hits are looked for, one thread each: as many as the smallest table has places. The rare second hit of a
/// stripe is lost.
const STRIPES: u32 = 1 << 14;
/// Threads of a block that looks for hits: few, so that all of a GPU does.
const SEEKERS: u32 = 64;
/// Bytes that a stripe puts out: end of the digest, and its place.
const HIT: usize = 16;
/// What a stripe without a hit puts out.
const NO_HIT: [u8; HIT] = [0xff; HIT];
/// Memory that is left alone on a GPU, in bytes: for what its driver needs besides, and others.
const RESERVE: u64 = 256 << 20;
/// Seed of a table of the least memory that a device computes before a proof begins: it shows that the device computes right,
/// and leaves the module compiled.
pub const REHEARSAL: Digest = [0; 32];
/// Length of a digest.
const DIGEST: u64 = 32;

/// Why a table is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// A digest that the device computed is wrong.
    #[error("a proof of {memory_mib} MiB has a wrong digest at place {place}")]
    Wrong {
        /// Size of the table.
        memory_mib: u32,
        /// The place.
        place: u32,
    },
    /// Too few digests lie under the target: that may happen, and is another with another seed.
    #[error("only {found} of {SHOWN} places lie under the target with this seed")]
    Few {
        /// How many do.
        found: usize,
    },
}

/// The launches that fill `memory_mib` with the table of a seed, and look for hits. The memory is within the
/// [bounds](capability::MEMORY_MIB).
#[must_use]
pub fn plan(seed: &Digest, memory_mib: u32) -> LaunchPlan {
    let places = capability::places(memory_mib);
    let buffer = |index| Arg::Buffer { index, offset: 0 };
    let launch = |kernel: &str, threads: u64, block: u32, args: Vec<Arg>| Launch {
        kernel: kernel.to_owned(),
        // Places are a multiple of a block's threads, and at most 2³².
        grid: [u32::try_from(threads / u64::from(block)).unwrap_or(u32::MAX), 1, 1],
        block: [block, 1, 1],
        shared_len: 0,
        args,
    };
    let mut launches = vec![launch("fill", places, THREADS, vec![buffer(0), Arg::Bytes(seed.to_vec())])];
    let (mut from, mut to) = (0, 1);
    for _ in 0..PASSES {
        launches.push(launch("step", places, THREADS, vec![buffer(from), buffer(to), Arg::Bits64(places)]));
        (from, to) = (to, from);
    }
    let target = Arg::Bits64(capability::target(places));
    let find = vec![buffer(from), Arg::Bits64(places), target, buffer(2)];
    launches.push(launch("find", STRIPES.into(), SEEKERS, find));
    let hits = u64::from(STRIPES) * HIT as u64;
    let lens = [places * DIGEST, places * DIGEST, hits];
    LaunchPlan {
        buffers: lens.map(|len| Buffer { len, init: BufferInit::Zero }).to_vec(),
        launches,
        repeats: vec![],
        output: 2,
    }
}

/// The places in the output of a [`plan`], ascending.
#[must_use]
pub fn read(output: &[u8]) -> Vec<u32> {
    let (stripes, _) = output.as_chunks::<HIT>();
    let place = |hit: &[u8; HIT]| {
        let [.., a, b, c, d, e, f, g, h] = *hit;
        // A number that is no place is not passed over: it is not right, and will be found to be no hit.
        u32::try_from(u64::from_le_bytes([a, b, c, d, e, f, g, h])).unwrap_or(u32::MAX)
    };
    let mut places: Vec<u32> = stripes.iter().filter(|hit| **hit != NO_HIT).map(place).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Chooses what to show of the places that a device has found, ascending, each of which is computed anew.
///
/// # Errors
/// If one of them is no hit, or there are too few.
pub fn choose(seed: &Digest, memory_mib: u32, places: &[u32]) -> Result<[u32; SHOWN], Unproven> {
    let all = capability::places(memory_mib);
    let is_hit = |place: u64| place < all && capability::is_hit(&capability::last(seed, all, place), all);
    if let Some(place) = places.iter().copied().find(|place| !is_hit(u64::from(*place))) {
        return Err(Unproven::Wrong { memory_mib, place });
    }
    let few = || Unproven::Few { found: places.len() };
    places.first_chunk().copied().ok_or_else(few)
}

/// Most memory in MiB that a GPU can show of which so many bytes are free.
#[must_use]
pub fn memory_mib(free: u64) -> u32 {
    let mib = u32::try_from(free.saturating_sub(RESERVE) >> 20).unwrap_or(u32::MAX);
    mib.min(capability::MEMORY_MIB.1)
}

const _: () = assert!(BYTES_PER_PLACE == 2 * DIGEST);

#[cfg(test)]
mod tests;
