//! Splits PTX text into tokens.

use crate::error::Error;

/// A token and the line on which it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token<'a> {
    pub line: u32,
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

/// The tokens of a text, ending with [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len() / 5);
    let (mut at, mut line) = (0, 1u32);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'\n' => line += 1,
            b' ' | b'\t' | b'\r' | b'\0' => {}
            b'/' if bytes.get(at) == Some(&b'/') => {
                while bytes.get(at).is_some_and(|b| *b != b'\n') {
                    at += 1;
                }
            }
            b'/' if bytes.get(at) == Some(&b'*') => {
                let end = text.get(at + 1..).and_then(|rest| rest.find("*/"));
                let end = end.ok_or(Error::Syntax {
                    line,
                    expected: "the end of a comment",
                    found: "the end of the text".into(),
                })?;
                let next = at + 1 + end + 2;
                line += bytes[at..next].iter().filter(|b| **b == b'\n').count() as u32;
                at = next;
            }
            b'"' => {
                while bytes.get(at).is_some_and(|b| !matches!(b, b'"' | b'\n')) {
                    at += 1;
                }
                if bytes.get(at) != Some(&b'"') {
                    return Err(Error::Syntax {
                        line,
                        expected: "a closing quote",
                        found: "the end of the line".into(),
                    });
                }
                tokens.push(Token { line, kind: Kind::Text(&text[start + 1..at]) });
                at += 1;
            }
            _ if is_word(byte) => {
                loop {
                    if bytes.get(at).is_some_and(|b| is_word(*b)) {
                        at += 1;
                    } else if bytes[at..].starts_with(b"::") {
                        at += 2;
                    } else {
                        break;
                    }
                }
                tokens.push(Token { line, kind: Kind::Word(&text[start..at]) });
            }
            _ if byte.is_ascii_graphic() => tokens.push(Token { line, kind: Kind::Punct(byte as char) }),
            _ => {
                return Err(Error::Syntax { line, expected: "PTX text", found: format!("byte {byte:#04x}") });
            }
        }
    }
    tokens.push(Token { line, kind: Kind::End });
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
        assert_eq!(tokens("mov \u{e9}").unwrap_err().line(), 1);
    }
}
