//! Sentence embeddings: one vector for each text.

use std::{fs::File, io::BufWriter, path::Path};

use npyz::WriterBuilder;
use tessera_front_end::PreparedJob;
use tessera_protocol::spec::JobSpec;

use crate::{
    encoder::{Encoder, PoolingMode},
    error::{NnError, Result},
    job::{self, Gathered, Notes},
    model::Model,
    plan::{Attention, MAX_KEYS, Planner, at},
    texts::Texts,
};

/// Name of this front end in job specifications.
pub const EMBED_FRONT_END: &str = "embed";

/// Makes jobs that turn texts into vectors.
#[derive(Clone, Copy, Debug)]
pub struct Embedding;

impl Embedding {
    /// Makes a job whose units are `batch` texts each. The vector of a text does not depend on the other texts, nor on `batch`.
    ///
    /// # Errors
    /// If the model is no encoder, there is no text, one is longer than the model can read, or the job is too large.
    pub fn job<T: AsRef<str>>(model: &Model, texts: &[T], batch: usize) -> Result<PreparedJob> {
        let encoder = model.encoder()?;
        let packed = model.pack(texts, batch, &[], encoder.config.positions.min(MAX_KEYS))?;
        let mut planner = Planner::new(model.weights.len(), model.tensor_cores, &packed);
        let output = encode(encoder, &packed, &mut planner);
        let notes = Notes { texts: texts.len() as u64, batch: packed.batch, words: encoder.config.width as u32 };
        job::job(model, &packed, vec![], planner.finish(output), EMBED_FRONT_END, &notes)
    }
}

/// The launches of an encoder; the buffer that holds the vectors.
fn encode(encoder: &Encoder, texts: &Texts, planner: &mut Planner) -> u16 {
    let config = &encoder.config;
    let (width, inner, epsilon) = (config.width, config.inner, config.epsilon);
    let shape = Attention {
        queries: width as u32,
        keys: width as u32,
        head: (width / config.heads) as u32,
        context: texts.longest,
        causal: false,
    };
    let [x, y, attended] = [(); 3].map(|()| planner.row_buffer(width));
    let parts = planner.row_buffer(3 * width);
    let between = planner.row_buffer(inner);
    let caches = [(); 2].map(|()| planner.buffer(shape.cache_len(texts.batch)));
    let norm = |norm: &crate::encoder::Norm| [norm.scale, norm.bias];
    let tables = [encoder.words, encoder.positions, encoder.segment];
    planner.embed_encoder(tables, norm(&encoder.norm), x, width, epsilon);
    for layer in &encoder.layers {
        planner.linear(&layer.project, x, parts, None);
        planner.attention(&shape, parts, None, caches.map(at), attended);
        planner.linear(&layer.out, attended, y, Some(x));
        planner.layer_norm(y, norm(&layer.attention_norm), x, width, epsilon);
        planner.linear(&layer.up, x, between, None);
        planner.gelu(between, inner);
        planner.linear(&layer.down, between, y, Some(x));
        planner.layer_norm(y, norm(&layer.norm), x, width, epsilon);
    }
    let output = planner.buffer(u64::from(texts.batch) * width as u64 * 4);
    let mode = match encoder.pooling.mode {
        PoolingMode::Mean => 0,
        PoolingMode::First => 1,
    };
    planner.pool(x, output, width, mode, encoder.pooling.normalise);
    output
}

/// Puts the outputs of a job's units together: a row of floats for each text.
#[derive(Debug)]
pub struct Vectors {
    gathered: Gathered,
}

impl Vectors {
    /// For a job of [`Embedding::job`].
    ///
    /// # Errors
    /// If another front end made the job.
    pub fn new(spec: &JobSpec) -> Result<Self> {
        Self::of(spec, EMBED_FRONT_END)
    }

    pub(crate) fn of(spec: &JobSpec, front_end: &str) -> Result<Self> {
        Ok(Self { gathered: Gathered::new(spec, front_end)? })
    }

    /// Takes the output of a unit, in any order; whether it was not there yet.
    ///
    /// # Errors
    /// If the job has no such unit, or the output has another length.
    pub fn add(&mut self, unit: u64, output: &[u8]) -> Result<bool> {
        self.gathered.add(unit, output)
    }

    /// Values of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.gathered.words()
    }

    /// The rows of a unit, if it is there: for whoever does not wait for all.
    #[must_use]
    pub fn unit(&self, unit: u64) -> Option<Vec<Vec<f32>>> {
        Some(self.gathered.unit(unit)?.map(floats).collect())
    }

    /// The rows, in the order of the texts.
    ///
    /// # Errors
    /// If units are missing.
    pub fn rows(&self) -> Result<Vec<Vec<f32>>> {
        Ok(self.gathered.texts()?.map(floats).collect())
    }

    /// Writes the rows as an array of NumPy.
    ///
    /// # Errors
    /// If units are missing, or the file cannot be written.
    pub fn write_npy(&self, path: &Path) -> Result<()> {
        let failed = |source| NnError::File { action: "write", path: path.into(), source, remedy: "check the path" };
        let rows = self.rows()?;
        let shape = [rows.len() as u64, self.width() as u64];
        let file = BufWriter::new(File::create(path).map_err(failed)?);
        let options = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file);
        let mut writer = options.begin_nd().map_err(failed)?;
        writer.extend(rows.into_iter().flatten()).map_err(failed)?;
        writer.finish().map_err(failed)
    }
}

fn floats(row: &[u32]) -> Vec<f32> {
    row.iter().map(|bits| f32::from_bits(*bits)).collect()
}
