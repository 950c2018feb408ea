//! `tessera verify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use serde::Serialize;
use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    spec::{JobSpec, MAX_MODULE_LEN},
};
use tessera_sdk::{Difference, Error, LeaseOutput, SettledLease, StoreClient, Tessera, UnitProof, first_difference};

use crate::{
    here::{Here, On},
    options::Options,
    output::print,
    outputs::Outputs,
    posted,
    progress::Progress,
};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Address of the job; it may be closed
    job: Pubkey,
    /// Units to verify [default: all]
    #[arg(value_name = "UNIT")]
    units: Vec<u64>,
    /// Verify the files in this folder, as `tessera run` writes them, instead of the store's outputs
    #[arg(long, value_name = "DIR")]
    outputs: Option<PathBuf>,
    /// URL of the store [default: that of the job, or of the folder]
    #[arg(long, value_name = "URL", env = "TESSERA_STORE")]
    store: Option<String>,
    /// What to compute on
    #[arg(long, value_enum, default_value_t = On::Cpu)]
    backend: On,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    job: String,
    accepted: bool,
    units: Vec<Verdict>,
}

/// What was found about a unit.
#[derive(Serialize)]
struct Verdict {
    unit: u64,
    /// Whether all is well: the output is what this machine computes, and what was paid for.
    accepted: bool,
    /// Whether the output is the one that the root on chain stands for.
    proven: bool,
    /// The first byte that is not what this machine computes.
    difference: Option<DifferenceView>,
    /// Why it is not accepted.
    problem: Option<String>,
}

/// Where an output parts from what this machine computes.
#[derive(Serialize)]
struct DifferenceView {
    byte: u64,
    chunk: u64,
    expected: Option<u8>,
    found: Option<u8>,
}

/// Everything that verifying needs.
struct Verifier<'a> {
    tessera: &'a Tessera,
    spec: JobSpec,
    store: StoreClient,
    files: Option<Outputs>,
    here: Here,
}

pub async fn run(options: &Options, args: Args) -> Result<()> {
    let tessera = options.connect().await?;
    let files = args.outputs.as_deref().map(Outputs::open).transpose()?;
    let noted = files.as_ref().map(|files| posted::note(files.folder())).transpose()?.flatten();
    let noted = noted.filter(|note| note.job.as_deref() == Some(args.job.to_string().as_str())).map(|note| note.store);
    let url = args.store.or(noted);
    let (spec, store) = tessera.job_spec(&args.job, url.as_deref()).await.context("cannot get the job")?;
    if let Some(unit) = args.units.iter().find(|unit| **unit >= spec.units) {
        bail!("there is no unit {unit}: the job has {}, numbered from 0", spec.units);
    }
    let wanted: BTreeSet<u64> =
        if args.units.is_empty() { (0..spec.units).collect() } else { args.units.into_iter().collect() };
    let settled = tessera.settled(&args.job).await?;
    let module = store.get(&spec.module, MAX_MODULE_LEN).await.context("cannot get the module")?;
    let module = String::from_utf8(module.to_vec()).context("the job's module is no text")?;
    let mut inputs = vec![];
    for input in &spec.inputs {
        let bytes = store.get(&input.cid, input.len).await;
        inputs.push(bytes.with_context(|| format!("cannot get input {:?}", input.name))?);
    }
    let here = Here::start(&spec, &module, &inputs, args.backend).await.context("the job cannot be computed here")?;
    let verifier = Verifier { tessera: &tessera, spec, store, files, here };
    let units = verifier.verify(&settled, &wanted).await?;

    // What is missing now can still be asked for, as long as it is not paid.
    for missing in verifier.tessera.missing_outputs(&args.job, &verifier.store).await? {
        eprintln!("warning: {missing}");
    }
    let bad = units.iter().filter(|verdict| !verdict.accepted).count();
    let report = Report { job: args.job.to_string(), accepted: bad == 0, units };
    print(options.json, &report, plain)?;
    if bad > 0 {
        bail!("{bad} of {} units are not accepted", report.units.len());
    }
    Ok(())
}

impl Verifier<'_> {
    async fn verify(&self, settled: &[SettledLease], wanted: &BTreeSet<u64>) -> Result<Vec<Verdict>> {
        let mut verdicts = BTreeMap::new();
        let mut progress = Progress::new("verifying", wanted.len() as u64);
        for lease in settled {
            let units: Vec<u64> = wanted.range(lease.units.clone()).copied().collect();
            if units.is_empty() {
                continue;
            }
            let stored = self.tessera.lease_output(&self.spec, &self.store, lease).await;
            for unit in units {
                let verdict = self.unit(unit, lease, &stored).await?;
                verdicts.insert(unit, verdict);
                progress.add(1);
            }
        }
        let unsettled =
            |unit: u64| Verdict::without_output(unit, "its lease has not settled: nothing was paid for".into());
        Ok(wanted.iter().map(|unit| verdicts.remove(unit).unwrap_or_else(|| unsettled(*unit))).collect())
    }

    async fn unit(&self, unit: u64, lease: &SettledLease, stored: &Result<LeaseOutput, Error>) -> Result<Verdict> {
        let output = match (&self.files, stored) {
            (Some(files), _) => files.read(unit).map(Bytes::from).map_err(|error| format!("{error:#}")),
            (None, Ok(stored)) => {
                let found = stored.units().find(|(number, _)| *number == unit).map(|(_, output)| output.clone());
                found.ok_or_else(|| "the lease does not have it".into())
            }
            (None, Err(error)) => Err(error.to_string()),
        };
        let output = match output {
            Ok(output) => output,
            Err(problem) => return Ok(Verdict::without_output(unit, problem)),
        };
        // The store has the hashes of a lease as long as it has its outputs; else the files may.
        let hashes = match (stored, &self.files) {
            (Ok(stored), _) => Some(stored.hashes()),
            (Err(_), Some(files)) => files.hashes(lease.units.clone()),
            (Err(_), None) => None,
        };
        let hashes: Option<Vec<Cid>> =
            hashes.filter(|hashes| hashes.len() as u64 == lease.units.end - lease.units.start);
        let proof = hashes.and_then(|hashes| UnitProof::new(lease.result_root, &lease.units, &hashes, unit));
        let expected = self.here.unit(unit).await?.output;
        Ok(Verdict::of(unit, &expected, &output, proof.as_ref()))
    }
}

impl Verdict {
    fn without_output(unit: u64, problem: String) -> Self {
        Self { unit, accepted: false, proven: false, difference: None, problem: Some(problem) }
    }

    fn of(unit: u64, expected: &[u8], output: &[u8], proof: Option<&UnitProof>) -> Self {
        let proven = proof.is_some_and(|proof| proof.holds(output));
        let difference = first_difference(expected, output);
        let problem = match (&difference, proof) {
            (None, _) if proven => None,
            (None, Some(_)) => Some("it is what this machine computes, but not what was paid for".into()),
            (None, None) => {
                Some("neither the store nor the files have the rest of its lease, so that nothing proves that it was paid for".into())
            }
            (Some(difference), _) => {
                let paid = proof.is_some_and(|proof| proof.holds(expected));
                let note = match (proven, paid) {
                    (true, _) => "; it is what was paid for all the same: providers and this machine do not agree",
                    (_, true) => "; what this machine computes is what was paid for",
                    _ => "",
                };
                Some(format!("{}{note}", in_words(difference)))
            }
        };
        let difference = difference.map(|Difference { byte, chunk, expected, found }| DifferenceView {
            byte,
            chunk,
            expected,
            found,
        });
        Self { unit, accepted: problem.is_none(), proven, difference, problem }
    }
}

fn in_words(difference: &Difference) -> String {
    let byte = |value: Option<u8>| value.map_or_else(|| "the end".into(), |value| format!("{value:#04x}"));
    format!(
        "byte {} (in chunk {}) is {}, expected {}",
        difference.byte,
        difference.chunk,
        byte(difference.found),
        byte(difference.expected)
    )
}

fn plain(report: &Report) -> String {
    let mut text = String::new();
    for verdict in &report.units {
        if let Some(problem) = &verdict.problem {
            text += &format!("unit {}: {problem}\n", verdict.unit);
        }
    }
    let (all, good) = (report.units.len(), report.units.iter().filter(|verdict| verdict.accepted).count());
    text + &format!(
        "{good} of {all} units of job {}: computed again here, equal, and proven to be what was paid for\n",
        report.job
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commitment::result_root;

    fn proof(outputs: &[&[u8]], unit: u64) -> UnitProof {
        let hashes: Vec<Cid> = outputs.iter().map(|output| Cid::of(output)).collect();
        let root = result_root(hashes.iter().copied()).unwrap();
        UnitProof::new(root, &(0..outputs.len() as u64), &hashes, unit).unwrap()
    }

    #[test]
    fn only_what_is_computed_and_paid_for_is_accepted() {
        let proof = proof(&[b"first", b"other"], 0);
        assert!(Verdict::of(0, b"first", b"first", Some(&proof)).accepted);
        let unpaid = Verdict::of(0, b"fresh", b"fresh", Some(&proof));
        assert!(!unpaid.accepted && unpaid.problem.unwrap().contains("not what was paid for"));
        let unproven = Verdict::of(0, b"first", b"first", None);
        assert!(!unproven.accepted && unproven.problem.unwrap().contains("nothing proves"));
        let broken = Verdict::of(0, b"first", b"fisst", Some(&proof));
        assert!(!broken.accepted && !broken.proven && broken.difference.as_ref().unwrap().byte == 2);
        let text = broken.problem.unwrap();
        assert!(text.contains("byte 2 (in chunk 0) is 0x73, expected 0x72; what this machine computes"), "{text}");
        let disputed = Verdict::of(0, b"fisst", b"first", Some(&proof));
        assert!(!disputed.accepted && disputed.proven && disputed.problem.unwrap().contains("do not agree"));
        let short = Verdict::of(0, b"first", b"fir", Some(&proof)).problem.unwrap();
        assert!(short.contains("byte 3 (in chunk 0) is the end"), "{short}");
    }
}
