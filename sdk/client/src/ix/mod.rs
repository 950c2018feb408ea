//! One pure builder per instruction. Each derives every address that can be derived; fees, budget and blockhash are
//! added by [`crate::Tessera::send`].
//!
//! A provider that registers and stakes in one transaction:
//!
//! ```
//! use solana_keypair::Keypair;
//! use solana_signer::Signer;
//! use tessera_protocol::routing::Capabilities;
//! use tessera_sdk::{ix, pda};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let network = tessera_testing::Network::start().await?;
//! # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
//! # let (mint, stake) = (network.mint(), 100 * tessera_testing::TOKEN);
//! let (authority, operator) = (wallet.pubkey(), Keypair::new());
//! let has = Capabilities { memory_mib: 8_192, class: 0, region: 0 };
//! let instructions = [
//!     ix::register_provider(&authority, market, mint, &operator.pubkey(), has),
//!     ix::add_stake(&authority, market, mint, stake),
//! ];
//! let receipt = tessera.send(&instructions, wallet, &[]).await?;
//! let events: Vec<&str> = receipt.events.iter().map(|event| event.name()).collect();
//! assert_eq!(events, ["ProviderRegistered", "StakeAdded"]);
//!
//! let provider = tessera.provider(&pda::provider(market, &authority)).await?.ok_or("no provider")?;
//! assert_eq!((provider.operator, provider.stake), (operator.pubkey(), stake));
//! # Ok(())
//! # }
//! ```

mod demand;
mod job;
mod lease;
mod market;
mod provider;
mod trust;

use anchor_lang::{InstructionData, ToAccountMetas};
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

pub use demand::{answer_chunk, begin_answer, demand_chunk, drop_answer, expire_demand, write_answer};
pub use job::{PostJob, cancel_job, close_job, post_job, register_client, seed_job, top_up_job};
pub use lease::{
    claim_lease, close_lease, commit_result, expire_lease, open_result, return_lease, reveal_result, settle_lease,
};
pub use market::{create_market, pause, unpause, update_market, withdraw_treasury};
pub use provider::{
    add_stake, begin_proof, burn_bonds, finish_proof, register_provider, request_unstake, update_provider,
    withdraw_earnings, withdraw_stake,
};
pub use trust::{advance_lease, draw_audit, seed_lease, slash_seat};

use crate::ID;

const SYSTEM: Pubkey = solana_sdk_ids::system_program::ID;
const TOKEN: Pubkey = spl_token_interface::ID;
const SLOT_HASHES: Pubkey = solana_sdk_ids::sysvar::slot_hashes::ID;

fn build(accounts: &impl ToAccountMetas, args: &impl InstructionData) -> Instruction {
    build_with(accounts, args, [])
}

fn build_with(
    accounts: &impl ToAccountMetas,
    args: &impl InstructionData,
    more: impl IntoIterator<Item = AccountMeta>,
) -> Instruction {
    let mut metas = accounts.to_account_metas(None);
    metas.extend(more);
    Instruction { program_id: ID, accounts: metas, data: args.data() }
}

/// The job, for instructions that do not need it: so the transaction is found among those of the job.
fn mention(job: &Pubkey) -> AccountMeta {
    AccountMeta::new_readonly(*job, false)
}
