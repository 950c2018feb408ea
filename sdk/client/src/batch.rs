//! Many small things in few transactions.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use anchor_lang::Discriminator;
use futures_util::future::BoxFuture;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::{AnySigner, Error, Format, ID, Receipt, Tessera, program::tessera::client::args};

/// Bytes of log that nodes keep of a transaction by default; what comes later is cut, and events with it.
const LOG: usize = 10_000;

/// Bytes of log that an instruction writes at most, with the lines around it.
fn log_len(instruction: &Instruction) -> usize {
    let is = |discriminator: &[u8]| instruction.program_id == ID && instruction.data.starts_with(discriminator);
    match () {
        () if is(args::ClaimLease::DISCRIMINATOR) => 520,
        () if is(args::CommitResult::DISCRIMINATOR) => 500,
        () if is(args::RevealResult::DISCRIMINATOR) => 1_000,
        () if is(args::SettleLease::DISCRIMINATOR) => 860,
        () if is(args::DrawAudit::DISCRIMINATOR) => 420,
        () => 900,
    }
}

/// What became of a group of instructions. Those that went together share receipt and error.
pub type Outcome = Result<Arc<Receipt>, Arc<Error>>;

/// The error of a signer that has not signed, if one of the outcomes is that: whoever asks again asks somebody who has refused.
#[must_use]
pub fn unsigned(outcomes: &[Outcome]) -> Option<Error> {
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find_map(|error| error.of_signer())
}

/// What a signer has said when it did not sign: then it is not asked for what is still to be sent.
type Refusal = OnceLock<Arc<Error>>;

/// Divides groups of instructions, in their order, into ranges that fit a transaction each, their events into its log. A
/// group is never divided; one that does not fit by itself is a range of its own, which no cluster will take.
#[must_use]
pub fn pack(groups: &[Vec<Instruction>], payer: &Pubkey, format: Format) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < groups.len() {
        let mut together = groups[start].clone();
        let mut log: usize = together.iter().map(log_len).sum();
        let mut end = start + 1;
        while end < groups.len() {
            together.extend_from_slice(&groups[end]);
            log += groups[end].iter().map(log_len).sum::<usize>();
            if log > LOG || format.len(&together, payer).is_none() {
                break;
            }
            end += 1;
        }
        ranges.push(start..end);
        start = end;
    }
    ranges
}

impl Tessera {
    /// Sends groups of instructions, as many in one transaction as fit, and the transactions at the same time. A group is
    /// done wholly or not at all. A transaction that is refused is sent again in halves, so that what is wrong with one
    /// group does not keep the others from having their effect; groups must not depend on each other. The outcomes are in
    /// the order of the groups.
    ///
    /// A payer that [asks somebody](solana_signer::Signer::is_interactive) signs one transaction after the other, in the old format,
    /// which devices know; once it has refused one, the others are not sent, and fail with the same error.
    pub async fn send_all(&self, groups: &[Vec<Instruction>], payer: &AnySigner) -> Vec<Outcome> {
        let outcomes: Vec<OnceLock<Outcome>> = groups.iter().map(|_| OnceLock::new()).collect();
        self.send_each(groups, payer, &|group, outcome| drop(outcomes[group].set(outcome))).await;
        let missing = || Err(Arc::new(Error::Invalid("a group of instructions was not sent".into())));
        outcomes.into_iter().map(|outcome| outcome.into_inner().unwrap_or_else(missing)).collect()
    }

    /// As [`Self::send_all`], but says of each group what became of it as soon as that is known.
    pub async fn send_each(
        &self,
        groups: &[Vec<Instruction>],
        payer: &AnySigner,
        done: &(dyn Fn(usize, Outcome) + Sync),
    ) {
        let format = if payer.is_interactive() { Ok(Format::Legacy) } else { self.format().await };
        match format {
            Ok(format) => self.send_packed(format, 0, groups, payer, done, &Refusal::new()).await,
            Err(error) => {
                let error = Arc::new(error);
                (0..groups.len()).for_each(|group| done(group, Err(Arc::clone(&error))));
            }
        }
    }

    /// Sends groups, the first of which has number `first`, in transactions of a format.
    async fn send_packed(
        &self,
        format: Format,
        first: usize,
        groups: &[Vec<Instruction>],
        payer: &AnySigner,
        done: &(dyn Fn(usize, Outcome) + Sync),
        refusal: &Refusal,
    ) {
        let ranges = pack(groups, &payer.pubkey(), format);
        let sent = ranges
            .into_iter()
            .map(|range| self.send_together(format, first + range.start, &groups[range], payer, done, refusal));
        in_turn_or_at_once(payer.is_interactive(), sent.collect()).await;
    }

    /// Sends groups in one transaction, and in halves where that is refused.
    fn send_together<'a>(
        &'a self,
        format: Format,
        first: usize,
        groups: &'a [Vec<Instruction>],
        payer: &'a AnySigner,
        done: &'a (dyn Fn(usize, Outcome) + Sync),
        refusal: &'a Refusal,
    ) -> BoxFuture<'a, ()> {
        let all = first..first + groups.len();
        let sent = async move {
            if let Some(error) = refusal.get() {
                return all.for_each(|group| done(group, Err(Arc::clone(error))));
            }
            match self.send_in(format, &groups.concat(), payer, &[]).await {
                Err(Error::Program { .. } | Error::Transaction { .. }) if groups.len() > 1 => {
                    let (one, other) = groups.split_at(groups.len() / 2);
                    let second = first + one.len();
                    let halves = [(first, one), (second, other)];
                    let sent =
                        halves.map(|(first, groups)| self.send_together(format, first, groups, payer, done, refusal));
                    in_turn_or_at_once(payer.is_interactive(), sent.into()).await;
                }
                // An endpoint that does not know the version, though the cluster does.
                Err(error @ Error::Rpc { .. }) if format == Format::V1 => {
                    tracing::debug!(%error, "a transaction of version 1 is refused, going on without");
                    self.remember(Format::Legacy);
                    self.send_packed(Format::Legacy, first, groups, payer, done, refusal).await;
                }
                result => {
                    let outcome = result.map(Arc::new).map_err(Arc::new);
                    if let Err(error) = &outcome
                        && matches!(**error, Error::Signer { .. })
                    {
                        // The first one is as good as a later one.
                        let _ = refusal.set(Arc::clone(error));
                    }
                    all.for_each(|group| done(group, outcome.clone()));
                }
            }
        };
        Box::pin(sent)
    }
}

/// Waits for all of what is sent: one after the other where somebody is asked each time, or at the same time.
async fn in_turn_or_at_once(in_turn: bool, sent: Vec<BoxFuture<'_, ()>>) {
    if in_turn {
        for one in sent {
            one.await;
        }
    } else {
        futures_util::future::join_all(sent).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_instruction::AccountMeta;
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    const PAYER: Pubkey = Pubkey::new_from_array([9; 32]);

    /// An instruction with an account of its own and `len` bytes of data.
    fn instruction(n: u8, len: usize) -> Instruction {
        let own = AccountMeta::new(Pubkey::new_from_array([n; 32]), false);
        let data = [args::CommitResult::DISCRIMINATOR, &vec![0; len]].concat();
        Instruction::new_with_bytes(ID, &data, vec![AccountMeta::new(PAYER, true), own])
    }

    fn packed(groups: &[Vec<Instruction>], format: Format) -> Vec<usize> {
        let ranges = pack(groups, &PAYER, format);
        assert_eq!(ranges.iter().cloned().flatten().collect::<Vec<_>>(), (0..groups.len()).collect::<Vec<_>>());
        ranges.into_iter().map(|range| range.len()).collect()
    }

    #[test]
    fn transactions_are_filled_and_no_group_is_divided() {
        let small: Vec<_> = (10..60).map(|n| vec![instruction(n, 200)]).collect();
        for format in [Format::Legacy, Format::V1] {
            let sizes = packed(&small, format);
            let filled: Vec<Instruction> = small[..sizes[0]].iter().flatten().cloned().collect();
            let more: Vec<Instruction> = small[..=sizes[0]].iter().flatten().cloned().collect();
            assert!(format.len(&filled, &PAYER).is_some_and(|len| len <= format.max_len()));
            assert_eq!(format.len(&more, &PAYER), None);
            assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == sizes[0]), "{sizes:?}");
        }
        assert_eq!((packed(&small, Format::Legacy)[0], packed(&small, Format::V1)[0]), (4, 15));
        let pairs: Vec<_> = small.chunks(2).map(|pair| pair.concat()).collect();
        assert_eq!(packed(&pairs, Format::Legacy)[0], 2);
    }

    #[test]
    fn what_does_not_fit_stands_alone() {
        let groups = [vec![instruction(1, 10)], vec![instruction(2, 5_000)], vec![instruction(3, 10)]];
        assert_eq!(packed(&groups, Format::Legacy), [1, 1, 1]);
        assert_eq!(packed(&groups, Format::V1), [1, 1, 1]);
        assert_eq!(packed(&[], Format::V1), [0; 0]);
    }

    #[test]
    fn logs_and_calls_are_counted() {
        let many: Vec<_> = (10..110).map(|n| vec![instruction(n, 0)]).collect();
        // In spite of the room for more: 500 bytes of log for each.
        assert_eq!(packed(&many, Format::V1)[0], 20);
        let together: Vec<Instruction> = many[..32].concat();
        assert!(Format::V1.len(&together, &PAYER).is_some());
        let together: Vec<Instruction> = many[..33].concat();
        assert_eq!(Format::V1.len(&together, &PAYER), None, "each may call another, and 64 are possible");
    }

    #[test]
    fn the_length_is_that_of_the_signed_transaction() {
        use solana_message::Hash;
        use solana_transaction::versioned::VersionedTransaction;

        let payer = Keypair::new();
        let account = AccountMeta::new(Pubkey::new_from_array([3; 32]), false);
        let one = Instruction::new_with_bytes(crate::ID, &[7; 50], vec![account]);
        for format in [Format::Legacy, Format::V1] {
            let message = format.compile(std::slice::from_ref(&one), &payer.pubkey(), 9, 1, Hash::default()).unwrap();
            let signed = VersionedTransaction::try_new(message, &[&payer]).unwrap();
            let bytes = wincode::serialize(&signed).unwrap();
            assert_eq!(Some(bytes.len()), format.len(std::slice::from_ref(&one), &payer.pubkey()));
        }
    }
}
