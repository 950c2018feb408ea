//! Posts a job, waits for its outputs, closes it, and says what it has cost.
//!
//! ```sh
//! tessera localnet                       # and a worker, see README.md of the project
//! source .tessera-localnet/env
//! cargo run -p tessera-sdk --example post_and_await
//! ```

use std::{collections::HashSet, error::Error, time::Duration};

use bytes::Bytes;
use solana_keypair::{Keypair, read_keypair_file};
use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};
use tessera_sdk::{Config, JobTerms, Ledger, StoreClient, Tessera};

/// A kernel of which each unit writes its number into 64 words.
pub const MODULE: &str = r"
.version 7.0
.target sm_80
.address_size 64
.visible .entry fill(.param .u64 out, .param .u32 unit)
{
    .reg .b32 %r<3>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [out];
    ld.param.u32 %r1, [unit];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r2, 4;
    add.s64 %rd4, %rd2, %rd3;
    st.global.u32 [%rd4], %r1;
    ret;
}
";

/// A job of `units` units: one launch of 64 threads, whose buffer is the output.
pub fn spec(units: u64) -> JobSpec {
    let args = vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Unit32];
    JobSpec {
        version: SPEC_VERSION,
        module: Cid::of(MODULE.as_bytes()),
        inputs: vec![],
        plan: LaunchPlan {
            buffers: vec![Buffer { len: 256, init: BufferInit::Zero }],
            launches: vec![Launch { kernel: "fill".into(), grid: [1; 3], block: [64, 1, 1], shared_len: 0, args }],
            repeats: vec![],
            output: 0,
        },
        units,
        unit_gas: 100_000,
        visibility: Visibility::Public,
        front_end: FrontEnd { name: "example".into(), data: vec![] },
    }
}

/// What is offered for it: one replica, and `price` base units for each unit.
pub fn terms(price: u64, store: &str) -> JobTerms {
    JobTerms {
        price_per_unit: price,
        units_per_lease: 2,
        lease_seconds: 60,
        store_url: store.into(),
        ..JobTerms::default()
    }
}

/// Posts a job of `units` units, and returns its outputs in the order of the units, and where the money went.
pub async fn run(
    tessera: &Tessera,
    wallet: &Keypair,
    market: &Pubkey,
    store: &str,
    units: u64,
) -> Result<(Vec<Bytes>, Ledger), Box<dyn Error + Send + Sync>> {
    let (spec, blobs) = (spec(units), vec![Bytes::from(MODULE)]);
    let posted = tessera.post_job(wallet, market, &spec, blobs, terms(1_000_000, store)).await?;
    println!("job {}: {} base units in escrow", posted.job, posted.deposited);

    // Each output is checked against the root that was paid for, before it is handed on.
    let mut outputs = vec![Bytes::new(); usize::try_from(units)?];
    let (store, done) = (StoreClient::new(store)?, HashSet::new());
    let collected = tessera.collect(&posted.job, &spec, &store, &done, |lease| {
        for (unit, output) in lease.units() {
            outputs[usize::try_from(unit)?] = output.clone();
        }
        Ok(())
    });
    collected.await?;

    // The outputs are there as soon as one replica of a lease is paid; a job can be closed when all are.
    for _ in 0..120 {
        match tessera.job(&posted.job).await? {
            Some(job) if job.is_complete() && job.owed_seats == 0 && job.contested == 0 => {
                tessera.close_job(wallet, &posted.job).await?;
            }
            Some(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            None => break,
        }
    }
    Ok((outputs, tessera.ledger(&posted.job).await?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}, as `tessera localnet` says"));
    let tessera = Tessera::connect(Config::new(variable("TESSERA_URL")?)).await?;
    let wallet = read_keypair_file(variable("TESSERA_KEYPAIR")?).map_err(|e| e.to_string())?;
    let market = variable("TESSERA_MARKET")?.parse()?;
    let (outputs, ledger) = run(&tessera, &wallet, &market, &variable("TESSERA_STORE")?, 8).await?;
    println!("{} outputs; {} base units paid, {} refunded", outputs.len(), ledger.paid_sum(), ledger.refunded);
    Ok(())
}
