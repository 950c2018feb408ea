//! What the blob of a participant's shard says of itself, for the participant to compare with what a job says of it.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use borsh::{BorshDeserialize, BorshSerialize};

use super::{HEAD, records_at};
use crate::{
    error::{Result, TrainError},
    model::is_text,
    plan::Plan,
};

/// The shape of a participant's shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Shape {
    /// Samples, or bytes of text.
    pub count: u32,
    /// Values of a sample; 1 for text.
    pub width: u32,
    /// The largest label, plus one; 256 for text.
    pub classes: u32,
}

impl Shape {
    /// Of the blob in a file, as `tessera shard` makes it of the data that `plan` is for.
    ///
    /// # Errors
    /// If the file cannot be read, or is not such a blob.
    pub fn read(path: &Path, plan: &Plan) -> Result<Self> {
        let remedy = "check the path, and that this user may read it";
        let failed = |source| TrainError::File { action: "read", path: path.into(), source, remedy };
        let content = |reason: &str| {
            let reason = format!("{reason}: make the shard again, with `tessera shard`");
            TrainError::Content { path: path.into(), reason }
        };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let start = records_at(1);
        if len < start {
            return Err(content("it is too short for a shard"));
        }
        let mut reader = BufReader::new(file);
        let mut head = vec![];
        reader.by_ref().take(start).read_to_end(&mut head).map_err(failed)?;
        let head = crate::job::words(&head);
        let (&[shards, width, _, _], &[first, count, ..]) = (&head[..HEAD], &head[HEAD..]) else {
            return Err(content("its head is not that of a shard"));
        };
        let text = is_text(plan);
        let mut shape = Self { count, width, classes: if text { 256 } else { 0 } };
        if (shards, first) != (1, 0) || width == 0 || (text && width != 1) || len != shape.blob_len(text) {
            return Err(content("it is not one shard of such data, or of another version"));
        }
        if !text {
            let mut label = [0; 4];
            for _ in 0..count {
                reader.read_exact(&mut label).map_err(failed)?;
                reader.seek_relative(4 * i64::from(width)).map_err(failed)?;
                shape.classes = shape.classes.max(u32::from_le_bytes(label).saturating_add(1));
            }
        }
        Ok(shape)
    }

    /// The length of the blob, in bytes.
    pub(crate) fn blob_len(self, text: bool) -> u64 {
        let record = if text { 1 } else { 4 * (1 + u64::from(self.width)) };
        records_at(1) + u64::from(self.count) * record
    }
}
