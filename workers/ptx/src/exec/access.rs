//! Loads, and what they share with stores and atomics.
//!
//! Operands: `r[0..4]` data registers, `r[4]` the register with the address, `imm` the offset, `n` the number of
//! elements plus [`SHORT_ADDRESS`] where the address register has 32 bits.

// Loops over lanes index several arrays at once; as iterators they would hide that.
#![allow(clippy::needless_range_loop)]

use super::lanes::{ALL, Context, LANES, Op, Registers, Run, Target};
use crate::error::{FaultKind, Space};
use crate::memory::{Cell, LOCAL_WINDOW, OFFSET_BITS, PARAM_WINDOW, SHARED_WINDOW};

/// Set in `n` where the address is in a 32-bit register.
pub(crate) const SHORT_ADDRESS: u32 = 1 << 8;
/// Set in `n` where the instruction says `.global`: shared and local memory are out of its reach.
pub(crate) const ONLY_GLOBAL: u32 = 1 << 9;
/// In place of a slot: the result is not wanted.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// The addresses of all lanes; lanes outside the mask get one of a lane inside.
#[inline(always)]
pub(super) fn addresses(registers: &Registers, op: &Op, mask: u32) -> [u64; LANES] {
    let mut addresses = [0; LANES];
    if op.n & SHORT_ADDRESS != 0 {
        let base = &registers.words[op.r[4] as usize].0;
        for lane in 0..LANES {
            addresses[lane] = u64::from(base[lane].wrapping_add(op.imm as u32));
        }
    } else {
        let base = &registers.longs[op.r[4] as usize].0;
        for lane in 0..LANES {
            addresses[lane] = base[lane].wrapping_add(op.imm);
        }
    }
    if mask != ALL {
        let first = addresses[mask.trailing_zeros() as usize & 31];
        for lane in 0..LANES {
            addresses[lane] = if mask >> lane & 1 != 0 { addresses[lane] } else { first };
        }
    }
    addresses
}

/// How an element in memory becomes a register.
pub(crate) trait Element: 'static {
    type Memory: Cell;
    type Register: Target + Default;
    fn widen(value: Self::Memory) -> Self::Register;
    fn of_bytes(bytes: &[u8]) -> Option<Self::Memory>;
}

macro_rules! elements {
    ($($name:ident: $memory:ty => $register:ty, |$v:ident| $body:expr;)*) => { $(
        pub(crate) struct $name;
        impl Element for $name {
            type Memory = $memory;
            type Register = $register;
            #[inline(always)]
            fn widen($v: $memory) -> $register { $body }
            #[inline(always)]
            fn of_bytes(bytes: &[u8]) -> Option<$memory> {
                bytes.first_chunk().map(|chunk| <$memory>::from_le_bytes(*chunk))
            }
        }
    )* };
}

elements! {
    U8: u8 => u32, |v| u32::from(v);
    S8: u8 => u32, |v| v as i8 as u32;
    U16: u16 => u32, |v| u32::from(v);
    S16: u16 => u32, |v| v as i16 as u32;
    B32: u32 => u32, |v| v;
    B64: u64 => u64, |v| v;
}

/// Memory that an access names, other than buffers.
pub(crate) trait Place: 'static {
    const SPACE: Space;
    /// All bytes of the place, and how many of them each lane owns if they are not common to all.
    fn bytes<'c>(context: &'c Context<'_>) -> (&'c [u8], Option<usize>);
}

#[inline(always)]
fn slice<E: Element>(bytes: &[u8], address: u64) -> Option<E::Memory> {
    let start = usize::try_from(address).ok()?;
    E::of_bytes(bytes.get(start..)?)
}

/// Bytes of one thread's local memory.
#[inline(always)]
fn local<'c>(context: &'c Context<'_>, lane: usize) -> &'c [u8] {
    let len = context.env.local_len;
    &context.registers.local[lane * len..(lane + 1) * len]
}

pub(crate) struct Shared;
impl Place for Shared {
    const SPACE: Space = Space::Shared;
    #[inline(always)]
    fn bytes<'c>(context: &'c Context<'_>) -> (&'c [u8], Option<usize>) {
        (&context.shared, None)
    }
}

pub(crate) struct Local;
impl Place for Local {
    const SPACE: Space = Space::Local;
    #[inline(always)]
    fn bytes<'c>(context: &'c Context<'_>) -> (&'c [u8], Option<usize>) {
        (&context.registers.local, Some(context.env.local_len))
    }
}

pub(crate) struct Param;
impl Place for Param {
    const SPACE: Space = Space::Param;
    #[inline(always)]
    fn bytes<'c>(context: &'c Context<'_>) -> (&'c [u8], Option<usize>) {
        (context.env.params, None)
    }
}

#[inline(always)]
fn load<P: Place, E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
    let size = size_of::<E::Memory>() as u64;
    let elements = u64::from(op.n & 0xff);
    let addresses = addresses(&context.registers, op, mask);
    let (bytes, stride) = P::bytes(context);
    let reach = stride.unwrap_or(bytes.len()) as u64;
    let (mut differ, mut low, mut highest) = (0, 0, 0);
    for address in addresses {
        differ |= address ^ addresses[0];
        low |= address;
        highest = address.max(highest);
    }
    if low & (size * elements - 1) != 0 || reach < size * elements || highest > reach - size * elements {
        return out_of_place::<P>(context, op, mask, &addresses, size as u32, reach);
    }
    for element in 0..elements {
        let (bytes, stride) = P::bytes(context);
        let mut lanes = E::Register::ZERO;
        if differ == 0 && stride.is_none() {
            let value =
                E::of_bytes(&bytes[(addresses[0] + element * size) as usize..]).map_or_else(Default::default, E::widen);
            for lane in 0..LANES {
                E::Register::put(&mut lanes, lane, value);
            }
        } else {
            for lane in 0..LANES {
                let start = lane * stride.unwrap_or(0) + (addresses[lane] + element * size) as usize;
                let value = E::of_bytes(&bytes[start..]).map_or_else(Default::default, E::widen);
                E::Register::put(&mut lanes, lane, value);
            }
        }
        E::Register::commit::<false>(&mut context.registers, op.r[element as usize], &lanes, mask);
    }
}

/// Says which lane of a load left its place.
#[cold]
fn out_of_place<P: Place>(
    context: &mut Context<'_>,
    op: &Op,
    mask: u32,
    addresses: &[u64; LANES],
    size: u32,
    reach: u64,
) {
    let len = size * (op.n & 0xff);
    for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
        let address = addresses[lane];
        if address & u64::from(len - 1) != 0 {
            return context.fail(op, lane as u32, FaultKind::Misaligned { space: P::SPACE, address, len });
        }
        if reach < u64::from(len) || address > reach - u64::from(len) {
            return context.fail(op, lane as u32, FaultKind::OutOfBounds { space: P::SPACE, address, len });
        }
    }
}

/// Loads from buffers: fast where all lanes use the same one, faster where they use the same address.
#[inline(always)]
fn load_global<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
    let size = size_of::<E::Memory>() as u64;
    let elements = u64::from(op.n & 0xff);
    let mut addresses = addresses(&context.registers, op, mask);
    let first = addresses[0];
    let (mut differ, mut low) = (0, 0);
    for address in addresses {
        differ |= address ^ first;
        low |= address;
    }
    if low & (size * elements - 1) != 0 {
        return load_each::<E>(context, op, mask, &addresses);
    }
    let memory = context.env.memory;
    let Some(buffer) = memory.buffer(first >> OFFSET_BITS).filter(|_| differ >> OFFSET_BITS == 0) else {
        return load_each::<E>(context, op, mask, &addresses);
    };
    // The whole vector lies inside if its last element does.
    for address in &mut addresses {
        *address &= (1 << OFFSET_BITS) - 1;
    }
    if differ == 0 {
        if buffer.cells.load::<E::Memory>((addresses[0] + (elements - 1) * size) as usize).is_none() {
            return restore_and_load_each::<E>(context, op, mask, &addresses, first);
        }
        for element in 0..elements {
            let value = buffer
                .cells
                .load::<E::Memory>((addresses[0] + element * size) as usize)
                .map_or_else(Default::default, E::widen);
            let mut lanes = E::Register::ZERO;
            for lane in 0..LANES {
                E::Register::put(&mut lanes, lane, value);
            }
            E::Register::commit::<false>(&mut context.registers, op.r[element as usize], &lanes, mask);
        }
        return;
    }
    let Some(gather) = buffer.cells.gather::<E::Memory>(&addresses, elements) else {
        return restore_and_load_each::<E>(context, op, mask, &addresses, first);
    };
    for element in 0..elements {
        let mut lanes = E::Register::ZERO;
        for lane in 0..LANES {
            E::Register::put(&mut lanes, lane, E::widen(gather.get(lane, element)));
        }
        E::Register::commit::<false>(&mut context.registers, op.r[element as usize], &lanes, mask);
    }
}

/// Offsets become addresses again, for the slow path to find the fault.
#[cold]
fn restore_and_load_each<E: Element>(
    context: &mut Context<'_>,
    op: &Op,
    mask: u32,
    offsets: &[u64; LANES],
    first: u64,
) {
    let addresses = offsets.map(|offset| first >> OFFSET_BITS << OFFSET_BITS | offset);
    load_each::<E>(context, op, mask, &addresses);
}

/// A load from a generic address.
fn generic<E: Element>(context: &Context<'_>, op: &Op, address: u64, lane: usize) -> Result<E::Memory, FaultKind> {
    if address >> OFFSET_BITS != 0 || op.n & ONLY_GLOBAL != 0 {
        return context.env.memory.load(address);
    }
    let (space, at) = window(address);
    let value = match space {
        Space::Shared => slice::<E>(&context.shared, at),
        Space::Local => slice::<E>(local(context, lane), at),
        Space::Param => slice::<E>(context.env.params, at),
        Space::Global => None,
    };
    value.ok_or(FaultKind::OutOfBounds { space, address: at, len: size_of::<E::Memory>() as u32 })
}

/// The space of a generic address below the first buffer, and the address in it.
pub(super) fn window(address: u64) -> (Space, u64) {
    let at = address & u64::from(u32::MAX);
    match address & !u64::from(u32::MAX) {
        SHARED_WINDOW => (Space::Shared, at),
        LOCAL_WINDOW => (Space::Local, at),
        PARAM_WINDOW => (Space::Param, at),
        _ => (Space::Global, address),
    }
}

/// Loads lane by lane, where lanes use several buffers or windows, or one of them is at fault.
#[cold]
fn load_each<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32, addresses: &[u64; LANES]) {
    let size = size_of::<E::Memory>() as u64;
    let elements = u64::from(op.n & 0xff);
    for element in 0..elements {
        let mut lanes = E::Register::ZERO;
        for lane in (0..LANES).filter(|lane| mask >> lane & 1 != 0) {
            let address = addresses[lane].wrapping_add(element * size);
            let found = if addresses[lane] & (size * elements - 1) == 0 {
                generic::<E>(context, op, address, lane)
            } else {
                Err(FaultKind::Misaligned { space: Space::Global, address, len: (size * elements) as u32 })
            };
            match found {
                Ok(value) => E::Register::put(&mut lanes, lane, E::widen(value)),
                Err(kind) => return context.fail(op, lane as u32, kind),
            }
        }
        E::Register::commit::<false>(&mut context.registers, op.r[element as usize], &lanes, mask);
    }
}

/// How a load names its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// A buffer, or a generic address.
    Generic,
    Shared,
    Local,
    /// Parameters of the kernel.
    Param,
}

macro_rules! by_element {
    ($size:expr, $signed:expr, $($load:tt)*) => {
        match ($size, $signed) {
            (1, false) => $($load)*::<U8>,
            (1, true) => $($load)*::<S8>,
            (2, false) => $($load)*::<U16>,
            (2, true) => $($load)*::<S16>,
            (4, _) => $($load)*::<B32>,
            _ => $($load)*::<B64>,
        }
    };
}

macro_rules! loaders {
    ($($module:ident $(if $target:literal has $features:literal)?;)*) => { $(
        $(#[cfg(target_arch = $target)])?
        mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            fn generic<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
                load_global::<E>(context, op, mask);
            }
            $(#[target_feature(enable = $features)])?
            fn shared<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
                load::<Shared, E>(context, op, mask);
            }
            $(#[target_feature(enable = $features)])?
            fn local<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
                load::<Local, E>(context, op, mask);
            }
            $(#[target_feature(enable = $features)])?
            fn param<E: Element>(context: &mut Context<'_>, op: &Op, mask: u32) {
                load::<Param, E>(context, op, mask);
            }

            pub(super) fn loader(via: Via, size: u32, signed: bool) -> Run {
                match via {
                    Via::Generic => by_element!(size, signed, generic),
                    Via::Shared => by_element!(size, signed, shared),
                    Via::Local => by_element!(size, signed, local),
                    Via::Param => by_element!(size, signed, param),
                }
            }
        }
    )* };
}

loaders! {
    portable;
    wide if "x86_64" has "avx2,fma,bmi2,lzcnt,popcnt";
}

/// The function for a load of elements of `size` bytes.
pub(crate) fn loader(via: Via, size: u32, signed: bool, use_wide: bool) -> Run {
    #[cfg(target_arch = "x86_64")]
    if use_wide {
        return wide::loader(via, size, signed);
    }
    let _ = use_wide;
    portable::loader(via, size, signed)
}
