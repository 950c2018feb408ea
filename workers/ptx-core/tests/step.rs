//! Single operations and ends of blocks, with a few bytes of memory.

use tessera_ptx_core::address::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use tessera_ptx_core::ir::{Atomic, Change, Copies, End, Guard, NO_SLOT, Op, Place, Transfer, Via, What};
use tessera_ptx_core::scalar::Scalar;
use tessera_ptx_core::{FaultKind, Next, Reach, Space, Touch};

/// The same bytes in every space, and what was told of them.
struct Memory {
    bytes: [u8; 32],
    told: Vec<(Space, u64, u32, Touch, bool)>,
    said: Vec<Copies>,
}

impl Memory {
    fn new() -> Self {
        Self { bytes: std::array::from_fn(|i| 0xf0u8.wrapping_add(i as u8)), told: Vec::new(), said: Vec::new() }
    }

    fn place(&mut self, space: Space, address: u64, len: u32) -> Result<&mut [u8], FaultKind> {
        let range = address as usize..address as usize + len as usize;
        self.bytes.get_mut(range).ok_or(FaultKind::OutOfBounds { space, address, len })
    }
}

impl Reach for Memory {
    fn get(&mut self, space: Space, address: u64, len: u32) -> Result<u64, FaultKind> {
        let bytes = self.place(space, address, len)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn put(&mut self, space: Space, address: u64, len: u32, value: u64) -> Result<(), FaultKind> {
        if space == Space::Param {
            return Err(FaultKind::ReadOnly { address });
        }
        self.place(space, address, len)?.copy_from_slice(&value.to_le_bytes()[..len as usize]);
        Ok(())
    }

    fn copy_local(&mut self, to: u32, from: u32, len: u32) {
        self.bytes.copy_within(from as usize..(from + len) as usize, to as usize);
    }

    fn touch(&mut self, space: Space, address: u64, len: u32, touch: Touch, later: bool) -> Result<(), FaultKind> {
        self.told.push((space, address, len, touch, later));
        Ok(())
    }

    fn copies(&mut self, said: Copies) -> Result<(), FaultKind> {
        self.said.push(said);
        Ok(())
    }
}

fn act(what: What, slots: &mut [u64], memory: &mut Memory) -> Result<(), FaultKind> {
    Op { what, guard: None, line: 1 }.act(slots, memory)
}

/// An address in slot 0.
fn at(via: Via, offset: u64) -> Place {
    Place { via, base: 0, offset, short: false }
}

fn elements(at: Place, size: u8, count: u8) -> Transfer {
    Transfer { at, size, signed: false, count, data: [1, 2, 3, 4], later: false }
}

#[test]
fn a_guard_says_whether_an_operation_acts() {
    let what = What::Scalar { f: Scalar::Mov32, d: 0, s: [1, 0, 0], imm: 0 };
    let acts = |guard, p| Op { what, guard, line: 1 }.acts(&[0, 0, p]);
    let guard = |negated| Some(Guard { slot: 2, negated });
    assert!(acts(None, 0) && acts(guard(false), 1) && acts(guard(true), 0));
    assert!(!acts(guard(false), 0) && !acts(guard(true), 1));
}

#[test]
fn divisions_have_signs_and_lengths() {
    let divide = |remainder, signed, wide, a, b| {
        let mut slots = [a, b, 0];
        let what = What::Divide { remainder, signed, wide, d: 2, a: 0, b: 1 };
        act(what, &mut slots, &mut Memory::new()).map(|()| slots[2])
    };
    let (minus7, least) = (u64::from(-7i32 as u32), u64::from(i32::MIN as u32));
    assert_eq!(divide(false, false, false, 7, 2), Ok(3));
    assert_eq!(divide(false, true, false, minus7, 2), Ok(u64::from(-3i32 as u32)));
    assert_eq!(divide(true, true, false, minus7, 2), Ok(u64::from(-1i32 as u32)));
    assert_eq!(divide(false, true, false, least, u64::from(u32::MAX)), Ok(least));
    assert_eq!(divide(false, true, true, i64::MIN as u64, u64::MAX), Ok(i64::MIN as u64));
    assert_eq!(divide(true, false, true, u64::MAX, 10), Ok(5));
    assert_eq!(divide(true, false, true, 1, 0), Err(FaultKind::DivisionByZero));
}

#[test]
fn transfers_reach_the_space_that_an_address_names() {
    let (mut memory, mut slots) = (Memory::new(), [SHARED_WINDOW, 0, 0, 0, 0]);
    act(What::Load(elements(at(Via::Generic, 8), 4, 2)), &mut slots, &mut memory).unwrap();
    assert_eq!(slots[1..], [0xfbfa_f9f8, 0xfffe_fdfc, 0, 0]);
    let signed = Transfer { signed: true, later: true, ..elements(at(Via::Generic, 2), 1, 1) };
    slots[0] = LOCAL_WINDOW;
    act(What::Load(signed), &mut slots, &mut memory).unwrap();
    assert_eq!(slots[1], 0xffff_fff2);
    slots = [4, 0x1_0203, 0x0405, 0, 0];
    act(What::Store(elements(at(Via::Local, u64::MAX - 3), 2, 2)), &mut slots, &mut memory).unwrap();
    assert_eq!(memory.bytes[..5], [3, 2, 5, 4, 0xf4]);
    act(What::CopyLocal { to: 1, from: 0, len: 3 }, &mut slots, &mut memory).unwrap();
    assert_eq!(memory.bytes[..5], [3, 3, 2, 5, 0xf4]);
    act(What::Copies(Copies::Wait(2)), &mut slots, &mut memory).unwrap();
    assert_eq!(memory.said, [Copies::Wait(2)]);
    let told = [
        (Space::Shared, 8, 8, Touch::Read, false),
        (Space::Local, 2, 1, Touch::Read, true),
        (Space::Local, 0, 4, Touch::Write, false),
    ];
    assert_eq!(memory.told, told);
}

#[test]
fn accesses_that_do_not_fit_are_faults() {
    let (mut memory, mut slots) = (Memory::new(), [PARAM_WINDOW, 9, 9, 9, 9]);
    let mut fault = |what| act(what, &mut slots, &mut memory).unwrap_err();
    let misaligned = FaultKind::Misaligned { space: Space::Shared, address: PARAM_WINDOW + 4, len: 8 };
    assert_eq!(fault(What::Load(elements(at(Via::Shared, 4), 4, 2))), misaligned);
    assert_eq!(fault(What::Store(elements(at(Via::Generic, 0), 4, 1))), FaultKind::ReadOnly { address: 0 });
    // The element that does not fit, not the whole.
    let outside = FaultKind::OutOfBounds { space: Space::Param, address: 32, len: 2 };
    let wide = Transfer { count: 4, ..elements(at(Via::Generic, 32), 2, 4) };
    assert_eq!(fault(What::Load(wide)), outside);
    let add =
        |via| Atomic { at: at(via, 0), change: Change::Add, wide: true, signed: false, d: NO_SLOT, b: 1, c: NO_SLOT };
    let outside = FaultKind::OutOfBounds { space: Space::Param, address: 0, len: 8 };
    assert_eq!(fault(What::Atomic(add(Via::Generic))), outside);
    assert_eq!((memory.bytes, slots), (Memory::new().bytes, [PARAM_WINDOW, 9, 9, 9, 9]));
}

#[test]
fn atomics_change_numbers() {
    let low = 0xf3f2_f1f0u32;
    let cases = [
        (Change::Add, false, 0x1000_0000, low.wrapping_add(0x1000_0000)),
        (Change::Min, false, 5, 5),
        (Change::Min, true, 5, low),
        (Change::Max, true, 5, 5),
        (Change::And, false, 0xffff, low & 0xffff),
        (Change::Or, false, 0xffff, low | 0xffff),
        (Change::Xor, false, 0xffff, low ^ 0xffff),
        (Change::Inc, false, low, 0),
        (Change::Inc, false, low + 1, low + 1),
        (Change::Dec, false, 7, 7),
        (Change::Dec, false, low, low - 1),
        (Change::Exchange, false, 7, 7),
        (Change::Compare, false, low, 1),
        (Change::Compare, false, 0, low),
    ];
    for (change, signed, b, new) in cases {
        let (mut memory, mut slots) = (Memory::new(), [0, b.into(), 1, 0]);
        let atomic = Atomic { at: at(Via::Shared, 0), change, wide: false, signed, d: 3, b: 1, c: 2 };
        act(What::Atomic(atomic), &mut slots, &mut memory).unwrap();
        assert_eq!(memory.bytes[..4], new.to_le_bytes(), "{change:?} of {b:#x}");
        assert_eq!(slots[3], u64::from(low));
        assert_eq!(memory.told, [(Space::Shared, 0, 4, Touch::Atomic, false)]);
    }
}

#[test]
fn ends_say_where_a_thread_goes() {
    let mut slots = [1, 2, 0];
    let mut follow = |end: End| end.follow(&mut slots);
    let branch = |slot, negated| End::Branch { guard: Guard { slot, negated }, taken: 5, next: 6 };
    assert_eq!(follow(branch(0, false)), Ok(Next::Block(5)));
    assert_eq!(follow(branch(0, true)), Ok(Next::Block(6)));
    let switch = |index| End::Switch { index, targets: [7, 8].into() };
    assert_eq!(follow(switch(0)), Ok(Next::Block(8)));
    assert_eq!(follow(switch(1)), Err(FaultKind::BranchIndex { index: 2, targets: 2 }));
    assert_eq!(follow(End::Call { target: 9, link: 2, back: 4 }), Ok(Next::Block(9)));
    assert_eq!(follow(End::Return { link: 2 }), Ok(Next::Block(4)));
    assert_eq!(follow(End::Barrier { id: 0, count: NO_SLOT, reduction: None, next: 1 }), Ok(Next::Barrier));
    assert_eq!(follow(End::Exit), Ok(Next::Exited));
    assert_eq!(follow(End::Trap), Err(FaultKind::Trap));
    assert_eq!(follow(End::Assert), Err(FaultKind::Assertion));
}
