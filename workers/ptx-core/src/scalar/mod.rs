//! What one thread computes from its registers alone: the reference semantics of every instruction that touches neither
//! memory nor other threads.
//!
//! A value is a `u64`: numbers of fewer bits are zero-extended, a predicate is 0 or 1, a float is its bits. The interpreter
//! calls [`Scalar::act`]; the JIT has machine code of its own for most operations and calls [`Scalar::function`] for the
//! rest. Both are made of the same text: `table.rs` is the list of operations.

mod float;
mod half;
mod integer;
mod rounding;

pub use float::{NAN32, NAN64};
pub use integer::PRMT_MODES;
pub use rounding::Mode;
pub use table::Scalar;

use crate::ir::Slot;

/// What an operand or a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At most 32 bits.
    Word,
    /// 64 bits.
    Long,
    /// A predicate.
    Mask,
    /// An f32.
    Single,
    /// An f64.
    Double,
}

/// The bits of an f32.
type Single = u32;
/// The bits of an f64.
type Double = u64;

/// A value as a register holds it.
trait Value {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

impl Value for u32 {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits as Self
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self.into()
    }
}

impl Value for u64 {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self
    }
}

impl Value for bool {
    #[inline(always)]
    fn of(bits: u64) -> Self {
        bits != 0
    }
    #[inline(always)]
    fn bits(self) -> u64 {
        self.into()
    }
}

macro_rules! kind {
    (u32) => {
        Kind::Word
    };
    (u64) => {
        Kind::Long
    };
    (bool) => {
        Kind::Mask
    };
    (Single) => {
        Kind::Single
    };
    (Double) => {
        Kind::Double
    };
}

/// `Name(operands) -> result { value }`; at most three operands, then perhaps one immediate of 32 bits.
macro_rules! scalars {
    ($($name:ident($($arg:ident: $ty:ident),* $(; $imm:ident)?) -> $d:ident { $($body:tt)* })*) => {
        /// An operation on registers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Scalar {
            $(
                #[doc = concat!("`", stringify!($($body)*), "`")]
                $name
            ),*
        }

        /// What every operation does to the slots of a thread, by its number. Operands that it does not have are not read.
        pub(super) static ACTIONS: [Action; Scalar::ALL.len()] = [$({
            #[allow(non_snake_case, unused_variables, unused_mut)]
            fn $name(slots: &mut [u64], d: Slot, s: &[Slot; 3], imm: u32) {
                let mut operands = s.iter();
                $(let $arg = <$ty as Value>::of(operands.next().map_or(0, |slot| slots[*slot as usize]));)*
                $(let $imm = imm;)?
                let result: $d = { $($body)* };
                slots[d as usize] = result.bits();
            }
            $name
        }),*];

        /// The function of every operation, by its number.
        pub(super) static FUNCTIONS: [Function; Scalar::ALL.len()] = [$({
            #[allow(non_snake_case, unused_variables)]
            extern "C" fn $name(a: u64, b: u64, c: u64, imm: u32) -> u64 {
                let mut operands = [a, b, c].into_iter();
                $(let $arg = <$ty as Value>::of(operands.next().unwrap_or_default());)*
                $(let $imm = imm;)?
                let result: $d = { $($body)* };
                result.bits()
            }
            $name
        }),*];

        impl Scalar {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the operands are.
            #[must_use]
            pub const fn operands(self) -> &'static [Kind] {
                match self {
                    $(Self::$name => &[$(kind!($ty)),*]),*
                }
            }

            /// What the result is.
            #[must_use]
            pub const fn result(self) -> Kind {
                match self {
                    $(Self::$name => kind!($d)),*
                }
            }
        }
    };
}

// After the macros that it uses.
mod table;

/// An operation on the slots of a thread: which one receives the result, which hold the operands, and the immediate.
type Action = fn(&mut [u64], Slot, &[Slot; 3], u32);

/// An operation as compiled code can call it; operands that an operation does not have are ignored.
pub type Function = extern "C" fn(u64, u64, u64, u32) -> u64;

impl Scalar {
    /// The function that computes it.
    #[inline(always)]
    #[must_use]
    pub fn function(self) -> Function {
        table::FUNCTIONS[self as usize]
    }

    /// Does it to the slots of a thread.
    #[inline(always)]
    pub fn act(self, slots: &mut [u64], d: Slot, s: &[Slot; 3], imm: u32) {
        table::ACTIONS[self as usize](slots, d, s, imm);
    }

    /// The result for some operands; those that the operation does not have are ignored.
    #[must_use]
    pub fn eval(self, operands: [u64; 3], imm: u32) -> u64 {
        let mut slots = operands;
        self.act(&mut slots, 0, &[0, 1, 2], imm);
        slots[0]
    }
}
