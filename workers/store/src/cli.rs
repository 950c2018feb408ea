//! Options of the service, for every command line that has it.

use std::{net::SocketAddr, time::Duration};

use solana_pubkey::Pubkey;

use crate::server::ServeConfig;

/// How long requests under way may go on when the store is stopped.
pub const GRACE: Duration = Duration::from_secs(10);

const MIB: u64 = 1 << 20;

/// How to serve blobs over HTTP.
#[derive(clap::Args, Debug)]
pub struct Serve {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8910")]
    listen: SocketAddr,
    /// Where the blobs lie: a directory, or s3://, gs:// or az:// followed by bucket and path
    #[arg(long, default_value = "tessera-store")]
    location: String,
    /// Host, and port unless it is the scheme's own, under which the public reaches this store [default: as --listen]
    #[arg(long, value_name = "HOST[:PORT]")]
    public_host: Option<String>,
    /// Largest blob taken, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4_096)]
    max_blob: u64,
    /// What one key may put in a day, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 262_144)]
    quota: u64,
    /// Memory for blobs that are being put, in MiB; one key gets half of it, and who finds none free waits
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    put_memory: u64,
    /// Most readers at once; one address gets half of these places, and who finds none free waits
    #[arg(long, value_name = "READERS", default_value_t = 1_024)]
    max_gets: u32,
    /// Most connections at once; beyond, the oldest that has not asked for anything yet is closed
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 4_096)]
    max_connections: usize,
    /// Seconds in which the head of a request has to come
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    head: u64,
    /// Longest pause in a blob, in either direction, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    idle: u64,
    /// Slowest transfer, in either direction, in KiB a second; slower ones are cut
    #[arg(long, value_name = "KIB", default_value_t = 64)]
    min_rate: u64,
}

impl Serve {
    /// The settings that this asks for, for the members of `market`.
    #[must_use]
    pub fn config(self, market: Pubkey) -> ServeConfig {
        ServeConfig {
            listen: self.listen,
            location: self.location,
            public_host: self.public_host.unwrap_or_default(),
            market,
            max_blob_len: self.max_blob.saturating_mul(MIB),
            quota_per_key_per_day: self.quota.saturating_mul(MIB),
            put_memory: self.put_memory.saturating_mul(MIB),
            max_gets: self.max_gets,
            max_connections: self.max_connections,
            head: Duration::from_secs(self.head),
            idle: Duration::from_secs(self.idle),
            min_bytes_per_second: self.min_rate.saturating_mul(1024),
        }
    }
}
