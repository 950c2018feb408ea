//! Switching the faults of a proxy from another process, over HTTP: `GET`, `PUT` and `DELETE` of `/faults`, a JSON list of
//! [`Rule`]s, and `GET /counts`.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, routing::get};
use tokio::net::{TcpListener, ToSocketAddrs};

use super::{Counts, Proxy, Rule};

/// Serves the control port of `proxy` at `listen`; returns where, and what serves it until it is dropped or fails.
///
/// # Errors
/// If the address cannot be listened at.
pub async fn serve(
    listen: impl ToSocketAddrs,
    proxy: Arc<Proxy>,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>>)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/faults", get(show).put(set).delete(clear))
        .route("/counts", get(counts))
        .with_state(proxy);
    Ok((address, async move { axum::serve(listener, router).await }))
}

async fn show(State(proxy): State<Arc<Proxy>>) -> Json<Vec<Rule>> {
    Json(proxy.rules())
}

async fn set(State(proxy): State<Arc<Proxy>>, Json(rules): Json<Vec<Rule>>) -> Json<Vec<Rule>> {
    proxy.set(rules);
    Json(proxy.rules())
}

async fn clear(State(proxy): State<Arc<Proxy>>) -> Json<Vec<Rule>> {
    proxy.clear();
    Json(proxy.rules())
}

async fn counts(State(proxy): State<Arc<Proxy>>) -> Json<Counts> {
    Json(proxy.counts())
}
