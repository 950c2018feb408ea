//! The file with the rounds that a participant has taken part in, so that none is taken part in twice.

use std::{
    fs,
    io::{BufWriter, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use tessera_protocol::hash::Digest;
use tessera_secure_sum::Rounds;

use crate::Error;

/// Largest file that is read: some hundred thousand rounds.
const MAX_LEN: u64 = 16 << 20;
/// Word between a training and the task of a sum.
const SUMMED: &str = "summed";

/// Lines of `{training} {last round}` and `{training} summed {task}`, training and task in hexadecimal.
#[derive(Clone, Debug)]
pub(crate) struct RoundsFile {
    path: PathBuf,
}

/// What a line says.
enum Line {
    Last(Digest, u64),
    Summed(Digest, Digest),
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let digest = |text: &str| {
            let mut digest = [0; 32];
            hex::decode_to_slice(text, &mut digest).ok().map(|()| digest)
        };
        let (training, said) = line.split_once(' ')?;
        let training = digest(training)?;
        match said.split_once(' ') {
            Some((SUMMED, task)) => Some(Self::Summed(training, digest(task)?)),
            Some(_) => None,
            None => Some(Self::Last(training, said.parse().ok()?)),
        }
    }
}

impl RoundsFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn error(&self, action: &'static str, reason: impl ToString) -> Error {
        Error::Rounds { action, path: self.path.clone(), reason: reason.to_string() }
    }

    /// Reads it. A file that is not there has no rounds; one that cannot be read is an error, since its rounds would be forgotten.
    pub(crate) fn load(&self) -> Result<Rounds, Error> {
        let text = match fs::metadata(&self.path) {
            Ok(about) if about.len() > MAX_LEN => {
                return Err(self.error("read", format!("{} bytes, expected at most {MAX_LEN}", about.len())));
            }
            Ok(_) => fs::read_to_string(&self.path).map_err(|e| self.error("read", e))?,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Rounds::default()),
            Err(e) => return Err(self.error("read", e)),
        };
        let (mut last, mut summed) = (Vec::new(), Vec::new());
        for line in text.lines() {
            match Line::read(line) {
                Some(Line::Last(training, round)) => last.push((training, round)),
                Some(Line::Summed(training, task)) => summed.push((training, task)),
                None => {
                    let expected = "expected a training and a number or a task";
                    return Err(self.error("read", format!("{expected}, found {line:?}")));
                }
            }
        }
        Ok(Rounds::from_entries(last, summed))
    }

    /// Writes it anew, whole or not at all.
    pub(crate) fn save(&self, rounds: &Rounds) -> Result<(), Error> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let write = || {
            let mut file = BufWriter::new(NamedTempFile::new_in(folder)?);
            for (training, round) in rounds.entries() {
                writeln!(file, "{} {round}", hex::encode(training))?;
            }
            for (training, task) in rounds.tasks() {
                writeln!(file, "{} {SUMMED} {}", hex::encode(training), hex::encode(task))?;
            }
            let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|e| e.error)?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(|e: std::io::Error| self.error("write", e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_outlive_a_process_and_are_not_forgotten_by_damage() {
        let folder = tempfile::tempdir().unwrap();
        let file = RoundsFile::new(folder.path().join("rounds"));
        assert_eq!(file.load().unwrap(), Rounds::default());
        let rounds =
            Rounds::from_entries([([7; 32], 3), ([8; 32], u64::MAX)], [([7; 32], [1; 32]), ([7; 32], [2; 32])]);
        file.save(&rounds).unwrap();
        assert_eq!(file.load().unwrap(), rounds);
        file.save(&rounds).unwrap();
        for damaged in ["x", "00 1", &format!("{} x", "00".repeat(32)), &format!("{} summed 00", "00".repeat(32)), "\n"]
        {
            fs::write(&file.path, damaged).unwrap();
            assert!(file.load().is_err(), "{damaged:?}");
        }
        let nowhere = RoundsFile::new(folder.path().join("none/rounds"));
        assert!(nowhere.save(&rounds).is_err());
    }
}
