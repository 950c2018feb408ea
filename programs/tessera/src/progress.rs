//! What follows when something has happened in a lease, and what is said about it.

use anchor_lang::prelude::*;

use crate::{
    events::{LeaseAgreed, LeaseReopened, LeaseVoided, SeatsOpened},
    state::{Decision, Job, LeaseMut, Moment, Next},
};

/// Lets a lease go on to `next`, judging it if that is due.
pub fn go_on(job: &mut Job, lease: &mut LeaseMut<'_>, next: Next, now: Moment) -> Result<Decision> {
    let decision = if next == Next::Judge { lease.judge(job, now)? } else { Decision::Pending };
    let (job, index) = (lease.job, lease.index);
    match decision {
        Decision::Pending if next != Next::Seats => {}
        Decision::Pending | Decision::Disputed => {
            let (kind, seats, seed_slot) = (lease.group, lease.missing, lease.seed_slot);
            emit!(SeatsOpened { job, index, kind, seats, seed_slot });
        }
        Decision::Agreed => {
            emit!(LeaseAgreed { job, index, result_root: lease.result_root, open_by: lease.open_by });
        }
        Decision::Reopened => emit!(LeaseReopened { job, index }),
        Decision::Void => emit!(LeaseVoided { job, index }),
    }
    Ok(decision)
}

/// Opens a lease anew whose agreed root nobody is left to show the outputs for.
pub fn reopen(job: &mut Job, lease: &mut LeaseMut<'_>, now: Moment) -> Result<()> {
    job.contest(lease.is_contested(), false)?;
    lease.reopen(now.time);
    emit!(LeaseReopened { job: lease.job, index: lease.index });
    Ok(())
}
