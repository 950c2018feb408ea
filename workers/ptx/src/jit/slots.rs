//! Which slots operations and ends of blocks read and write.

use crate::ir::{End, NO_SLOT, Place, Slot, What};

/// What happens to a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// Shows every slot of an operation, those that it reads first.
pub(super) fn visit(what: &mut What, see: &mut impl FnMut(&mut Slot, Use)) {
    let mut see = |slot: &mut Slot, how| {
        if *slot != NO_SLOT {
            see(slot, how);
        }
    };
    match what {
        What::Scalar { f, d, s, .. } => {
            let count = f.operands().len();
            s[..count].iter_mut().for_each(|slot| see(slot, Use::Read));
            // The others repeat the first, and go on to do so.
            let first = s[0];
            s[count..].fill(first);
            see(d, Use::Write);
        }
        What::Divide { d, a, b, .. } => {
            see(a, Use::Read);
            see(b, Use::Read);
            see(d, Use::Write);
        }
        What::Load(transfer) => {
            see(&mut transfer.at.base, Use::Read);
            transfer.data[..usize::from(transfer.count)].iter_mut().for_each(|slot| see(slot, Use::Write));
        }
        What::Store(transfer) => {
            see(&mut transfer.at.base, Use::Read);
            transfer.data[..usize::from(transfer.count)].iter_mut().for_each(|slot| see(slot, Use::Read));
        }
        What::Atomic(atomic) => {
            see(&mut atomic.at.base, Use::Read);
            see(&mut atomic.b, Use::Read);
            see(&mut atomic.c, Use::Read);
            see(&mut atomic.d, Use::Write);
        }
        What::CopyLocal { .. } | What::Copies(_) => {}
    }
}

/// The slots that an operation reads and those that it writes, in the order of [`visit`].
pub(super) fn of(what: &What, mut see: impl FnMut(Slot, Use)) {
    visit(&mut what.clone(), &mut |slot, how| see(*slot, how));
}

/// Where an operation accesses memory.
pub(super) fn place(what: &What) -> Option<&Place> {
    match what {
        What::Load(transfer) | What::Store(transfer) => Some(&transfer.at),
        What::Atomic(atomic) => Some(&atomic.at),
        _ => None,
    }
}

/// Slots that the end of a block touches.
pub(super) fn of_end(end: &End, mut see: impl FnMut(Slot, Use)) {
    let mut see = |slot: Slot, how| {
        if slot != NO_SLOT {
            see(slot, how);
        }
    };
    match end {
        End::Jump(_) | End::Exit | End::Trap | End::Assert => {}
        End::Branch { guard, .. } => see(guard.slot, Use::Read),
        End::Switch { index, .. } => see(*index, Use::Read),
        End::Call { link, .. } => see(*link, Use::Write),
        End::Return { link } => see(*link, Use::Read),
        End::Barrier { id, count, reduction, .. } => {
            see(*id, Use::Read);
            see(*count, Use::Read);
            if let Some(reduction) = reduction {
                see(reduction.p, Use::Read);
                see(reduction.d, Use::Write);
            }
        }
        End::Collective { what, members, .. } => {
            see(*members, Use::Read);
            let (reads, writes) = what.slots();
            reads.into_iter().for_each(|slot| see(slot, Use::Read));
            writes.into_iter().for_each(|slot| see(slot, Use::Write));
        }
    }
}

/// Renames the slots of an end.
pub(super) fn rename_end(end: &mut End, name: &mut impl FnMut(&mut Slot)) {
    let mut name = |slot: &mut Slot| {
        if *slot != NO_SLOT {
            name(slot);
        }
    };
    match end {
        End::Jump(_) | End::Exit | End::Trap | End::Assert => {}
        End::Branch { guard, .. } => name(&mut guard.slot),
        End::Switch { index, .. } => name(index),
        End::Call { link, .. } | End::Return { link } => name(link),
        End::Barrier { id, count, reduction, .. } => {
            name(id);
            name(count);
            if let Some(reduction) = reduction {
                name(&mut reduction.p);
                name(&mut reduction.d);
            }
        }
        End::Collective { what, members, .. } => {
            name(members);
            what.rename(&mut name);
        }
    }
}

/// Whether a thread that reaches the end stops there until others let it go on, and where it goes on then.
pub(super) fn resumes_at(end: &End) -> Option<u32> {
    match end {
        End::Barrier { next, .. } | End::Collective { next, .. } => Some(*next),
        _ => None,
    }
}

/// The blocks that may run after this one. A return may go wherever its function was called from.
pub(super) fn successors(end: &End, returns: impl FnOnce(Slot) -> Vec<u32>) -> Vec<u32> {
    match end {
        End::Jump(next) => vec![*next],
        End::Branch { taken, next, .. } => vec![*taken, *next],
        End::Switch { targets, .. } => targets.to_vec(),
        End::Call { target, .. } => vec![*target],
        End::Return { link } => returns(*link),
        End::Barrier { next, .. } | End::Collective { next, .. } => vec![*next],
        End::Exit | End::Trap | End::Assert => vec![],
    }
}
