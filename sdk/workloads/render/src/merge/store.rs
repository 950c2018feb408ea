//! Sums on disk, to go on after a stop: one file a frame, written whole, with a checksum.

use std::path::Path;

use borsh::{BorshDeserialize, BorshSerialize};
use bytemuck::{Pod, cast_slice};
use tessera_protocol::hash::sha256;

use super::{
    Merge,
    sums::{Known, Sums, Surface},
};
use crate::{
    error::{RenderError, Result},
    image::write_whole,
    load::read_file,
    picture::{Film, FrameInfo},
};

/// First bytes of a file.
const MAGIC: &[u8; 16] = b"tessera frame 1\n";
/// Bytes of the checksum at its end.
const SUM_LEN: usize = 32;

/// What stands before the sums.
#[derive(BorshSerialize, BorshDeserialize)]
struct Head {
    film: Film,
    info: FrameInfo,
    tiles: Vec<Known>,
    moment: bool,
    surface: bool,
}

impl Merge {
    /// Writes the sums of a frame to a file. The file appears whole or not at all.
    ///
    /// # Errors
    /// If nothing of the frame was added, its sums were released, or the file cannot be written.
    pub fn save_frame(&self, frame: u32, path: &Path) -> Result<()> {
        let sums = self.frames.get(&frame).filter(|sums| !sums.beauty.is_empty());
        let sums = sums.ok_or_else(|| RenderError::Merge(format!("there are no sums of frame {frame}")))?;
        let head = Head {
            film: self.film,
            info: sums.info,
            tiles: sums.tiles.clone(),
            moment: !sums.moment.is_empty(),
            surface: !sums.surface.is_empty(),
        };
        let head = borsh::to_vec(&head).map_err(|e| RenderError::Merge(format!("cannot encode sums: {e}")))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((head.len() as u64).to_le_bytes());
        bytes.extend(&head);
        bytes.extend_from_slice(cast_slice(&sums.beauty));
        bytes.extend_from_slice(cast_slice(&sums.moment));
        bytes.extend_from_slice(cast_slice(&sums.surface));
        let checksum = sha256(&[&bytes]);
        bytes.extend(checksum);
        write_whole(path, &bytes)
    }

    /// Reads the sums of a frame back, in place of what was added of it so far. Returns its number.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of pictures of another size.
    pub fn restore_frame(&mut self, path: &Path) -> Result<u32> {
        let sums = self.parse(&read_file(path)?).ok_or_else(|| {
            let size = (self.film.width, self.film.height, self.film.tile);
            let what = "a whole file of sums of pictures";
            RenderError::Merge(format!(
                "{}: not {what} of {} x {}, tiles of {}",
                path.display(),
                size.0,
                size.1,
                size.2
            ))
        })?;
        let number = sums.info.number;
        self.frames.insert(number, sums);
        Ok(number)
    }

    fn parse(&self, bytes: &[u8]) -> Option<Sums> {
        let (rest, checksum) = bytes.split_at(bytes.len().checked_sub(SUM_LEN)?);
        if sha256(&[rest]) != checksum {
            return None;
        }
        let (len, rest) = rest.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (head, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        let head = Head::try_from_slice(head).ok()?;
        let tiles = self.film.tile_count() as usize;
        if head.film != self.film || head.tiles.len() != tiles || !head.tiles.iter().all(Known::is_sound) {
            return None;
        }
        let pixels = self.film.pixels();
        let count = |held: bool| if held { pixels } else { 0 };
        let (beauty, rest) = take::<u64>(rest, pixels * 3)?;
        let (moment, rest) = take::<u64>(rest, count(head.moment))?;
        let (surface, rest) = take::<Surface>(rest, count(head.surface))?;
        rest.is_empty().then_some(Sums { info: head.info, tiles: head.tiles, beauty, moment, surface })
    }
}

/// The first `count` records of some bytes, and the rest.
fn take<T: Pod>(bytes: &[u8], count: usize) -> Option<(Vec<T>, &[u8])> {
    let (records, rest) = bytes.split_at_checked(count.checked_mul(size_of::<T>())?)?;
    Some((bytemuck::pod_collect_to_vec(records), rest))
}
