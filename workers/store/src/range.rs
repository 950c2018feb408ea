//! The `Range` header (RFC 9110), as far as a store of immutable blobs needs it.

use std::ops::Range;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole blob: no range, several, or one that is not understood, all of which the RFC lets a server answer so.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// A range that lies outside the blob.
    Unsatisfiable,
}

/// Reads a `Range` header against a blob of `len` bytes.
#[must_use]
pub fn parse(header: Option<&str>, len: u64) -> Wanted {
    let Some(range) = header.and_then(|h| h.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| -> Option<Option<u64>> {
        let text = text.trim();
        if text.is_empty() {
            return Some(None);
        }
        // `u64::from_str` would take a sign.
        text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(None)) if first < len => Wanted::Part(first..len),
        (Some(Some(first)), Some(Some(last))) if first <= last && first < len => {
            Wanted::Part(first..last.saturating_add(1).min(len))
        }
        (Some(Some(first)), Some(Some(last))) if first > last => Wanted::Whole,
        (Some(None), Some(Some(count))) if count > 0 && len > 0 => Wanted::Part(len.saturating_sub(count)..len),
        (Some(Some(_)), Some(_)) | (Some(None), Some(Some(_))) => Wanted::Unsatisfiable,
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (header, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=3-", Wanted::Part(3..10)),
            ("bytes=3-99999999999999999999999", Wanted::Part(3..10)),
            ("bytes=-4", Wanted::Part(6..10)),
            ("bytes=-40", Wanted::Part(0..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-12", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
        ] {
            assert_eq!(parse(Some(header), 10), wanted, "{header}");
        }
        assert_eq!(parse(None, 10), Wanted::Whole);
        assert_eq!(parse(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }
}
