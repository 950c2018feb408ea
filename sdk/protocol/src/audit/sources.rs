//! Where the pay of each auditor comes from.

use alloc::{vec, vec::Vec};

use super::Funding;

/// A seat that was drawn, in the order of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who was to pay for the audit.
    pub funding: Funding,
    /// Whether the seat is paid itself.
    pub paid: bool,
    /// Which of the auditors it is; `None` for a base seat.
    pub auditor: Option<usize>,
}

/// Where the pay of an auditor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The job's reserve has set it aside.
    Reserve,
    /// This caller is paid so much less.
    Caller(usize),
    /// A base seat that is not paid leaves it in the escrow.
    Work,
}

/// The sources of all auditors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// For each auditor: where its pay comes from; `None` if it is not paid.
    pub of: Vec<Option<Source>>,
    /// How many pays the reserve gets back.
    pub unspent: u64,
}

/// Finds the source of every auditor's pay. The k-th auditor was called by the k-th of `callers`; `paid` says which auditors
/// are paid. Each takes one pay from somewhere, and nothing pays two: what was meant for an auditor that is not paid goes to
/// the auditor that it called itself, or back.
#[must_use]
pub fn sources(callers: &[Caller], paid: &[bool]) -> Sources {
    let mut of = vec![None; paid.len()];
    let mut meant: Vec<Option<Source>> = vec![None; paid.len()];
    let mut unspent = 0;
    for (k, caller) in callers.iter().enumerate() {
        let source = match *caller {
            Caller { funding: Funding::Reserve, .. } => Some(Source::Reserve),
            Caller { paid: true, .. } => Some(Source::Caller(k)),
            Caller { auditor: None, .. } => Some(Source::Work),
            Caller { auditor: Some(auditor), .. } => meant.get_mut(auditor).and_then(Option::take),
        };
        match paid.get(k) {
            Some(true) => of[k] = source,
            Some(false) => meant[k] = source,
            None => unspent += u64::from(source == Some(Source::Reserve)),
        }
    }
    unspent += meant.iter().filter(|source| **source == Some(Source::Reserve)).count() as u64;
    Sources { of, unspent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base(funding: Funding, paid: bool) -> Caller {
        Caller { funding, paid, auditor: None }
    }

    #[test]
    fn table() {
        use Funding::{Reserve, Seat};
        let second = |funding, paid| Caller { funding, paid, auditor: Some(0) };
        let table = [
            (vec![base(Reserve, true)], vec![true], vec![Some(Source::Reserve)], 0),
            (vec![base(Reserve, true)], vec![false], vec![None], 1),
            (vec![base(Reserve, true)], vec![], vec![], 1),
            (vec![base(Seat, true)], vec![true], vec![Some(Source::Caller(0))], 0),
            (vec![base(Seat, false)], vec![true], vec![Some(Source::Work)], 0),
            (vec![base(Seat, true)], vec![false], vec![None], 0),
            // The auditor is wrong, and its own auditor found it out.
            (vec![base(Reserve, true), second(Seat, false)], vec![false, true], vec![None, Some(Source::Reserve)], 0),
            (vec![base(Seat, true), second(Seat, false)], vec![false, true], vec![None, Some(Source::Caller(0))], 0),
            (vec![base(Seat, true), second(Reserve, false)], vec![false, true], vec![None, Some(Source::Reserve)], 0),
            (vec![base(Reserve, true), second(Seat, false)], vec![false, false], vec![None, None], 1),
        ];
        for (callers, paid, of, unspent) in table {
            assert_eq!(sources(&callers, &paid), Sources { of, unspent }, "{callers:?} {paid:?}");
        }
    }

    proptest! {
        #[test]
        fn every_paid_auditor_has_a_source_of_its_own(
            first in 1usize..4, fundings in prop::collection::vec(any::<bool>(), 8), paid in prop::collection::vec(any::<bool>(), 8),
            audits in 0usize..8,
        ) {
            // The first callers are base seats; then each auditor may call the next.
            let funding = |i: usize| if fundings[i] { Funding::Reserve } else { Funding::Seat };
            let callers: Vec<Caller> = (0..audits)
                .map(|i| match i.checked_sub(first) {
                    None => base(funding(i), paid[7 - i]),
                    Some(auditor) => Caller { funding: funding(i), paid: paid[auditor], auditor: Some(auditor) },
                })
                .collect();
            let Sources { of, unspent } = sources(&callers, &paid[..audits]);
            for (auditor, source) in of.iter().enumerate() {
                prop_assert_eq!(source.is_some(), paid[auditor]);
                if let Some(Source::Caller(k)) = source {
                    prop_assert!(callers[*k].paid);
                    prop_assert_eq!(of.iter().filter(|other| *other == source).count(), 1);
                }
            }
            let reserved = callers.iter().filter(|caller| caller.funding == Funding::Reserve).count();
            let spent = of.iter().filter(|source| **source == Some(Source::Reserve)).count();
            prop_assert_eq!(reserved, spent + unspent as usize);
            let work = of.iter().filter(|source| **source == Some(Source::Work)).count();
            prop_assert!(work <= callers.iter().filter(|caller| caller.auditor.is_none() && !caller.paid).count());
        }
    }
}
