//! A proxy whose faults are switched over HTTP, see `tessera_tests::proxy`. Prints where it listens as a line of JSON:
//!
//! ```sh
//! fault-proxy --upstream 127.0.0.1:8899 --protocol http --seed 7
//! curl -X PUT -H 'content-type: application/json' -d '[{"fault":"limit","retry_after":2}]' http://CONTROL/faults
//! ```

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::{Parser, ValueEnum};
use tessera_tests::proxy::{self, Proxy, control};

/// A proxy with faults.
#[derive(Parser)]
struct Options {
    /// Where to pass everything on to
    #[arg(long, value_name = "HOST:PORT")]
    upstream: String,
    /// What is spoken there; only HTTP requests can have faults of their own
    #[arg(long, default_value = "tcp")]
    protocol: Protocol,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where faults are switched
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// What chance follows from
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Tcp,
    Http,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> std::io::Result<()> {
    let protocol = match options.protocol {
        Protocol::Tcp => proxy::Protocol::Tcp,
        Protocol::Http => proxy::Protocol::Http,
    };
    let proxy = Proxy::start(options.listen, &options.upstream, protocol, options.seed).await?;
    let address = proxy.address();
    let (control, serving) = control::serve(options.control, Arc::new(proxy)).await?;
    println!("{}", serde_json::json!({ "address": address.to_string(), "control": control.to_string() }));
    serving.await
}
