use std::collections::BTreeSet;

use super::*;
use crate::{
    proof::Proof,
    run::report::{Counts, DeviceReport, LeaseReport, ReputationReport, TrainingReport},
};

/// A report in which nothing is missing.
fn report() -> Report {
    let lease = LeaseReport { job: "J".into(), index: 1, kind: "base".into(), phase: "leased".into(), pay: 5 };
    let gpu = GpuReport {
        id: "GPU-1".into(),
        name: "Name \"quoted\"".into(),
        celsius: Some(61),
        watts: Some(215.5),
        busy: Some(98),
        memory: Some((3, 8)),
        uncorrected: Some(0),
    };
    let devices = DeviceReport {
        pauses: vec![("heat".into(), "too hot".into())],
        gpus: vec![gpu],
        tested_at: 7,
        ..DeviceReport::default()
    };
    Report {
        at: unix_now(),
        pid: 1,
        mood: "working".into(),
        jobs: (3, 2),
        obstacle: None,
        stake: (1_000_000, 250_000),
        earned: (1, 2),
        lamports: 500_000_000,
        decimals: 6,
        reputation: ReputationReport::default(),
        proof: Proof { seconds: 100, told_mib: 9, shown_mib: 8, speed: 7, at: 1_000, begun: 0 },
        leases: vec![lease],
        counts: Counts { paid: 4, pay: 2_500_000, ..Counts::default() },
        endpoints: vec![],
        devices,
        trainings: vec![TrainingReport {
            name: "digits".into(),
            client: "C".into(),
            summed: 5,
            error: Some("away".into()),
            ..TrainingReport::default()
        }],
    }
}

#[test]
fn metrics_tell_what_the_report_does() {
    let text = text(&report()).unwrap();
    for line in [
        "tessera_worker_working 1.0",
        "tessera_worker_stake_tokens 1.0",
        "tessera_worker_locked_tokens 0.25",
        "tessera_worker_operator_sol 0.5",
        "tessera_worker_proven_memory_bytes 8388608.0",
        "tessera_worker_proof_digests_per_second 7000.0",
        "tessera_worker_proof_until_timestamp_seconds 1100.0",
        "tessera_worker_proof_missing 1.0",
        "tessera_worker_leases{phase=\"leased\"} 1.0",
        "tessera_worker_leases{phase=\"opened\"} 0.0",
        "tessera_worker_paused{reason=\"heat\"} 1.0",
        "tessera_worker_training_rounds_total{training=\"digits\",client=\"C\",end=\"summed\"} 5",
        "tessera_worker_training_failing{training=\"digits\",client=\"C\"} 1.0",
        "tessera_worker_paused{reason=\"hours\"} 0.0",
        "tessera_worker_leases_paid_total 4",
        "tessera_worker_pay_tokens_total 2.5",
        "tessera_worker_gpu_busy_ratio{gpu=\"GPU-1\",name=\"Name \\\"quoted\\\"\"} 0.98",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("tessera_worker_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_use_what_there_is() {
    let text = text(&report()).unwrap();
    let values = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let there = names(&values);
    let dashboard = include_str!("../../../packaging/grafana-dashboard.json");
    serde_json::from_str::<serde_json::Value>(dashboard).unwrap();
    assert_eq!(names(dashboard), there, "the dashboard shows all there is");
    let alerts = names(include_str!("../../../packaging/prometheus-alerts.yml"));
    assert!(!alerts.is_empty() && alerts.is_subset(&there), "{:?}", alerts.difference(&there));
}

#[tokio::test]
async fn health_is_that_of_the_loop() {
    let newest = Newest::default();
    let status = async |newest: &Newest| health(State(Arc::clone(newest))).await.into_response().status();
    assert_eq!(status(&newest).await, StatusCode::SERVICE_UNAVAILABLE);
    *newest.lock().unwrap() = Some(report());
    assert_eq!(status(&newest).await, StatusCode::OK);
    *newest.lock().unwrap() = Some(Report { at: unix_now() - FRESH - 1, ..report() });
    assert_eq!(status(&newest).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(metrics(State(newest)).await.into_response().status(), StatusCode::OK);
}
