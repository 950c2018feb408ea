//! Frames between the worker and its child: the length as u32 little endian, then that many bytes of Borsh.

use std::io::{Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Version of this protocol; both ends are one binary, but it may be replaced on disk while the worker runs.
pub const VERSION: u32 = 4;
/// Longest frame besides the unit outputs: a specification, or a reason.
pub const SMALL: usize = 4 << 20;

/// From the worker to the child.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Order {
    /// Prepare a job.
    Load {
        /// The encoded job specification.
        spec: Vec<u8>,
        /// File with the module.
        module: String,
        /// Files with the inputs, in the order of the specification.
        inputs: Vec<String>,
    },
    /// Compute these units of the job loaded last, in order.
    Run {
        /// The first unit.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Compute units of the [self test](crate::self_test) on one device. The job loaded last is given up.
    Test {
        /// Number of the device, in the order of [`Answer::Hello`].
        device: u32,
        /// The first unit.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Say how much memory each device could give. The job loaded last is given up.
    Room,
    /// Fill memory of one device with the table of a [proof](crate::proof). The job loaded last is given up.
    Prove {
        /// Number of the device, in the order of [`Answer::Hello`].
        device: u32,
        /// Seed of the table.
        seed: [u8; 32],
        /// Its size in MiB.
        memory_mib: u32,
    },
}

/// A device of the child.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChildDevice {
    /// What tells it from others, see [`crate::device::id`].
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its memory in bytes.
    pub memory: u64,
}

/// From the child to the worker.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Answer {
    /// The child is up.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// What it runs on, for people.
        device: String,
        /// The same, one by one.
        devices: Vec<ChildDevice>,
        /// What the kernel could not do to lock the child in; empty: all is done.
        unlocked: Vec<String>,
    },
    /// The job is prepared.
    Loaded,
    /// A unit is computed.
    Unit {
        /// Its number.
        number: u64,
        /// Its output.
        output: Vec<u8>,
    },
    /// The job, or a unit, cannot be computed here.
    Failed {
        /// Why.
        reason: String,
        /// Whose fault it is.
        blame: Blame,
    },
    /// The units of a self test are computed.
    Tested {
        /// The content ids of their outputs.
        digests: Vec<[u8; 32]>,
    },
    /// What the devices could give.
    Room {
        /// Bytes, in the order of [`Answer::Hello`].
        bytes: Vec<u64>,
    },
    /// A table is computed.
    Proved {
        /// Places that lie under the target, ascending.
        places: Vec<u32>,
    },
}

/// Whose fault it is that something cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Blame {
    /// That of this machine: another try may succeed.
    Machine,
    /// The job's: it does not even begin, so that trying again is of no use.
    Job,
    /// The job's, by the word of the interpreter: a unit comes to the same fault on every machine.
    Void,
    /// A GPU says that it is the job's: one of these units is to blame, unless the GPU is.
    Suspected(Vec<u64>),
}

/// What can be wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The pipe broke or ended.
    #[error("the pipe broke: {0}")]
    Io(#[from] std::io::Error),
    /// A length beyond what is allowed here.
    #[error("a frame of {found} bytes, at most {most} are expected")]
    TooLong {
        /// Announced.
        found: usize,
        /// Allowed.
        most: usize,
    },
    /// The bytes are no message.
    #[error("a frame that is no message: {0}")]
    Garbled(std::io::Error),
}

/// Encodes a message with its length.
///
/// # Errors
/// If it is longer than a frame can be.
pub fn encode<T: BorshSerialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    message.serialize(&mut bytes).map_err(|e| FrameError::Garbled(std::io::Error::other(e.to_string())))?;
    let len = u32::try_from(bytes.len() - 4)
        .map_err(|_| FrameError::TooLong { found: bytes.len() - 4, most: u32::MAX as usize })?;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    Ok(bytes)
}

fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, FrameError> {
    T::try_from_slice(bytes).map_err(|e| FrameError::Garbled(std::io::Error::other(e.to_string())))
}

fn check(len: [u8; 4], most: usize) -> Result<usize, FrameError> {
    let found = u32::from_le_bytes(len) as usize;
    if found > most { Err(FrameError::TooLong { found, most }) } else { Ok(found) }
}

/// Reads a message of at most `most` bytes. Not cancel-safe: a reader that was dropped half-way has lost its place.
///
/// # Errors
/// If the pipe breaks or the frame is not a message of that length.
pub async fn receive<T: BorshDeserialize>(from: &mut (impl AsyncRead + Unpin), most: usize) -> Result<T, FrameError> {
    let mut len = [0; 4];
    from.read_exact(&mut len).await?;
    // Memory grows with what really arrives, not with what was announced.
    let len = check(len, most)? as u64;
    let mut bytes = Vec::new();
    let read = from.take(len).read_to_end(&mut bytes).await?;
    if (read as u64) < len {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    decode(&bytes)
}

/// As [`receive`], for the child, which has no runtime.
///
/// # Errors
/// As [`receive`].
pub fn receive_blocking<T: BorshDeserialize>(from: &mut impl Read, most: usize) -> Result<T, FrameError> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let mut bytes = vec![0; check(len, most)?];
    from.read_exact(&mut bytes)?;
    decode(&bytes)
}

/// Writes a message.
///
/// # Errors
/// If the pipe breaks.
pub fn send_blocking<T: BorshSerialize>(to: &mut impl Write, message: &T) -> Result<(), FrameError> {
    to.write_all(&encode(message)?)?;
    to.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn round_trip_and_refusals() {
        let order = Order::Run { first: 1 << 40, count: 7 };
        let bytes = encode(&order).unwrap();
        assert_eq!(receive::<Order>(&mut &bytes[..], SMALL).await.unwrap(), order);
        assert_eq!(receive_blocking::<Order>(&mut &bytes[..], SMALL).unwrap(), order);
        let refused = async |bytes: &[u8], most| receive::<Order>(&mut &bytes[..], most).await.unwrap_err();
        assert!(matches!(refused(&bytes, 5).await, FrameError::TooLong { found: 13, most: 5 }));
        assert!(matches!(refused(&bytes[..9], SMALL).await, FrameError::Io(_)));
        assert!(matches!(refused(&bytes[..2], SMALL).await, FrameError::Io(_)));
        let mut longer = bytes.clone();
        longer.push(0);
        longer[0] += 1;
        assert!(matches!(refused(&longer, SMALL).await, FrameError::Garbled(_)));
    }
}
