//! `reveal_result`: the roots behind a commitment become known, and the last of them decides the round.

use anchor_lang::prelude::*;
use tessera_protocol::commitment;

use crate::{
    errors::TesseraError,
    events::{LeaseAgreed, LeaseDisagreed, ResultOpened, ResultRevealed},
    state::{Decision, Lease, Moment},
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
    /// CHECK: the lease names it. It is here so that whoever follows the job sees the transaction.
    #[account(owner = crate::ID)]
    pub job: UncheckedAccount<'info>,
    /// The lease.
    #[account(mut, has_one = job @ TesseraError::WrongJob)]
    pub lease: AccountLoader<'info, Lease>,
}

impl RevealResult<'_> {
    /// Checks that a key comes along only where nobody could use it to copy.
    pub fn validate(lease: &Lease, key: Option<&[u8; 32]>) -> Result<()> {
        require!(key.is_none() || lease.replicas == 1, TesseraError::KeyTooEarly);
        Ok(())
    }

    /// Checks the roots against the commitment, and decides the round if they are the last.
    pub fn handle(ctx: Context<Self>, reveal: Reveal, key: Option<[u8; 32]>) -> Result<()> {
        let now = Moment::now()?;
        let provider = ctx.accounts.provider.key();
        Lease::with(ctx.accounts.lease.as_ref(), |mut lease| {
            Self::validate(&lease, key.as_ref())?;
            let seat = lease.seat_of(&provider)?;
            let decision = lease.reveal(seat, &reveal.into(), now)?;
            let Lease { job, index, rounds, open_by, .. } = *lease.lease;
            let Reveal { result_root, work_root, .. } = reveal;
            emit!(ResultRevealed { job, index, provider, result_root, work_root });
            match decision {
                Decision::Pending => {}
                Decision::Agreed => emit!(LeaseAgreed { job, index, result_root, open_by }),
                Decision::Disagreed => emit!(LeaseDisagreed { job, index, rounds }),
            }
            if let Some(key) = key {
                lease.open(seat, key)?;
                emit!(ResultOpened { job, index, provider, key });
            }
            Ok(())
        })
    }
}
