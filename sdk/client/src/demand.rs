//! Outputs that are not where they should be: a client demands a chunk of them before they are paid, and whoever has them
//! answers on the chain.

use futures_util::future::try_join_all;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use tessera_protocol::{
    cid::Cid,
    constants::{MAX_ANSWER, MAX_DEMANDS, MIN_ANSWER_SECONDS},
    outputs::Answer,
    payout,
    verdict::VOID_ROOT,
};

use crate::{
    AnySigner, Error, ID, Job, Lease, Receipt, Seat, SeatState, StoreClient, Tessera, ix, pda,
    program_events::LeaseSettled,
};

/// Bytes of an answer that a transaction of the old format holds beside all else.
const PIECE: usize = 960;

/// A seat whose outputs the store does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The job.
    pub job: Pubkey,
    /// Number of the lease.
    pub index: u32,
    /// The provider.
    pub provider: Pubkey,
    /// Unix time until which chunks can be demanded.
    pub until: i64,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { job, index, provider, until } = self;
        write!(
            f,
            "lease {index}: provider {provider} is to be paid, but its outputs are not to be had; until Unix time {until} it can be made to show that it has them: `tessera job demand {job} {index} --provider {provider}`"
        )
    }
}

impl Job {
    /// What it costs to demand a chunk: the bond and the fee on it. `None` on overflow.
    #[must_use]
    pub fn demand_cost(&self) -> Option<u64> {
        payout::with_fee(self.demand_bond, self.fee_bps)
    }

    /// What the settlement of an opened seat will say of it; everything that fetching its outputs takes.
    pub(crate) fn settlement(&self, lease: &Lease, seat: &Seat) -> LeaseSettled {
        LeaseSettled {
            job: self.address,
            index: lease.index,
            provider: seat.provider,
            kind: seat.data.kind,
            pay: seat.pay,
            first_unit: self.lease_units(lease.index).start,
            units: lease.units,
            result_root: lease.result_root,
            sealed: seat.sealed,
            key: seat.key,
        }
    }
}

impl Lease {
    /// Seats of which chunks can be demanded at `now` (Unix seconds).
    pub fn demandable(&self, now: i64) -> impl Iterator<Item = &Seat> {
        let computed = self.result_root != VOID_ROOT;
        self.seats.iter().filter(move |seat| {
            let asked_too_often = seat.demands >= MAX_DEMANDS || seat.answer_by != 0;
            computed && seat.state == SeatState::Opened && now < seat.payable_at && !asked_too_often
        })
    }

    /// Seconds in which a demanded chunk must be shown.
    #[must_use]
    pub fn answer_seconds(&self) -> u32 {
        self.reveal_seconds.max(MIN_ANSWER_SECONDS)
    }
}

impl Tessera {
    /// Demands a chunk of the outputs that the seat of `provider` has opened; `chunk` counts modulo their number. The bond is
    /// the provider's if it shows the chunk, and comes back when the job closes if it does not.
    ///
    /// # Errors
    /// If nothing can be demanded of it any more, or the transaction fails.
    pub async fn demand(
        &self,
        wallet: &AnySigner,
        job: &Pubkey,
        index: u32,
        provider: &Pubkey,
        chunk: u64,
    ) -> Result<Receipt, Error> {
        let found = self.job(job).await?.ok_or(Error::NotFound { what: "job", address: *job })?;
        let market = self.market(&found.market).await?;
        let market = market.ok_or(Error::NotFound { what: "market", address: found.market })?;
        self.send(&[ix::demand_chunk(&wallet.pubkey(), job, &market.mint, index, provider, chunk)], wallet, &[]).await
    }

    /// Shows a chunk that is demanded of `provider`. It takes several transactions, which `payer` signs and pays; the rent
    /// of what they write comes back with the last one.
    ///
    /// # Errors
    /// If the answer is wrong or nothing is demanded any more, or a transaction fails.
    pub async fn answer(
        &self,
        payer: &AnySigner,
        job: &Pubkey,
        index: u32,
        provider: &Pubkey,
        answer: &Answer,
    ) -> Result<Receipt, Error> {
        let key = payer.pubkey();
        let bytes = borsh::to_vec(answer).map_err(|e| Error::Invalid(format!("no answer: {e}")))?;
        let len = u16::try_from(bytes.len()).ok().filter(|len| usize::from(*len) <= MAX_ANSWER);
        let len = len.ok_or_else(|| Error::Invalid(format!("an answer of {} bytes", bytes.len())))?;
        let address = pda::answer(&pda::lease(job, index), provider, &key);
        // One that was left from an earlier demand.
        let left = self.raw(&ID, &[address]).await?.pop().flatten();
        let mut begin: Vec<Instruction> = left.map(|_| ix::drop_answer(&key, &address)).into_iter().collect();
        begin.push(ix::begin_answer(&key, job, index, provider, len));
        self.send(&begin, payer, &[]).await?;
        let pieces = pieces(&key, &address, &bytes);
        try_join_all(pieces.iter().map(|piece| self.send(std::slice::from_ref(piece), payer, &[]))).await?;
        self.send(&[ix::answer_chunk(&key, job, index, provider)], payer, &[]).await
    }

    /// The seats of a job that are to be paid although the store does not have their outputs, as long as chunks of them can
    /// be demanded.
    ///
    /// # Errors
    /// If an endpoint or the store does not answer.
    pub async fn missing_outputs(&self, job: &Pubkey, store: &StoreClient) -> Result<Vec<Missing>, Error> {
        let now = self.clock().await?.time;
        let mut missing = Vec::new();
        for lease in self.job_leases(job).await? {
            for seat in lease.demandable(now) {
                if !store.exists(&Cid(seat.sealed)).await? {
                    let (index, until) = (lease.index, seat.payable_at);
                    missing.push(Missing { job: *job, index, provider: seat.provider, until });
                }
            }
        }
        Ok(missing)
    }
}

/// What writes an answer, piece by piece.
fn pieces(payer: &Pubkey, address: &Pubkey, bytes: &[u8]) -> Vec<Instruction> {
    let offsets = (0..=u16::MAX).step_by(PIECE);
    let pieces = offsets.zip(bytes.chunks(PIECE));
    pieces.map(|(offset, piece)| ix::write_answer(payer, address, offset, piece.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn pieces_fit_a_transaction_and_make_the_whole() {
        use crate::program::tessera::client::args::WriteAnswer;
        use anchor_lang::AnchorDeserialize;

        let (payer, address) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        let bytes: Vec<u8> = (0..MAX_ANSWER).map(|i| (i % 251) as u8).collect();
        let pieces = pieces(&payer, &address, &bytes);
        let mut written = vec![0; MAX_ANSWER];
        for piece in &pieces {
            assert!(Format::Legacy.len(std::slice::from_ref(piece), &payer).is_some());
            let args = WriteAnswer::deserialize(&mut &piece.data[8..]).unwrap();
            let offset = usize::from(args.offset);
            written[offset..offset + args.bytes.len()].copy_from_slice(&args.bytes);
        }
        assert_eq!(written, bytes);
        let larger = ix::write_answer(&payer, &address, 0, vec![0; PIECE + 8]);
        assert_eq!(Format::Legacy.len(&[larger], &payer), None, "pieces could be larger");
    }

    #[test]
    fn who_misses_outputs_is_told_what_to_do() {
        let key = |n| Pubkey::new_from_array([n; 32]);
        let text = Missing { job: key(1), index: 7, provider: key(2), until: 5 }.to_string();
        assert!(text.contains(&format!("tessera job demand {} 7 --provider {}", key(1), key(2))), "{text}");
    }
}
