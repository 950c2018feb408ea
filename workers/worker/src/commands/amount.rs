//! Amounts of tokens as people write them.

use anyhow::{Context, Result, ensure};

/// Reads an amount of tokens with `decimals` decimals, such as `12.5`, as base units.
///
/// # Errors
/// If it is no such number.
pub fn parse(text: &str, decimals: u8) -> Result<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    ensure!(
        !(whole.is_empty() && part.is_empty()) && digits(whole) && digits(part),
        "expected an amount of tokens such as 12.5, found {text:?}"
    );
    ensure!(part.len() <= usize::from(decimals), "{text} has {} decimals, the token has {decimals}", part.len());
    let digits = format!("{whole}{part}{}", "0".repeat(usize::from(decimals) - part.len()));
    digits.parse().with_context(|| format!("{text} is more than there can be"))
}

/// Writes base units as tokens.
#[must_use]
pub fn format(units: u64, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{units:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_round_trip() {
        for (text, decimals, units) in [
            ("12.5", 8, 1_250_000_000),
            ("0", 0, 0),
            ("0.000001", 6, 1),
            ("7", 0, 7),
            ("18446744073.709551615", 9, u64::MAX),
        ] {
            assert_eq!(parse(text, decimals).unwrap(), units, "{text}");
            assert_eq!(format(units, decimals), text);
        }
        assert_eq!(parse(".5", 1).unwrap(), 5);
        assert_eq!(parse("5.", 1).unwrap(), 50);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", ".", "-1", "1e3", "1.2.3", "1,5", "0.0000001", "18446744073710"] {
            assert!(parse(text, 6).is_err(), "{text:?}");
        }
    }
}
