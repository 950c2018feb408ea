//! What others can see over HTTP: `/metrics` for Prometheus, and `/health`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use anyhow::{Context as _, Result};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use serde_json::json;

use super::report::{GpuReport, Report, TrainingReport, unix_now};
use crate::{gpu::Pause, journal::Phase};

/// A worker whose report is older than this stands still.
const FRESH: i64 = 30;
/// What the names of all metrics begin with.
const PREFIX: &str = "tessera_worker";
/// What Prometheus is told that it gets.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;
type Numbers = Family<Vec<(String, String)>, Number>;
/// A number of a GPU, where it is known.
type OfGpu = fn(&GpuReport) -> Option<f64>;
type Newest = Arc<Mutex<Option<Report>>>;

/// Serves what `newest` holds at `address`, until the runtime ends.
///
/// # Errors
/// If the address cannot be used.
pub async fn serve(address: SocketAddr, newest: Newest) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}: change monitor.listen"))?;
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "serving /metrics and /health");
    let router = Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(newest);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "/metrics and /health are not served any more");
        }
    });
    Ok(())
}

fn read(newest: &Newest) -> Option<Report> {
    newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn metrics(State(newest): State<Newest>) -> impl IntoResponse {
    match read(&newest).map(|report| text(&report)) {
        Some(Ok(text)) => (StatusCode::OK, [("content-type", FORMAT)], text),
        Some(Err(e)) => (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain")], e.to_string()),
        None => (StatusCode::SERVICE_UNAVAILABLE, [("content-type", "text/plain")], "starting".to_owned()),
    }
}

/// Well, as long as the worker's loop goes on; why nothing is claimed is no illness.
async fn health(State(newest): State<Newest>) -> impl IntoResponse {
    let Some(report) = read(&newest) else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "healthy": false, "reason": "starting" })));
    };
    let age = unix_now() - report.at;
    let (healthy, mood, pauses) = (age <= FRESH, &report.mood, &report.devices.pauses);
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let pauses: Vec<&String> = pauses.iter().map(|(_, reason)| reason).collect();
    let body = json!({
        "healthy": healthy, "seconds_since_report": age, "mood": mood, "obstacle": report.obstacle, "pauses": pauses
    });
    (status, Json(body))
}

/// All metrics of a report.
fn text(report: &Report) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    let tokens = |units: u64| units as f64 / 10f64.powi(report.decimals.into());
    let counts = &report.counts;
    let (devices, reputation, proof) = (&report.devices, &report.reputation, &report.proof);

    let missing = f64::from(u8::from(proof.is_missing(unix_now())));
    for (name, help, value) in [
        ("report_timestamp_seconds", "When the worker looked after itself last", report.at as f64),
        ("working", "1 while it takes work, 0 while it stops", f64::from(u8::from(report.mood == "working"))),
        ("jobs", "Jobs of the market", report.jobs.0 as f64),
        ("jobs_ready", "Jobs that this worker can take", report.jobs.1 as f64),
        ("obstacle", "1 while market or stake let nothing be claimed", f64::from(u8::from(report.obstacle.is_some()))),
        ("stake_tokens", "Stake of the provider", tokens(report.stake.0)),
        ("locked_tokens", "The part of it that leases lock", tokens(report.stake.1)),
        ("earned_tokens", "Earned and not withdrawn", tokens(report.earned.0)),
        ("earned_ever_tokens", "Earned ever by the provider", tokens(report.earned.1)),
        ("operator_sol", "SOL on the worker's key", report.lamports as f64 / 1e9),
        ("reputation_score", "From 0 to 1", reputation.score),
        ("reputation_consecutive", "Results confirmed since the last fault", f64::from(reputation.consecutive)),
        ("reputation_faults", "Seats convicted ever", f64::from(reputation.faults)),
        ("reputation_expiries", "Seats that were late ever", f64::from(reputation.expiries)),
        ("proven_memory_bytes", "Memory that the provider has shown", f64::from(proof.shown_mib) * f64::from(1 << 20)),
        ("proof_digests_per_second", "How fast it was filled", f64::from(proof.speed) * 1e3),
        ("proof_missing", "1 where the market asks for a proof and none counts", missing),
        ("proof_until_timestamp_seconds", "Until when that counts, 0 without a proof", proof.until() as f64),
        ("quarantined_devices", "Devices that do not compute since they failed", devices.quarantine.len() as f64),
        ("self_test_timestamp_seconds", "When the devices have passed a test", devices.tested_at as f64),
        (
            "sandbox_gaps",
            "What the kernel could not do to lock the execution process in",
            devices.unlocked.len() as f64,
        ),
    ] {
        let gauge = Number::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }

    let leases = Numbers::default();
    for phase in Phase::ALL {
        let count = report.leases.iter().filter(|lease| lease.phase == phase.name()).count();
        leases.get_or_create(&labels([("phase", phase.name())])).set(count as f64);
    }
    registry.register("leases", "Leases in hand", leases);
    let paused = Numbers::default();
    for reason in Pause::NAMES {
        let is = devices.pauses.iter().any(|(found, _)| found == reason);
        paused.get_or_create(&labels([("reason", reason)])).set(f64::from(u8::from(is)));
    }
    registry.register("paused", "1 while nothing is claimed for this reason", paused);

    for (name, help, value) in [
        ("leases_paid", "Leases paid since the start", counts.paid),
        ("leases_settled", "Leases settled since the start", counts.settled),
        ("audits_paid", "Those paid that were audits", counts.audits),
        ("disputes_paid", "Those paid that decided disputes", counts.disputes),
        ("leases_gone", "Leases that ended without pay since the start", counts.gone),
        ("flawed_outputs", "Outputs of others that were missing or wrong", counts.flawed),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let pay = Counter::<f64, AtomicU64>::default();
    pay.inc_by(tokens(counts.pay));
    registry.register("pay_tokens", "What leases have paid since the start", pay);

    type OfTraining = fn(&TrainingReport) -> u64;
    let rounds: [(&str, OfTraining); 3] = [
        ("summed", |training| training.summed),
        ("dropped", |training| training.dropped),
        ("void", |training| training.void),
    ];
    let family = Family::<Vec<(String, String)>, Counter<u64>>::default();
    let failing = Numbers::default();
    for training in &report.trainings {
        let of = |pair: (&str, &str)| labels([("training", &training.name), ("client", &training.client), pair]);
        for (end, count) in rounds {
            family.get_or_create(&of(("end", end))).inc_by(count(training));
        }
        let is = f64::from(u8::from(training.error.is_some()));
        failing.get_or_create(&labels([("training", &training.name), ("client", &training.client)])).set(is);
    }
    registry.register(
        "training_rounds",
        "Rounds of trainings with private shards since the start, by their end",
        family,
    );
    registry.register(
        "training_failing",
        "1 while a training cannot be taken part in, or its last round was left",
        failing,
    );

    let gpus: [(&str, &str, OfGpu); 6] = [
        ("gpu_celsius", "Temperature", |gpu| gpu.celsius.map(f64::from)),
        ("gpu_watts", "Power", |gpu| gpu.watts),
        ("gpu_busy_ratio", "Part of the time in which it did anything", |gpu| {
            gpu.busy.map(|busy| f64::from(busy) / 100.0)
        }),
        ("gpu_memory_used_bytes", "Memory in use", |gpu| gpu.memory.map(|(used, _)| used as f64)),
        ("gpu_memory_bytes", "Memory", |gpu| gpu.memory.map(|(_, all)| all as f64)),
        ("gpu_uncorrected_errors", "Memory errors since the driver was loaded", |gpu| {
            gpu.uncorrected.map(|n| n as f64)
        }),
    ];
    for (name, help, value) in gpus {
        let family = Numbers::default();
        for gpu in &devices.gpus {
            if let Some(value) = value(gpu) {
                family.get_or_create(&labels([("gpu", &gpu.id), ("name", &gpu.name)])).set(value);
            }
        }
        registry.register(name, help, family);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Labels, escaped as the format asks: the encoder writes values as they are.
fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    pairs.map(|(name, value)| (name.to_owned(), escaped(value))).to_vec()
}

#[cfg(test)]
mod tests;
