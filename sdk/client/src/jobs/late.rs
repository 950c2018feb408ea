//! Seats that keep a job from being closed: nobody shows their keys, or what the client has demanded of them.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::{AnySigner, Error, Lease, LeaseState, Moment, Seat, SeatState, Tessera, batch::unsigned, ix};

impl Tessera {
    /// Removes the seats of a job that have revealed and did not show their keys in time, which are owed their pay until
    /// somebody does that; and has those convicted that did not show in time what was demanded, and their locks taken. Returns
    /// how many. `payer` only pays for the transactions.
    ///
    /// # Errors
    /// If no endpoint answers, or `payer` does not sign.
    pub async fn expire_withheld(&self, payer: &AnySigner, job: &Pubkey) -> Result<usize, Error> {
        let now = self.clock().await?;
        let Some(found) = self.job(job).await? else { return Ok(0) };
        let leases = self.job_leases(job).await?;
        let groups: Vec<Vec<Instruction>> =
            leases.iter().flat_map(|lease| late(job, &found.market, lease, now)).collect();
        let outcomes = self.send_all(&groups, payer).await;
        if let Some(error) = unsigned(&outcomes) {
            return Err(error);
        }
        // Others may have been faster, and what is refused is looked at again by whoever asks again.
        Ok(outcomes.into_iter().filter(Result::is_ok).count())
    }
}

/// What ends the seats of a lease that are late, each by itself.
fn late(job: &Pubkey, market: &Pubkey, lease: &Lease, now: Moment) -> Vec<Vec<Instruction>> {
    let slash = |seat: &Seat| ix::slash_seat(market, job, lease.index, &seat.provider, &seat.payer);
    let end = |seat: &Seat| match seat.state {
        SeatState::Revealed if lease.state == LeaseState::Settled && lease.open_passed(now) => {
            Some(vec![ix::expire_lease(job, lease.index, &seat.provider, &seat.payer)])
        }
        SeatState::Opened if lease.demand_passed(seat, now) => {
            Some(vec![ix::expire_demand(job, lease.index, &seat.provider), slash(seat)])
        }
        // Nobody else has anything of it.
        SeatState::Convicted if seat.demands > 0 => Some(vec![slash(seat)]),
        _ => None,
    };
    lease.seats.iter().filter_map(end).collect()
}
