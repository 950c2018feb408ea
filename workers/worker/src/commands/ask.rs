//! Questions to whoever sits at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks until the answer can be read; an empty one is `default`.
pub(super) fn ask<T>(question: &str, default: Option<&str>, read: impl Fn(&str) -> Result<T, String>) -> Result<T> {
    ask_on(&mut io::stdin().lock(), &mut io::stderr(), question, default, read)
}

/// Asks for a yes; everything else is a no.
pub(super) fn confirm(question: &str) -> Result<bool> {
    ask(&format!("{question} [y/N]"), Some(""), |answer| Ok(matches!(answer, "y" | "Y" | "yes")))
}

fn ask_on<T>(
    from: &mut impl BufRead,
    to: &mut impl Write,
    question: &str,
    default: Option<&str>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    loop {
        match default {
            Some(default) if !default.is_empty() => write!(to, "{question} [{default}] "),
            _ => write!(to, "{question} "),
        }
        .and_then(|()| to.flush())
        .context("cannot write to the terminal")?;
        let mut line = String::new();
        if from.read_line(&mut line).context("cannot read from the terminal")? == 0 {
            bail!("no answer to: {question}");
        }
        let answer = match (line.trim(), default) {
            ("", Some(default)) => default,
            (answer, _) => answer,
        };
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(reason) => writeln!(to, "  {reason}").context("cannot write to the terminal")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(lines: &str, default: Option<&str>) -> (Result<u8>, String) {
        let mut said = Vec::new();
        let read = |text: &str| text.parse::<u8>().map_err(|e| e.to_string());
        let answer = ask_on(&mut lines.as_bytes(), &mut said, "how many?", default, read);
        (answer, String::from_utf8(said).unwrap())
    }

    #[test]
    fn asks_until_it_understands() {
        let (answer, said) = number("many\n 3 \n", None);
        assert_eq!(answer.unwrap(), 3);
        assert_eq!(said.matches("how many?").count(), 2);
        let (answer, said) = number("\n", Some("7"));
        assert_eq!((answer.unwrap(), said.contains("[7]")), (7, true));
        assert!(number("", Some("7")).0.is_err(), "nobody is there any more");
    }
}
