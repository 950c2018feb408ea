//! One file for each instruction: its arguments, its accounts, what it refuses, what it does.

#[cfg(feature = "arithmetic-probe")]
pub mod arithmetic_probe;

pub mod add_stake;
pub mod burn_bonds;
pub mod cancel_job;
pub mod claim_lease;
pub mod close_job;
pub mod close_lease;
pub mod commit_result;
pub mod create_market;
pub mod expire_lease;
pub mod open_result;
pub mod pause;
pub mod post_job;
pub mod register_client;
pub mod register_provider;
pub mod request_unstake;
pub mod return_lease;
pub mod reveal_result;
pub mod settle_lease;
pub mod top_up_job;
pub mod update_market;
pub mod update_provider;
pub mod withdraw_earnings;
pub mod withdraw_stake;
pub mod withdraw_treasury;

#[cfg(feature = "arithmetic-probe")]
pub use arithmetic_probe::*;

pub use add_stake::*;
pub use burn_bonds::*;
pub use cancel_job::*;
pub use claim_lease::*;
pub use close_job::*;
pub use close_lease::*;
pub use commit_result::*;
pub use create_market::*;
pub use expire_lease::*;
pub use open_result::*;
pub use pause::*;
pub use post_job::*;
pub use register_client::*;
pub use register_provider::*;
pub use request_unstake::*;
pub use return_lease::*;
pub use reveal_result::*;
pub use settle_lease::*;
pub use top_up_job::*;
pub use update_market::*;
pub use update_provider::*;
pub use withdraw_earnings::*;
pub use withdraw_stake::*;
pub use withdraw_treasury::*;
