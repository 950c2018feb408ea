//! The tables of `docs/reproducible-ptx.md`, made from the table of opcodes.

use std::fmt::Write;

use super::{FAMILIES, Form, Opcode, Rounding, special};

/// Modifiers that clamp a result.
const SATURATING: &[&str] = &["sat", "satfinite", "relu"];
const ROUNDINGS: &[&str] = &["rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi"];

/// The tables of opcodes and special registers of the profile, as Markdown.
#[must_use]
pub fn profile_tables() -> String {
    let mut text = String::new();
    for (family, rows) in FAMILIES {
        let _ = write!(text, "\n### {family}\n\n");
        let (allowed, refused): (Vec<&Opcode>, Vec<&Opcode>) = rows.iter().partition(|row| row.refused.is_none());
        if !allowed.is_empty() {
            text += "| opcode | types and modifiers | rounding | saturation | gas | what it does |\n";
            text += "| --- | --- | --- | --- | --- | --- |\n";
        }
        for row in allowed {
            let gas = if row.weight.0 == row.weight.1 {
                row.weight.0.to_string()
            } else {
                format!("{}, 64 bits {}", row.weight.0, row.weight.1)
            };
            let cells = [
                format!("`{}`", row.name),
                row.forms.iter().map(form).collect::<Vec<_>>().join("<br>"),
                rounding(row),
                saturation(row),
                gas,
                escape(row.semantics),
            ];
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        if !refused.is_empty() {
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
            text += "| refused | what it does | why | write instead |\n| --- | --- | --- | --- |\n";
        }
        for row in refused {
            let reason = row.refused.unwrap_or_default();
            let _ =
                writeln!(text, "| `{}` | {} | {reason} | {} |", row.name, escape(row.semantics), escape(row.instead));
        }
    }
    text += "\n### Special registers\n\n| register | |\n| --- | --- |\n";
    for (name, what) in special::ALLOWED {
        let _ = writeln!(text, "| `%{name}` | {what} |");
    }
    text += "\n| refused | why | write instead |\n| --- | --- | --- |\n";
    for (name, (reason, instead)) in special::REFUSED {
        let _ = writeln!(text, "| `%{name}…` | {reason} | {instead} |");
    }
    text
}

/// Bars would end a cell of the table.
fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

fn form(form: &Form) -> String {
    let types: Vec<&str> = form.types.iter().map(|ty| ty.name()).collect();
    let others = form.modifiers.iter().filter(|m| !SATURATING.contains(m) && !ROUNDINGS.contains(m));
    let others: Vec<String> = others.map(|m| format!(".{m}")).collect();
    match (types.is_empty(), others.is_empty()) {
        (true, true) => "-".into(),
        (true, false) => format!("`{}`", others.join(" ")),
        (false, true) => types.join(" "),
        (false, false) => format!("{}: `{}`", types.join(" "), others.join(" ")),
    }
}

/// The modifiers of a list that some form takes, in the list's order.
fn among(row: &Opcode, list: &[&str]) -> String {
    let found: Vec<String> = list.iter().filter(|m| row.accepts(m)).map(|m| format!("`.{m}`")).collect();
    found.join(" ")
}

fn rounding(row: &Opcode) -> String {
    let rounds = |wanted| row.forms.iter().any(|form| form.rounding == wanted);
    if rounds(Rounding::Convert) {
        format!("{}, where the result is not exact", among(row, ROUNDINGS))
    } else if rounds(Rounding::Written) {
        format!("{}, must be written", among(row, ROUNDINGS))
    } else {
        "exact".into()
    }
}

fn saturation(row: &Opcode) -> String {
    let found = among(row, SATURATING);
    if found.is_empty() { "-".into() } else { found }
}
