//! The Tessera program: a marketplace where a client escrows SPL tokens, strangers' GPUs compute the tiles of the job,
//! and tokens move only for results that anyone can check bit for bit.
//!
//! `docs/protocol.md` is the contract: accounts byte by byte, instructions, states, invariants. Rules that workers and
//! clients share stand in `tessera-protocol`; this crate calls them.

use anchor_lang::prelude::*;

pub mod errors;
pub mod events;
pub mod instructions;
pub mod progress;
pub mod state;
pub mod vault;

pub use errors::TesseraError;
pub use instructions::*;
pub use state::*;

declare_id!("hbTt9u1nYb8ewChQsMuLzhPtTGCsGsp7cAuSuZ94jw2");

#[program]
pub mod tessera {
    use super::*;

    /// Creates a market and its treasury. The creator becomes its authority.
    pub fn create_market(ctx: Context<CreateMarket>, id: u16, params: MarketParams) -> Result<()> {
        CreateMarket::handle(ctx, id, params)
    }

    /// Replaces the parameters of a market. Jobs already posted keep theirs.
    pub fn update_market(ctx: Context<UpdateMarket>, params: MarketParams) -> Result<()> {
        UpdateMarket::handle(ctx, params)
    }

    /// Stops new jobs and claims, nothing else.
    pub fn pause(ctx: Context<Pause>) -> Result<()> {
        Pause::handle(ctx, true)
    }

    /// Lets a paused market go on.
    pub fn unpause(ctx: Context<Pause>) -> Result<()> {
        Pause::handle(ctx, false)
    }

    /// Moves fees from the treasury to any token account of the mint.
    pub fn withdraw_treasury(ctx: Context<WithdrawTreasury>, amount: u64) -> Result<()> {
        WithdrawTreasury::handle(ctx, amount)
    }

    /// Creates a provider and its stake vault.
    pub fn register_provider(
        ctx: Context<RegisterProvider>,
        operator: Pubkey,
        capabilities: Capabilities,
    ) -> Result<()> {
        RegisterProvider::handle(ctx, operator, capabilities)
    }

    /// Replaces a provider's operator, its capabilities, or both.
    pub fn update_provider(
        ctx: Context<UpdateProvider>,
        operator: Option<Pubkey>,
        capabilities: Option<Capabilities>,
    ) -> Result<()> {
        UpdateProvider::handle(ctx, operator, capabilities)
    }

    /// Begins a proof that the provider has so much device memory; one that had begun is forgotten.
    pub fn begin_proof(ctx: Context<BeginProof>, memory_mib: u32) -> Result<()> {
        BeginProof::handle(ctx, memory_mib)
    }

    /// Shows places of the table that filled the memory.
    pub fn finish_proof(ctx: Context<FinishProof>, shown: [u32; 16]) -> Result<()> {
        FinishProof::handle(ctx, shown)
    }

    /// Adds tokens of the authority to a provider's stake.
    pub fn add_stake(ctx: Context<AddStake>, amount: u64) -> Result<()> {
        AddStake::handle(ctx, amount)
    }

    /// Asks for stake back; the wait of all that was asked back begins anew.
    pub fn request_unstake(ctx: Context<RequestUnstake>, amount: u64) -> Result<()> {
        RequestUnstake::handle(ctx, amount)
    }

    /// Takes all stake that was asked back, once its wait is over.
    pub fn withdraw_stake(ctx: Context<WithdrawStake>) -> Result<()> {
        WithdrawStake::handle(ctx)
    }

    /// Moves what a provider earned to its authority.
    pub fn withdraw_earnings(ctx: Context<WithdrawEarnings>) -> Result<()> {
        WithdrawEarnings::handle(ctx)
    }

    /// Burns the bonds that a provider has lost.
    pub fn burn_bonds(ctx: Context<BurnBonds>) -> Result<()> {
        BurnBonds::handle(ctx)
    }

    /// Creates the client account of a wallet.
    pub fn register_client(ctx: Context<RegisterClient>) -> Result<()> {
        RegisterClient::handle(ctx)
    }

    /// Creates a job and moves the cost of its work and the fee into its escrow.
    pub fn post_job(ctx: Context<PostJob>, args: PostJobArgs) -> Result<()> {
        PostJob::handle(ctx, args)
    }

    /// Extends the deadline of a job, raises the price of what is not settled, or both.
    pub fn top_up_job(ctx: Context<TopUpJob>, add_seconds: u32, add_price: u64) -> Result<()> {
        TopUpJob::handle(ctx, add_seconds, add_price)
    }

    /// Ends a job early. Leases already begun run their course.
    pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
        CancelJob::handle(ctx)
    }

    /// Divides the escrow of a finished job between treasury, burn and client, and closes it.
    pub fn close_job<'info>(ctx: Context<'info, CloseJob<'info>>) -> Result<()> {
        CloseJob::handle(ctx)
    }

    /// Reads the slot hash that ranks the providers of a job, which opens its leases to claims.
    pub fn seed_job(ctx: Context<SeedJob>) -> Result<()> {
        SeedJob::handle(ctx)
    }

    /// Reads the slot hash that ranks the providers of an audit or a dispute, which opens its seats to claims.
    pub fn seed_lease(ctx: Context<SeedLease>) -> Result<()> {
        SeedLease::handle(ctx)
    }

    /// Takes a seat in a lease.
    pub fn claim_lease<'info>(ctx: Context<'info, ClaimLease<'info>>, index: u32) -> Result<()> {
        ClaimLease::handle(ctx, index)
    }

    /// Fixes the result of a seat.
    pub fn commit_result(ctx: Context<CommitResult>, commitment: [u8; 32], sealed: [u8; 32]) -> Result<()> {
        CommitResult::handle(ctx, commitment, sealed)
    }

    /// Reads the slot hash that decides whether a committed seat is audited.
    pub fn draw_audit(ctx: Context<DrawAudit>) -> Result<()> {
        DrawAudit::handle(ctx)
    }

    /// Shows the roots of a seat, once all seats have committed. The key may come along if the lease is agreed thereby.
    pub fn reveal_result(ctx: Context<RevealResult>, reveal: Reveal, key: Option<[u8; 32]>) -> Result<()> {
        RevealResult::handle(ctx, reveal, key)
    }

    /// Shows the key to the sealed outputs of a seat, once a root is agreed.
    pub fn open_result(ctx: Context<OpenResult>, key: [u8; 32]) -> Result<()> {
        OpenResult::handle(ctx, key)
    }

    /// Pays one opened seat.
    pub fn settle_lease(ctx: Context<SettleLease>) -> Result<()> {
        SettleLease::handle(ctx)
    }

    /// Lets a lease go on without those who did not come, or did not reveal, in time.
    pub fn advance_lease(ctx: Context<AdvanceLease>) -> Result<()> {
        AdvanceLease::handle(ctx)
    }

    /// Takes the lock of a seat that was found to be wrong.
    pub fn slash_seat<'info>(ctx: Context<'info, SlashSeat<'info>>) -> Result<()> {
        SlashSeat::handle(ctx)
    }

    /// Gives up a seat; its bond is lost if the provider has no free return left.
    pub fn return_lease(ctx: Context<ReturnLease>) -> Result<()> {
        ReturnLease::handle(ctx)
    }

    /// Takes out a seat whose window has passed or that has nothing to wait for; the bond of one that was late is lost.
    pub fn expire_lease<'info>(ctx: Context<'info, ExpireLease<'info>>) -> Result<()> {
        ExpireLease::handle(ctx)
    }

    /// Closes a lease account that has no seats and will get none.
    pub fn close_lease<'info>(ctx: Context<'info, CloseLease<'info>>) -> Result<()> {
        CloseLease::handle(ctx)
    }

    /// Demands a chunk of opened outputs.
    pub fn demand_chunk(ctx: Context<DemandChunk>, chunk: u64) -> Result<()> {
        DemandChunk::handle(ctx, chunk)
    }

    /// Makes room for an answer to a demand.
    pub fn begin_answer(ctx: Context<BeginAnswer>, len: u16) -> Result<()> {
        BeginAnswer::handle(ctx, len)
    }

    /// Writes a piece of an answer.
    pub fn write_answer(ctx: Context<WriteAnswer>, offset: u16, bytes: Vec<u8>) -> Result<()> {
        WriteAnswer::handle(ctx, offset, &bytes)
    }

    /// Closes an answer that nobody needs.
    pub fn drop_answer(ctx: Context<DropAnswer>) -> Result<()> {
        DropAnswer::handle(ctx)
    }

    /// Shows a demanded chunk.
    pub fn answer_chunk(ctx: Context<AnswerChunk>) -> Result<()> {
        AnswerChunk::handle(ctx)
    }

    /// Convicts a seat of which a chunk was demanded that nobody has shown in time.
    pub fn expire_demand(ctx: Context<ExpireDemand>) -> Result<()> {
        ExpireDemand::handle(ctx)
    }

    /// Computes with 128-bit and 64-bit numbers and returns the results, so that tests can compare them with the host's.
    #[cfg(feature = "arithmetic-probe")]
    pub fn arithmetic_probe(ctx: Context<ArithmeticProbe>, a: u128, b: u128) -> Result<()> {
        ArithmeticProbe::handle(ctx, a, b)
    }
}
