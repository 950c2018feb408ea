//! Makes a cluster look as a settings file says: the program deployed or upgraded through the upgradeable loader, a
//! market created or updated, on a localnet also a mint. Shows first what it will do; run again, it does only what is
//! still missing, and after an interruption it goes on where it stopped.
//!
//! ```no_run
//! # async fn run() -> Result<(), tessera_migrate::Error> {
//! let settings = tessera_migrate::Settings::load("migrations/localnet.toml".as_ref())?;
//! let migration = tessera_migrate::Migration::prepare(&settings).await?;
//! println!("{}", migration.plan());
//! let deployment = migration.apply(&mut |progress| println!("{progress:?}")).await?;
//! println!("market {}", deployment.market);
//! # Ok(())
//! # }
//! ```

pub mod amount;
mod buffer;
pub mod cost;
mod error;
mod keys;
mod migration;
pub mod observe;
pub mod params;
pub mod plan;
mod settings;

pub use error::Error;
pub use migration::{Deployment, Migration, Progress};
pub use params::MarketSettings;
pub use plan::{Plan, Step};
pub use settings::{Cluster, CreateMint, MintSettings, ProgramSettings, Settings};
