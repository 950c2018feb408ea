//! Texts as lines of JSON.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// What a line may be.
const EXPECTED: &str = "a JSON string, or an object with \"text\" or \"prompt\" and, if you like, an \"id\"";

/// Where texts come from.
#[derive(Clone, Debug)]
pub struct Input(PathBuf);

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// What its line calls it, to be copied to its answer.
    pub id: Option<Value>,
    pub text: String,
}

impl Input {
    /// A file, or standard input where the path is `-`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads all texts.
    pub fn read(&self) -> Result<Vec<Text>> {
        let bytes = if self.is_standard() {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(&self.0)
        };
        self.parse(&bytes.with_context(|| format!("cannot read {self}"))?)
    }

    /// A line of it, by its number from 0, for messages.
    pub fn line(&self, number: usize) -> String {
        format!("{self}, line {}", number + 1)
    }

    fn is_standard(&self) -> bool {
        self.0.as_os_str() == "-"
    }

    fn parse(&self, bytes: &[u8]) -> Result<Vec<Text>> {
        let bytes = bytes.trim_ascii_end();
        if bytes.is_empty() {
            bail!("{self} is empty; expected a text on each line: {EXPECTED}");
        }
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        lines.map(|(number, line)| text(line).with_context(|| self.line(number))).collect()
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_standard() { f.write_str("standard input") } else { self.0.display().fmt(f) }
    }
}

/// The text of a line.
fn text(line: &[u8]) -> Result<Text> {
    if line.trim_ascii().is_empty() {
        bail!("expected {EXPECTED}, found nothing");
    }
    let value: Value = serde_json::from_slice(line).with_context(|| format!("expected {EXPECTED}"))?;
    match value {
        Value::String(text) => Ok(Text { id: None, text }),
        Value::Object(mut object) => {
            let text = match (object.remove("text"), object.remove("prompt")) {
                (Some(Value::String(text)), None) | (None, Some(Value::String(text))) => text,
                (Some(_), Some(_)) => bail!("expected \"text\" or \"prompt\", found both"),
                (None, None) => bail!("expected {EXPECTED}, found an object without either"),
                (Some(other), None) | (None, Some(other)) => bail!("expected a string as text, found {other}"),
            };
            Ok(Text { id: object.remove("id"), text })
        }
        other => bail!("expected {EXPECTED}, found {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Vec<Text>> {
        Input::new(Path::new("a.jsonl")).parse(text.as_bytes())
    }

    #[test]
    fn a_line_is_a_text() {
        let text = |id, text: &str| Text { id, text: text.into() };
        let lines = "\"one \\n line\"\r\n{\"text\": \"two\", \"id\": [2, \"b\"], \"more\": 1}\n{\"id\": 3, \"prompt\": \"\"}\n\n";
        assert_eq!(
            parse(lines).unwrap(),
            [text(None, "one \n line"), text(Some(json!([2, "b"])), "two"), text(Some(json!(3)), "")]
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        for (lines, number, word) in [
            ("\"a\"\nno", 2, "expected a JSON string"),
            ("\"a\"\n\n\"b\"", 2, "found nothing"),
            ("\"a\"\n\"b\"\n[1]", 3, "found [1]"),
            ("{\"txt\": \"a\"}", 1, "without either"),
            ("{\"text\": 3}", 1, "a string as text, found 3"),
            ("{\"text\": \"a\", \"prompt\": \"b\"}", 1, "both"),
        ] {
            let error = format!("{:#}", parse(lines).unwrap_err());
            assert!(error.starts_with(&format!("a.jsonl, line {number}: ")) && error.contains(word), "{error}");
        }
        for nothing in ["", " \n\n"] {
            assert!(parse(nothing).unwrap_err().to_string().contains("a.jsonl is empty"));
        }
        assert!(parse("\"\u{0}").is_err());
        assert!(Input::new(Path::new("/nowhere/a")).read().unwrap_err().to_string().contains("/nowhere/a"));
    }
}
