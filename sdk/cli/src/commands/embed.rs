//! `tessera embed`: sentence embeddings, computed by strangers.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use npyz::WriterBuilder as _;
use tessera_nn::{Embedding, Model, PreparedJob, Vectors};
use tessera_protocol::spec::JobSpec;

use super::texts::{self, Front, Kept, Reader, Text};
use crate::options::Options;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    texts: texts::TextArgs,
    /// File that is written; the same command goes on where an earlier one was stopped
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Turns texts into vectors.
struct Embed;

pub async fn run(options: &Options, args: Args) -> Result<()> {
    texts::run(options, &args.texts, Some(&args.out), Embed).await
}

impl Front for Embed {
    const NAME: &'static str = "embed";
    const DOING: &'static str = "embedding";
    const MADE: &'static str = "these vectors were";
    const IS_STREAMED: bool = false;
    type Reader = Vectors;

    fn longest(&self, model: &Model) -> Result<usize> {
        if model.generates() {
            bail!(
                "expected an encoder such as BERT, found a decoder, which generates text: `tessera generate` takes it"
            );
        }
        Ok(model.context())
    }

    fn job(&self, model: &Model, texts: &[&str], batch: usize, _first: u64, _made: u32) -> Result<PreparedJob> {
        Ok(Embedding::job(model, texts, batch)?)
    }

    fn reader(&self, spec: &JobSpec) -> Result<Vectors> {
        Ok(Vectors::new(spec)?)
    }

    /// An array of NumPy with a row for each text. It is there whole or not at all.
    fn write(&self, out: &Path, texts: &[Text], kept: &Kept) -> Result<()> {
        write(out, texts.len() as u64, kept).with_context(|| format!("cannot write {}", out.display()))
    }
}

impl Reader for Vectors {
    /// The rows, as floats one behind the other.
    fn unit(&mut self, _model: &Model, unit: u64, output: &[u8], texts: &[Text]) -> Result<Vec<u8>> {
        self.add(unit, output)?;
        let rows = Self::unit(self, unit).context("a unit that was added is not there")?;
        if rows.len() != texts.len() {
            bail!("unit {unit} has {} vectors, expected {}", rows.len(), texts.len());
        }
        Ok(rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect())
    }
}

fn write(out: &Path, texts: u64, kept: &Kept) -> Result<()> {
    let bytes = (0..kept.units()).try_fold(0, |sum, unit| anyhow::Ok(sum + kept.read(unit)?.len() as u64))?;
    let shape = [texts, bytes / 4 / texts.max(1)];
    texts::whole(out, |file| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        for unit in 0..kept.units() {
            let values = kept.read(unit)?;
            writer.extend(values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)))?;
        }
        Ok(writer.finish()?)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn vectors_are_rows_of_an_array() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut kept = Kept::open(&dir.path().join("units"), 2).unwrap();
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        kept.put(1, &floats(&[5.0, -0.0])).unwrap();
        kept.put(0, &floats(&[1.0, 2.0, 3.0, f32::MIN_POSITIVE])).unwrap();
        let out = dir.path().join("v.npy");
        let texts = vec![Text { id: None, text: "a".into() }; 3];
        Embed.write(&out, &texts, &kept).unwrap();
        let file = fs::read(&out).unwrap();
        let array = npyz::NpyFile::new(&file[..]).unwrap();
        assert_eq!(array.shape(), [3, 2]);
        let values: Vec<f32> = array.into_vec().unwrap();
        assert_eq!(values, [1.0, 2.0, 3.0, f32::MIN_POSITIVE, 5.0, -0.0]);
        // Nothing half written is left beside.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        let error = format!("{:#}", Embed.write(&dir.path().join("no/v.npy"), &texts, &kept).unwrap_err());
        assert!(error.contains("cannot write") && error.contains("v.npy"), "{error}");
    }
}
