//! A kernel of one's own: estimated, run by strangers, collected, and verified to the byte.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tessera_executor::{Backend, Program, open};
use tessera_kernels::{Plan, PreparedJob};
use tessera_sdk::JobFilter;

use crate::{
    history::replicas,
    network::{Ledger, Network},
    process::{PATIENCE, Process, answer, binary, wait_for},
};

/// Leases of the job: ten units in leases of three.
const LEASES: usize = 4;

fn plan() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/workloads/kernels/tests/mix.toml")
}

/// Gas and output of every unit, as this process finds them by itself.
fn computed_here(job: &PreparedJob) -> (u64, Vec<Vec<u8>>) {
    let program = Program {
        module: job.module(),
        plan: &job.spec.plan,
        inputs: &job.inputs().unwrap(),
        unit_gas: 0,
        unit_time: Duration::from_secs(120),
    };
    let mut session = open(Backend::Cpu).unwrap().prepare(0, &program).unwrap();
    let (mut gas, mut outputs) = (0, vec![]);
    session
        .run(0..job.spec.units, &mut |_, output| {
            gas += output.gas.unwrap();
            outputs.push(output.bytes.to_vec());
            Ok(())
        })
        .unwrap();
    (gas, outputs)
}

#[tokio::test(flavor = "multi_thread")]
async fn kernels_of_ones_own_are_run_and_verified() {
    let network = Network::start(3, Ledger::InMemory);
    let key = network.path("key.bin");
    fs::write(&key, (0..2048u32).map(|i| (i * 7 % 251) as u8).collect::<Vec<u8>>()).unwrap();
    let input = format!("key={}", key.display());
    let job = Plan::load(&plan()).unwrap().prepare(&BTreeMap::from([("key".to_owned(), key.clone())])).unwrap();
    let (gas, expected) = computed_here(&job);

    // What is estimated is what was counted here, before anything is paid.
    let mut estimate = network.tessera();
    estimate.args(["estimate", "--all", "--json", "--price", "0.5", "--in", &input]).arg(plan());
    let (good, estimate, text) = answer(&mut estimate);
    assert!(good, "{text}");
    assert_eq!((estimate["gas_total"].as_u64(), estimate["exact"].as_bool()), (Some(gas), Some(true)));
    assert_eq!(estimate["tried"].as_array().unwrap().len(), expected.len());
    assert!(estimate["gas_min"].as_u64() < estimate["gas_max"].as_u64(), "units differ in gas");
    // Ten units, two replicas, half a token each, 5 % fee.
    assert_eq!(
        (estimate["cost"]["total"].as_str(), estimate["cost"]["with_fee"].as_bool()),
        (Some("10.5"), Some(true))
    );

    // Stopped before anybody works on it, the job is not posted a second time.
    let out = network.path("outputs");
    let command = || {
        let mut command = network.tessera();
        command.args(["--json", "run", "--in", &input, "--price", "0.5", "--units-per-lease", "3", "--yes"]);
        command.args(["--lease-seconds", "60", "--out"]).arg(&out).arg(plan());
        command
    };
    let noted = || fs::read(out.join("job.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let posted = || noted().and_then(|note| Some(note["job"].as_str()?.to_owned()));
    let mut stopped = Process::start("run", command(), &network.path("run.log"));
    wait_for("the job", PATIENCE, || {
        if posted().is_none() {
            stopped.assert_running();
        }
        posted().is_some()
    });
    stopped.signal("INT");
    assert!(!stopped.wait(PATIENCE).success());
    assert!(stopped.log().contains("the same command"), "{}", stopped.log());
    // One more than there are replicas, for audits.
    let _workers: Vec<_> = (1..=3)
        .map(|n| {
            network.register(n);
            network.run_worker(n)
        })
        .collect();
    let (good, result, text) = answer(&mut command());
    assert!(good, "{text}");
    assert_eq!(result["job"].as_str().map(str::to_owned), posted());
    assert_eq!((result["units"].as_u64(), result["collected"].as_u64()), (Some(10), Some(10)));
    let address = result["job"].as_str().unwrap();

    let tessera = network.connect().await;
    let history = tessera.job_history(&address.parse().unwrap()).await.unwrap();
    assert_eq!(replicas(&history).len(), 2 * LEASES);
    assert!(tessera.ledger(&address.parse().unwrap()).await.unwrap().balances());
    assert!(
        tessera.jobs(&network.market(), JobFilter::All).await.unwrap().is_empty(),
        "the one job that there was is closed"
    );
    let file = |unit: usize| out.join(format!("unit-{unit:05}.bin"));
    for (unit, output) in expected.iter().enumerate() {
        assert_eq!(&fs::read(file(unit)).unwrap(), output, "unit {unit}");
    }

    // What is lost is collected again, and nothing else.
    fs::remove_file(file(4)).unwrap();
    let (good, result, text) = answer(&mut command());
    assert!(good, "{text}");
    assert_eq!(result["collected"].as_u64(), Some(3), "the lease of unit 4");
    assert_eq!(fs::read(file(4)).unwrap(), expected[4]);

    verify(&network, address, &out);

    // Another input is another job.
    fs::write(&key, [1; 2048]).unwrap();
    let (good, _, text) = answer(&mut command());
    assert!(!good && text.contains("another --out"), "{text}");
}

/// Verifying accepts what was paid for and names the one byte that is not.
fn verify(network: &Network, job: &str, out: &Path) {
    let verify = |units: &[&str], files: bool| {
        let mut command = network.tessera();
        command.args(["--json", "verify", job]).args(units);
        if files {
            command.arg("--outputs").arg(out);
        }
        answer(&mut command)
    };
    for files in [false, true] {
        let (good, report, text) = verify(&[], files);
        assert!(good, "{text}");
        assert_eq!(report["units"].as_array().unwrap().len(), 10);
        assert!(report["units"].as_array().unwrap().iter().all(|unit| unit["proven"] == true), "{report}");
    }
    let file = out.join("unit-00004.bin");
    let mut output = fs::read(&file).unwrap();
    output[1500] ^= 1;
    fs::write(&file, &output).unwrap();
    let (good, report, text) = verify(&["3", "4", "5"], true);
    assert!(!good && text.contains("1 of 3 units"), "{text}");
    let accepted: Vec<_> = report["units"].as_array().unwrap().iter().map(|unit| unit["accepted"] == true).collect();
    assert_eq!(accepted, [true, false, true]);
    let bad = &report["units"][1];
    assert_eq!((bad["unit"].as_u64(), bad["proven"].as_bool()), (Some(4), Some(false)));
    assert_eq!((bad["difference"]["byte"].as_u64(), bad["difference"]["chunk"].as_u64()), (Some(1500), Some(1)));
    let (good, _, text) = verify(&["4"], false);
    assert!(good, "the store's output was not touched: {text}");
    let (good, _, text) = verify(&["10"], false);
    assert!(!good && text.contains("no unit 10"), "{text}");
}

#[test]
fn kernels_are_looked_at_without_any_network() {
    let tessera = || {
        let mut command = Command::new(binary("tessera"));
        for name in ["TESSERA_URL", "TESSERA_MARKET", "TESSERA_STORE", "TESSERA_KEYPAIR"] {
            command.env_remove(name);
        }
        command
    };
    let dir = tempfile::TempDir::new().unwrap();
    let (source, ptx) = (plan().with_extension("cu"), dir.path().join("mix.ptx"));
    let (good, report, text) =
        answer(tessera().args(["--json", "module", "check"]).arg(&source).arg("--ptx").arg(&ptx));
    assert!(good && report["accepted"] == true, "{text}");
    let names: Vec<_> = report["kernels"].as_array().unwrap().iter().map(|kernel| kernel["name"].as_str()).collect();
    assert_eq!(names, [Some("stir"), Some("weigh")]);

    // As it would be, had it been compiled with what compilers do by default.
    let fused = fs::read_to_string(&ptx).unwrap().replace("mul.rn.f32", "mul.f32");
    fs::write(&ptx, &fused).unwrap();
    let (good, report, text) = answer(tessera().args(["--json", "module", "check"]).arg(&ptx));
    assert!(!good && text.contains("no provider will run it"), "{text}");
    let refusal = &report["refusals"][0];
    let line = usize::try_from(refusal["line"].as_u64().unwrap()).unwrap();
    assert!(fused.lines().nth(line - 1).unwrap().contains("mul.f32"), "{refusal}");
    assert_eq!(refusal["instruction"].as_str(), Some("mul.f32"));

    let key = dir.path().join("key.bin");
    fs::write(&key, [9; 2048]).unwrap();
    let input = format!("key={}", key.display());
    let (good, estimate, text) =
        answer(tessera().args(["--json", "estimate", "--units", "0,9", "--price", "0.5", "--in", &input]).arg(plan()));
    assert!(good, "{text}");
    let units: Vec<_> = estimate["tried"].as_array().unwrap().iter().map(|unit| unit["unit"].as_u64()).collect();
    assert_eq!((units, estimate["cost"]["total"].as_str()), (vec![Some(0), Some(9)], Some("10")));
    assert!(estimate["gas_min"].as_u64() > Some(0) && estimate["market"].is_null());
    assert_eq!(estimate["gas_min"], estimate["gas_max"], "units 0 and 9 take as many rounds");

    let mut without_compiler = tessera();
    without_compiler.args(["module", "check"]).arg(&source).env("TESSERA_NVRTC", dir.path());
    let (good, _, text) = answer(&mut without_compiler);
    assert!(!good && text.contains("run scripts/get-nvrtc") && text.contains(".ptx"), "{text}");
}
