//! Numbers and constant expressions.

use super::{MAX_DEPTH, Parser, Result};
use crate::lexer::Kind;

/// The value of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constant {
    /// Bits of a 64-bit integer, and whether it is unsigned.
    Int(u64, bool),
    Float(f64),
}

impl Constant {
    fn is_true(self) -> bool {
        match self {
            Self::Int(value, _) => value != 0,
            Self::Float(value) => value != 0.0,
        }
    }

    fn as_float(self) -> f64 {
        match self {
            Self::Int(value, true) => value as f64,
            Self::Int(value, false) => value as i64 as f64,
            Self::Float(value) => value,
        }
    }
}

/// Binary operators with their binding, loosest first.
const OPERATORS: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

impl Parser<'_> {
    /// An integer without operators but a sign.
    pub(super) fn literal(&mut self, expected: &'static str) -> Result<u64> {
        let negative = self.take('-');
        let Kind::Word(word) = self.peek() else { return self.wrong(expected) };
        let Some(value) = integer(word) else { return self.wrong(expected) };
        self.at += 1;
        Ok(if negative { value.wrapping_neg() } else { value })
    }

    /// An integer, perhaps as a constant expression.
    pub(super) fn number(&mut self, expected: &'static str) -> Result<u64> {
        match self.constant(expected)? {
            Constant::Int(value, _) => Ok(value),
            Constant::Float(_) => self.wrong_before(expected),
        }
    }

    /// A constant expression.
    pub(super) fn constant(&mut self, expected: &'static str) -> Result<Constant> {
        self.ternary(expected, 0)
    }

    fn ternary(&mut self, expected: &'static str, depth: usize) -> Result<Constant> {
        let condition = self.binary(expected, 1, depth)?;
        if !self.take('?') {
            return Ok(condition);
        }
        let first = self.ternary(expected, depth + 1)?;
        self.expect(':', "`:`")?;
        let second = self.ternary(expected, depth + 1)?;
        Ok(if condition.is_true() { first } else { second })
    }

    /// The operator that stands here, if it binds at least as strongly as `least`.
    fn operator(&self, least: u8) -> Option<(&'static str, u8)> {
        let first = match self.peek() {
            Kind::Punct(c) => c,
            // A word may begin with it.
            Kind::Word("%") => '%',
            _ => return None,
        };
        let second = match self.second() {
            Some(Kind::Punct(c)) => c,
            _ => ' ',
        };
        let matches = |text: &str| {
            let mut chars = text.chars();
            chars.next() == Some(first) && chars.next().is_none_or(|c| c == second)
        };
        let found = OPERATORS.iter().filter(|(text, _)| matches(text)).max_by_key(|(text, _)| text.len());
        found.copied().filter(|(_, binding)| *binding >= least)
    }

    fn binary(&mut self, expected: &'static str, least: u8, depth: usize) -> Result<Constant> {
        if depth > MAX_DEPTH {
            return self.wrong("a simpler expression");
        }
        let mut left = self.unary(expected, depth)?;
        while let Some((operator, binding)) = self.operator(least) {
            self.at += operator.len();
            let right = self.binary(expected, binding + 1, depth + 1)?;
            let Some(value) = apply(operator, left, right) else {
                return self.wrong_before("an expression with a value");
            };
            left = value;
        }
        Ok(left)
    }

    fn unary(&mut self, expected: &'static str, depth: usize) -> Result<Constant> {
        if depth > MAX_DEPTH {
            return self.wrong("a simpler expression");
        }
        match self.peek() {
            Kind::Punct('-') => {
                self.at += 1;
                Ok(match self.unary(expected, depth + 1)? {
                    Constant::Int(value, unsigned) => Constant::Int(value.wrapping_neg(), unsigned),
                    Constant::Float(value) => Constant::Float(-value),
                })
            }
            Kind::Punct('+') => {
                self.at += 1;
                self.unary(expected, depth + 1)
            }
            Kind::Punct('!') => {
                self.at += 1;
                Ok(Constant::Int(u64::from(!self.unary(expected, depth + 1)?.is_true()), false))
            }
            Kind::Punct('~') => {
                self.at += 1;
                match self.unary(expected, depth + 1)? {
                    Constant::Int(value, unsigned) => Ok(Constant::Int(!value, unsigned)),
                    Constant::Float(_) => self.wrong_before("an integer"),
                }
            }
            Kind::Punct('(') => {
                self.at += 1;
                if let Kind::Word(cast @ (".s64" | ".u64")) = self.peek() {
                    self.at += 1;
                    self.expect(')', "`)`")?;
                    let value = match self.unary(expected, depth + 1)? {
                        Constant::Int(value, _) => value,
                        Constant::Float(value) if cast == ".u64" => value as u64,
                        Constant::Float(value) => value as i64 as u64,
                    };
                    return Ok(Constant::Int(value, cast == ".u64"));
                }
                let value = self.ternary(expected, depth + 1)?;
                self.expect(')', "`)`")?;
                Ok(value)
            }
            Kind::Word(word) => {
                let Some(value) = constant(word) else { return self.wrong(expected) };
                self.at += 1;
                Ok(value)
            }
            _ => self.wrong(expected),
        }
    }
}

/// The value of an operation, if it has one.
fn apply(operator: &str, a: Constant, b: Constant) -> Option<Constant> {
    let truth = |value: bool| Some(Constant::Int(u64::from(value), false));
    match operator {
        "||" => return truth(a.is_true() || b.is_true()),
        "&&" => return truth(a.is_true() && b.is_true()),
        _ => {}
    }
    let (Constant::Int(x, x_unsigned), Constant::Int(y, y_unsigned)) = (a, b) else {
        let (x, y) = (a.as_float(), b.as_float());
        return match operator {
            "==" => truth(x == y),
            "!=" => truth(x != y),
            "<" => truth(x < y),
            "<=" => truth(x <= y),
            ">" => truth(x > y),
            ">=" => truth(x >= y),
            "+" => Some(Constant::Float(x + y)),
            "-" => Some(Constant::Float(x - y)),
            "*" => Some(Constant::Float(x * y)),
            "/" => Some(Constant::Float(x / y)),
            _ => None,
        };
    };
    let unsigned = x_unsigned || y_unsigned;
    // Signed numbers in the order of unsigned ones.
    let order = |value: u64| if unsigned { value } else { value ^ (1 << 63) };
    let shift = u32::try_from(y).unwrap_or(u32::MAX);
    let (signed_x, signed_y) = (x as i64, y as i64);
    let value = match operator {
        "|" => x | y,
        "^" => x ^ y,
        "&" => x & y,
        "==" => return truth(x == y),
        "!=" => return truth(x != y),
        "<" => return truth(order(x) < order(y)),
        "<=" => return truth(order(x) <= order(y)),
        ">" => return truth(order(x) > order(y)),
        ">=" => return truth(order(x) >= order(y)),
        "<<" => return Some(Constant::Int(x.checked_shl(shift).unwrap_or(0), x_unsigned)),
        ">>" if x_unsigned => return Some(Constant::Int(x.checked_shr(shift).unwrap_or(0), true)),
        ">>" => return Some(Constant::Int((signed_x >> shift.min(63)) as u64, false)),
        "+" => x.wrapping_add(y),
        "-" => x.wrapping_sub(y),
        "*" => x.wrapping_mul(y),
        "/" if unsigned => x.checked_div(y)?,
        "/" => signed_x.checked_div(signed_y)? as u64,
        "%" if unsigned => x.checked_rem(y)?,
        "%" => signed_x.checked_rem(signed_y)? as u64,
        _ => return None,
    };
    Some(Constant::Int(value, unsigned))
}

/// The bits of `0fXXXXXXXX`.
pub(super) fn single(word: &str) -> Option<u32> {
    let digits = word.strip_prefix("0f").or_else(|| word.strip_prefix("0F"))?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The bits of `0dXXXXXXXXXXXXXXXX`.
pub(super) fn double(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("0d").or_else(|| word.strip_prefix("0D"))?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// A number of any form.
fn constant(word: &str) -> Option<Constant> {
    if word == "WARP_SZ" {
        return Some(Constant::Int(32, false));
    }
    if let Some(bits) = single(word) {
        return Some(Constant::Float(f64::from(f32::from_bits(bits))));
    }
    if let Some(bits) = double(word) {
        return Some(Constant::Float(f64::from_bits(bits)));
    }
    if let Some(value) = integer(word) {
        return Some(Constant::Int(value, word.ends_with('U') || value > i64::MAX as u64));
    }
    fraction(word).map(Constant::Float)
}

/// An integer: decimal, `0x`, `0b` or octal, perhaps with the suffix `U`.
fn integer(word: &str) -> Option<u64> {
    let word = word.strip_suffix('U').unwrap_or(word);
    if !word.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = word.strip_prefix("0b").or_else(|| word.strip_prefix("0B")) {
        return u64::from_str_radix(digits, 2).ok();
    }
    if word.len() > 1 && word.starts_with('0') {
        return u64::from_str_radix(&word[1..], 8).ok();
    }
    word.parse().ok()
}

fn fraction(word: &str) -> Option<f64> {
    let decimal = word.as_bytes().first()?.is_ascii_digit() && word.contains(['.', 'e', 'E']);
    (decimal && !word.starts_with("0x")).then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<Constant> {
        let tokens = crate::lexer::tokens(text).unwrap();
        let mut parser = Parser { tokens, ..Parser::empty() };
        let value = parser.constant("a number").ok()?;
        (parser.peek() == Kind::End).then_some(value)
    }

    #[test]
    fn expressions_bind_as_in_c() {
        for (text, expected) in [
            ("1+2*3", 7),
            ("(1+2)*3", 9),
            ("-4/2", (-2i64) as u64),
            ("-1 >> 1", u64::MAX),
            ("0xffffffffffffffffU >> 63", 1),
            ("1 << 4 | 1", 17),
            ("3 > 2 ? 5 : 6", 5),
            ("-1 < 0", 1),
            ("-1 < 0U", 0),
            ("~0", u64::MAX),
            ("!3 || 0 && 1", 0),
            ("(.u64)1.9", 1),
            ("010 + 0b11", 11),
            ("7 % 4 == 3", 1),
        ] {
            let Some(Constant::Int(found, _)) = value(text) else { panic!("{text}: {:?}", value(text)) };
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(value("1.5e-3 * 2"), Some(Constant::Float(0.003)));
        assert_eq!(value("-0f3F800000"), Some(Constant::Float(-1.0)));
    }

    #[test]
    fn what_has_no_value_is_refused() {
        for text in ["1/0", "1%0", "1.5 & 1", "(1", "1 +", "0x", "1 ? 2", "~1.0", "(-1 << 63) / -1"] {
            assert_eq!(value(text), None, "{text}");
        }
        assert_eq!(value(&"(".repeat(100_000)), None);
        assert_eq!(value(&"-".repeat(100_000)), None);
    }
}
