//! Providers look at what others in the same leases have opened.

use std::fs;

use serde_json::Value;

use crate::{
    faults::network,
    jobs::LEASES,
    pictures,
    process::{PATIENCE, wait_for},
};

#[test]
fn outputs_that_another_provider_keeps_back_are_noticed() {
    let (network, _honest) = network(2, 1..=1, &[]);
    let _thief = network.run_faulty_worker(2, "withhold-output");
    // Time for demands: enough to look at everything on a machine that is busy with other things.
    let options = ["--challenge-seconds", "45"];
    let rendering = network.render_with("picture", &pictures::scene(), 2, &[1, 2], &options);
    let status = network.path("worker-1/status.json");
    let flawed = || -> Option<u64> {
        serde_json::from_slice::<Value>(&fs::read(&status).ok()?).ok()?["counts"]["flawed"].as_u64()
    };
    wait_for("the missing outputs of all leases", PATIENCE, || flawed() == Some(LEASES as u64));
    let (job, stem) = rendering.wait();
    pictures::assert_as_computed_here(&stem);
    let log = fs::read_to_string(network.path("worker-1.log")).unwrap();
    let demand = |index| format!("tessera job demand {job} {index} --provider {} --chunk", network.provider(2));
    assert!((0..LEASES).all(|index| log.contains(&demand(index))), "{log}");
}
