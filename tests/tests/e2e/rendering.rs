//! The main job: a scene is rendered by strangers, checked, merged and paid for.

use std::collections::{BTreeMap, BTreeSet};

use tessera_render::Layers;

use crate::{
    history::{Settlement, claims, replicas, settlements},
    jobs::LEASES,
    network::{Ledger, Network},
    pictures,
    process::run,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_agree_and_everybody_is_paid() {
    let network = Network::start(3, Ledger::InMemory);
    let _workers: Vec<_> = (1..=3)
        .map(|n| {
            network.register(n);
            network.run_worker(n)
        })
        .collect();
    let (job, stem) = network.render("picture", &pictures::scene(), 2).wait();

    let tessera = network.connect().await;
    let history = tessera.job_history(&job).await.unwrap();
    let mut roots = BTreeMap::<u32, BTreeSet<[u8; 32]>>::new();
    let mut providers = BTreeMap::<u32, BTreeSet<_>>::new();
    for Settlement { lease, provider, root, .. } in settlements(&history) {
        roots.entry(lease).or_default().insert(root);
        assert!(providers.entry(lease).or_default().insert(provider), "lease {lease} paid {provider} twice");
    }
    assert_eq!(roots.len(), LEASES);
    assert!(roots.values().all(|roots| roots.len() == 1), "replicas settled with different roots");
    assert_eq!(replicas(&history).len(), 2 * LEASES, "{providers:?}");
    assert!(claims(&history).values().all(|count| *count == 1), "a lease was claimed twice by one provider");

    let ledger = tessera.ledger(&job).await.unwrap();
    assert!(ledger.balances(), "{ledger:?}");
    assert!(tessera.job(&job).await.unwrap().is_none(), "the job is closed and its rent returned");
    for n in 1..=3 {
        let provider = network.provider(n);
        let earned = tessera.provider(&provider).await.unwrap().unwrap().earned;
        let paid: u64 =
            settlements(&history).iter().filter(|seat| seat.provider == provider).map(|seat| seat.pay).sum();
        assert_eq!(earned, paid);
    }
    pictures::assert_as_computed_here(&stem);
    noise_is_removed(&network);
}

/// The providers also remove what noise is left in a picture.
fn noise_is_removed(network: &Network) {
    let (noisy, out) = (network.path("noisy.exr"), network.path("clean"));
    let mut render = network.tessera();
    render.arg("render").arg(pictures::scene()).args([
        "--size",
        "32x24",
        "--tile",
        "16",
        "--samples",
        "4",
        "--try",
        "0",
    ]);
    render.args(["--price", "0.01", "--aovs", "--out"]).arg(&noisy);
    run(render);
    let denoise = || {
        let mut denoise = network.tessera();
        denoise.arg("denoise").arg(&noisy).args(["--price", "0.01", "--png", "--out"]).arg(&out);
        denoise
    };
    run(denoise());
    let (before, after) = (Layers::open(&noisy).unwrap(), Layers::open(&out.join("noisy.exr")).unwrap());
    assert_eq!(after.image, pictures::denoised_here(&before));
    assert_eq!((&after.albedo, &after.object), (&before.albedo, &before.object));
    assert_ne!(after.image, before.image);
    assert!(out.join("noisy.png").is_file() && !out.join(".tessera-denoise").exists());
    // Nothing is left to do, and so nothing to pay.
    let mut again = denoise();
    again.arg("--json");
    let made: serde_json::Value = serde_json::from_slice(&again.output().unwrap().stdout).unwrap();
    assert_eq!(made["jobs"], serde_json::json!([]));
}
