//! When nobody answers, the client says so, and in time.

use std::time::Duration;

use solana_keypair::Keypair;
use solana_signer::Signer;
use tessera_sdk::{Config, EndpointKind, Error, Standing, Tessera};
use tessera_tests::proxy::{Fault, Rule};
use tokio::time::Instant;

use crate::network::Network;

/// A client that has had an answer, for which it may be too impatient on a busy machine.
async fn asked(config: &Config) -> Tessera {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let client = Tessera::new(config.clone()).unwrap();
        match client.clock().await {
            Ok(_) => return client,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_endpoints_are_an_error_that_names_them() {
    let network = Network::start(5).await;
    let from = network.wallet().await;
    let mut config = network.config();
    config.patience = Duration::from_secs(2);
    config.timeout = Duration::from_secs(2);
    let busy = Fault::Limit { retry_after: Some(600), date: false };
    for (fault, text) in [
        (Fault::Cut { within: 0 }, "error sending request"),
        (Fault::Stall, "no answer"),
        (Fault::Silent, "no answer"),
        (Fault::Status { code: 503 }, "503"),
        (busy, "too many requests"),
        (Fault::Stale, "has been seen"),
        (Fault::Garble, ""),
    ] {
        let client = asked(&config).await;
        network.ways.iter().for_each(|way| way.fail(fault.clone()));
        let read = client.clock().await;
        // A stale answer is as good as the one before until something newer is known.
        if fault != Fault::Stale {
            let error = read.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, Error::Unreachable { seconds: 2, .. }) && said.contains(text), "{fault:?}: {said}");
            for way in &network.ways {
                assert!(said.contains(&way.rpc.address().to_string()), "{fault:?}: {said}");
            }
        }
        let to = Keypair::new().pubkey();
        let transfer = solana_system_interface::instruction::transfer(&from.pubkey(), &to, 1_000_000);
        if fault != Fault::Stale {
            let error = client.send(&[transfer], &from, &[]).await.unwrap_err();
            assert!(error.is_transient(), "{fault:?}: {error}");
        }
        network.ways.iter().for_each(crate::network::Way::clear);
        assert_eq!(network.direct.balance(&to).await.unwrap(), 0, "{fault:?}");
    }
    network.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_endpoints_is_told() {
    let network = Network::start(6).await;
    network.ways[1].set(&[Rule::from(Fault::Limit { retry_after: Some(30), date: false }), Fault::Refuse.into()]);
    let mut config = network.config();
    config.rpc_urls.push(format!("http://{}/secret?key=secret", network.ways[0].rpc.address()));
    let client = Tessera::new(config).unwrap();
    let health = client.check_endpoints().await;
    let kinds =
        [EndpointKind::Rpc, EndpointKind::Rpc, EndpointKind::Rpc, EndpointKind::WebSocket, EndpointKind::WebSocket];
    assert_eq!(health.iter().map(|health| health.kind).collect::<Vec<_>>(), kinds);
    let standings: Vec<_> = health.iter().map(|health| health.standing).collect();
    assert_eq!((standings[0], standings[3], standings[4]), (Standing::Ready, Standing::Ready, Standing::Failing));
    assert_eq!(standings[1], Standing::Failing);
    assert!(health[0].slot.is_some() && health[0].latency.is_some() && health[1].last_error.is_some());
    assert!(health[2].url.ends_with("/…") && !format!("{health:?}").contains("secret"), "{health:?}");
    network.ways[1].rpc.set(vec![Fault::Limit { retry_after: Some(30), date: false }.into()]);
    let health = client.check_endpoints().await;
    assert_eq!((health[1].standing, health[1].limited), (Standing::Limited, 1));
    network.stop();
}
