//! `reveal_result`: the roots behind a commitment become known, and the last of them decides the round.

use anchor_lang::prelude::*;
use tessera_protocol::commitment;

use crate::{
    errors::TesseraError,
    events::{LeaseAgreed, LeaseDisagreed, ResultOpened, ResultRevealed},
    state::{Decision, Job, Lease},
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
    pub job: Box<Account<'info, Job>>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: Box<Account<'info, Lease>>,
}

impl RevealResult<'_> {
    /// Checks that a key comes along only where nobody could use it to copy.
    pub fn validate(&self, key: Option<&[u8; 32]>) -> Result<()> {
        require!(key.is_none() || self.lease.replicas == 1, TesseraError::KeyTooEarly);
        Ok(())
    }

    /// Checks the roots against the commitment, and decides the round if they are the last.
    pub fn handle(ctx: Context<Self>, reveal: Reveal, key: Option<[u8; 32]>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(key.as_ref())?;
        let now = Clock::get()?.unix_timestamp;
        let provider = accounts.provider.key();
        let open_by = now.saturating_add(i64::from(accounts.job.reveal_seconds));
        let lease = &mut accounts.lease;
        let seat = lease.seat_of(&provider)?;
        let decision = lease.reveal(seat, &reveal.into(), now, open_by)?;
        let (job, index) = (lease.job, lease.index);
        let Reveal { result_root, work_root, .. } = reveal;
        emit!(ResultRevealed { job, index, provider, result_root, work_root });
        match decision {
            Decision::Pending => {}
            Decision::Agreed => emit!(LeaseAgreed { job, index, result_root, open_by }),
            Decision::Disagreed => emit!(LeaseDisagreed { job, index, rounds: lease.rounds }),
        }
        if let Some(key) = key {
            lease.open(seat, key)?;
            emit!(ResultOpened { job, index, provider, key });
        }
        Ok(())
    }
}
