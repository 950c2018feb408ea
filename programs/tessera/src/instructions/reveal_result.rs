//! `reveal_result`: the roots behind a commitment become known, and with the last of them the lease is judged.

use anchor_lang::prelude::*;
use tessera_protocol::commitment;

use crate::{
    errors::TesseraError,
    events::{ResultOpened, ResultRevealed},
    progress,
    state::{Decision, Job, Lease, Moment, Next},
};

/// What a commitment binds; see `tessera_protocol::commitment::Reveal`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct Reveal {
    /// Tree over the unit hashes of the lease.
    pub result_root: [u8; 32],
    /// Tree over the work leaves of all chunks of the outputs.
    pub work_root: [u8; 32],
    /// Hash of the key that opens the sealed outputs.
    pub key_hash: [u8; 32],
    /// 32 random bytes.
    pub nonce: [u8; 32],
}

impl From<Reveal> for commitment::Reveal {
    fn from(shown: Reveal) -> Self {
        Self {
            result_root: shown.result_root,
            work_root: shown.work_root,
            key_hash: shown.key_hash,
            nonce: shown.nonce,
        }
    }
}

/// Accounts of `reveal_result`. Nobody signs: whoever knows the reveal may show it.
#[derive(Accounts)]
pub struct RevealResult<'info> {
    /// The provider whose seat it is.
    /// CHECK: only its address is used, to find the seat.
    pub provider: UncheckedAccount<'info>,
    /// The job.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
}

impl RevealResult<'_> {
    /// Checks that a key comes along only where nobody can use it to copy any more.
    pub fn validate(decision: Decision, key: Option<&[u8; 32]>) -> Result<()> {
        require!(key.is_none() || decision == Decision::Agreed, TesseraError::KeyTooEarly);
        Ok(())
    }

    /// Checks the roots against the commitment, and judges the lease if they are the last.
    pub fn handle(ctx: Context<Self>, reveal: Reveal, key: Option<[u8; 32]>) -> Result<()> {
        let now = Moment::now()?;
        let provider = ctx.accounts.provider.key();
        let job = &mut *ctx.accounts.job.load_mut()?;
        Lease::with(ctx.accounts.lease.as_ref(), |mut lease| {
            let seat = lease.seat_of(&provider)?;
            let others = lease.reveal(seat, &reveal.into())?;
            let Lease { job: of, index, .. } = *lease.lease;
            let Reveal { result_root, work_root, .. } = reveal;
            emit!(ResultRevealed { job: of, index, provider, result_root, work_root });
            let next = if others { Next::Gather } else { Next::Judge };
            let decision = progress::go_on(job, &mut lease, next, now)?;
            Self::validate(decision, key.as_ref())?;
            if let Some(key) = key {
                lease.open(seat, key, now)?;
                emit!(ResultOpened { job: of, index, provider, key });
            }
            Ok(())
        })
    }
}
