//! Token amounts as people write them.

use crate::Error;

/// Converts tokens in decimal notation, such as `12.5`, to base units of a mint with `decimals`. Exact or refused.
///
/// # Errors
/// If the text is not a plain decimal number, has more digits after the point than the mint, or is too large.
pub fn base_units(text: &str, decimals: u8) -> Result<u64, Error> {
    let bad = |why: &str| Error::Value(format!("amount {text:?}: {why}; expected tokens such as \"100\" or \"2.5\""));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(bad("not a number"));
    }
    let fraction = fraction.trim_end_matches('0');
    let zeros = usize::from(decimals).checked_sub(fraction.len());
    let zeros = zeros.ok_or_else(|| bad(&format!("the mint has only {decimals} decimals")))?;
    format!("{whole}{fraction}{}", "0".repeat(zeros)).parse().map_err(|_| bad("too large"))
}

/// Base units as tokens in decimal notation.
#[must_use]
pub fn tokens(base_units: u64, decimals: u8) -> String {
    let width = usize::from(decimals) + 1;
    let digits = format!("{base_units:0>width$}");
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// Lamports as SOL.
#[must_use]
pub fn sol(lamports: u64) -> String {
    format!("{} SOL", tokens(lamports, 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, decimals, expected) in
            [("0", 8, 0), ("12.5", 8, 1_250_000_000), ("0.00000001", 8, 1), ("7", 0, 7), ("1.500", 1, 15)]
        {
            assert_eq!(base_units(text, decimals).unwrap(), expected, "{text}");
        }
        assert_eq!(base_units("18446744073709551615", 0).unwrap(), u64::MAX);
        for text in ["", ".5", "1.", "-1", "1e3", "1,5", " 1", "18446744073709551616", "0.5"] {
            assert!(base_units(text, 0).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (units, decimals) in [(0, 0), (0, 9), (1, 9), (1_000_000_000, 9), (123_456, 3), (u64::MAX, 8), (5, 0)] {
            assert_eq!(base_units(&tokens(units, decimals), decimals).unwrap(), units);
        }
        assert_eq!(sol(1_500_000_000), "1.5 SOL");
    }
}
