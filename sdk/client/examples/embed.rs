//! Turns texts into vectors by the job of a workload, `tessera-nn`, and prints which of them are most alike.
//!
//! ```sh
//! tessera localnet                       # and a worker, see README.md of the project
//! source .tessera-localnet/env
//! cargo run -p tessera-sdk --example embed -- all-MiniLM-L6-v2 'A tessera was a tile.' 'It was a token, too.'
//! ```

use std::{collections::HashSet, error::Error, path::Path};

use solana_keypair::{Keypair, read_keypair_file};
use solana_pubkey::Pubkey;
use tessera_nn::{Embedding, Model, Precision, Vectors};
use tessera_sdk::{Config, JobTerms, StoreClient, Tessera};

/// Texts of a unit. Vectors do not depend on it.
const BATCH: usize = 16;

/// Posts a job that reads `texts`, and returns a vector for each.
pub async fn run(
    tessera: &Tessera,
    wallet: &Keypair,
    market: &Pubkey,
    store: &str,
    model: &Path,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, Box<dyn Error + Send + Sync>> {
    let model = Model::load(model, Precision::F32)?;
    let job = Embedding::job(&model, texts, BATCH)?;
    // The weights among them are put into the store once, and fetched once by each provider, for all jobs of the model.
    let terms = JobTerms { price_per_unit: 1_000_000, replicas: 1, store_url: store.into(), ..JobTerms::default() };
    let posted = tessera.post_job(wallet, market, &job.spec, job.blobs(), terms).await?;
    println!("job {}: {} base units in escrow", posted.job, posted.deposited);

    // Each output is checked against the root that was paid for, before it is handed on. `Vectors::unit` has the rows of one
    // at once; so has `tessera_nn::Answers::unit`, where a decoder generates text.
    let mut vectors = Vectors::new(&job.spec)?;
    let (store, done) = (StoreClient::new(store)?, HashSet::new());
    let collected = tessera.collect(&posted.job, &job.spec, &store, &done, |lease| {
        for (unit, output) in lease.units() {
            vectors.add(unit, output)?;
        }
        Ok(())
    });
    collected.await?;
    Ok(vectors.rows()?)
}

/// How alike two vectors of length 1 are.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}, as `tessera localnet` says"));
    let mut given = std::env::args().skip(1);
    let model = given.next().ok_or("expected the folder of a model, and texts")?;
    let texts: Vec<String> = given.collect();
    let tessera = Tessera::connect(Config::new(variable("TESSERA_URL")?)).await?;
    let wallet = read_keypair_file(variable("TESSERA_KEYPAIR")?).map_err(|e| e.to_string())?;
    let market = variable("TESSERA_MARKET")?.parse()?;
    let store = variable("TESSERA_STORE")?;
    let vectors = run(&tessera, &wallet, &market, &store, Path::new(&model), &texts).await?;
    for (text, vector) in texts.iter().zip(&vectors) {
        let others = texts.iter().zip(&vectors).filter(|(other, _)| *other != text);
        let near = others.max_by(|(_, a), (_, b)| likeness(vector, a).total_cmp(&likeness(vector, b)));
        if let Some((other, found)) = near {
            println!("{text:?} is most like {other:?}: {:.3}", likeness(vector, found));
        }
    }
    Ok(())
}
