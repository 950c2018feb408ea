//! Splits PTX text into tokens.

use crate::error::Error;

/// Most bytes of a word. Messages repeat words, and many kernels may fail at the same one.
const MAX_WORD: usize = 1 << 14;

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    pub line: u32,
    /// In bytes, from 1.
    pub column: u32,
    pub kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind<'a> {
    /// An identifier, an opcode with its modifiers, a directive or a number.
    Word(&'a str),
    /// A quoted string, without the quotes.
    Text(&'a str),
    Punct(char),
    End,
}

impl Kind<'_> {
    /// For error messages.
    pub fn describe(&self) -> String {
        match self {
            Kind::Word(word) => format!("`{}`", clip(word)),
            Kind::Text(text) => format!("\"{}\"", clip(text)),
            Kind::Punct(c) => format!("`{c}`"),
            Kind::End => "the end of the text".into(),
        }
    }
}

fn clip(text: &str) -> &str {
    text.get(..60).unwrap_or(text)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

/// Whether a word is a decimal number up to its exponent: `1.5e` of `1.5e-3`.
fn before_exponent(word: &[u8]) -> bool {
    let Some((b'e' | b'E', digits)) = word.split_last() else { return false };
    digits.first().is_some_and(u8::is_ascii_digit) && digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// The end of the word that starts at `start`.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let rest = &bytes[at..];
        let signed = matches!(rest, [b'+' | b'-', digit, ..] if digit.is_ascii_digit());
        if rest.first().is_some_and(|b| is_word(*b)) {
            at += 1;
        } else if rest.starts_with(b"::") || (signed && before_exponent(&bytes[start..at])) {
            at += 2;
        } else {
            return at;
        }
    }
}

/// The tokens of a text, ending with [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 5);
    let (mut at, mut line, mut line_start) = (0, 1u32, 0);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let column = (start - line_start + 1) as u32;
        at += 1;
        let kind = match byte {
            b'\n' => {
                (line, line_start) = (line + 1, at);
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c' | b'\0' => continue,
            b'/' if bytes.get(at) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|b| *b != b'\n') {
                    at += 1;
                }
                continue;
            }
            b'/' if bytes.get(at) == Some(&b'*') => {
                let end = text.get(at + 1..).and_then(|rest| rest.find("*/"));
                let end = end.ok_or(Error::Syntax {
                    line,
                    column,
                    expected: "the end of a comment",
                    found: "the end of the text".into(),
                })?;
                let next = at + 1 + end + 2;
                for (i, _) in bytes[at..next].iter().enumerate().filter(|(_, b)| **b == b'\n') {
                    (line, line_start) = (line + 1, at + i + 1);
                }
                at = next;
                continue;
            }
            b'"' => {
                while bytes.get(at).is_some_and(|b| !matches!(b, b'"' | b'\n')) {
                    at += 1;
                }
                if bytes.get(at) != Some(&b'"') {
                    return Err(Error::Syntax {
                        line,
                        column,
                        expected: "a closing quote",
                        found: "the end of the line".into(),
                    });
                }
                at += 1;
                Kind::Text(&text[start + 1..at - 1])
            }
            _ if is_word(byte) => {
                at = word_end(bytes, start);
                if at - start > MAX_WORD {
                    let (found, limit) = ((at - start) as u64, MAX_WORD as u64);
                    return Err(Error::Limit { line, column, what: "the length of a word", found, limit });
                }
                Kind::Word(&text[start..at])
            }
            _ if byte.is_ascii_graphic() => Kind::Punct(byte as char),
            _ => {
                return Err(Error::Syntax { line, column, expected: "PTX text", found: format!("byte {byte:#04x}") });
            }
        };
        tokens.push(Token { line, column, kind });
    }
    let column = (bytes.len() - line_start + 1) as u32;
    tokens.push(Token { line, column, kind: Kind::End });
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_comments_and_lines() {
        let found = tokens("a.b /* x\n */ %r1, // y\n[-0x10] \"s t\" ld.L1::no;").unwrap();
        let kinds: Vec<_> = found.iter().map(|t| (t.line, t.kind)).collect();
        use Kind::{End, Punct, Text, Word};
        assert_eq!(
            kinds,
            [
                (1, Word("a.b")),
                (2, Word("%r1")),
                (2, Punct(',')),
                (3, Punct('[')),
                (3, Punct('-')),
                (3, Word("0x10")),
                (3, Punct(']')),
                (3, Text("s t")),
                (3, Word("ld.L1::no")),
                (3, Punct(';')),
                (3, End)
            ]
        );
    }

    #[test]
    fn broken_text_is_refused_with_its_line() {
        assert_eq!(tokens("\n\n/* never closed").unwrap_err().line(), 3);
        assert_eq!(tokens("\n\"never closed\n").unwrap_err().line(), 2);
        let error = tokens("mov \u{e9}").unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 5));
    }

    #[test]
    fn columns_count_bytes_from_one() {
        let found = tokens("ab  c\n\td /* \n */ e").unwrap();
        let places: Vec<_> = found.iter().map(|t| (t.line, t.column)).collect();
        assert_eq!(places, [(1, 1), (1, 5), (2, 2), (3, 5), (3, 6)]);
    }

    #[test]
    fn exponents_belong_to_numbers() {
        let words = |text| tokens(text).unwrap().len() - 1;
        assert_eq!([words("1.5e-3"), words("2E+10"), words("0x1e-3"), words("%re-3"), words("1-3")], [1, 1, 3, 3, 3]);
    }
}
