//! Connections of the coordinator: so many at once, none of them silent for long.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long to wait when the system has no more handles.
const BREATH: Duration = Duration::from_millis(200);

/// Serves `app` until `stop`, at most `most` connections at once; each may take `head` to send the head of a request, and be silent for
/// as long between two.
pub(crate) async fn serve(listener: TcpListener, app: Router, most: usize, head: Duration, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(most));
    let mut open = JoinSet::new();
    loop {
        // Those that have ended are let go of.
        while open.try_join_next().is_some() {}
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, stop) = (app.clone(), stop.clone());
                open.spawn(async move {
                    tokio::select! {
                        () = converse(stream, app, head) => {}
                        () = stop.cancelled() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    open.shutdown().await;
}

async fn converse(stream: TcpStream, app: Router, head: Duration) {
    // Answers are written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await {
        tracing::debug!(%error, "a connection broke");
    }
}
