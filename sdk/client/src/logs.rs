//! Transaction logs: which program wrote a line, what each instruction took, and how it failed.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;
use solana_pubkey::Pubkey;

/// What one top-level instruction took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstructionCost {
    /// The program.
    #[serde(serialize_with = "as_text")]
    pub program: Pubkey,
    /// The instruction's name as the program logged it, for example `PostJob`.
    pub name: Option<String>,
    /// Compute units, including calls to other programs.
    pub compute_units: u64,
}

fn as_text<S: serde::Serializer>(key: &Pubkey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// One line, as far as its meaning is known.
enum Line<'a> {
    Invoke(Pubkey),
    Success,
    Failed(Pubkey),
    Consumed(u64),
    Data(&'a str),
    Log(&'a str),
    Other,
}

fn parse(line: &str) -> Line<'_> {
    if let Some(text) = line.strip_prefix("Program log: ") {
        return Line::Log(text);
    }
    if let Some(data) = line.strip_prefix("Program data: ") {
        return Line::Data(data);
    }
    let known = || {
        let (key, rest) = line.strip_prefix("Program ")?.split_once(' ')?;
        let key: Pubkey = key.parse().ok()?;
        if rest.starts_with("invoke [") {
            Some(Line::Invoke(key))
        } else if rest == "success" {
            Some(Line::Success)
        } else if rest.starts_with("failed: ") {
            Some(Line::Failed(key))
        } else if let Some(units) = rest.strip_prefix("consumed ") {
            Some(Line::Consumed(units.split(' ').next()?.parse().ok()?))
        } else {
            None
        }
    };
    known().unwrap_or(Line::Other)
}

/// The payloads of `Program data:` lines that `program` itself wrote. A program that is called by another, or that calls
/// others, cannot make its lines look like those of `program`.
pub(crate) fn program_data(logs: &[String], program: &Pubkey) -> Vec<Vec<u8>> {
    let mut stack = vec![];
    let mut found = vec![];
    for line in logs {
        match parse(line) {
            Line::Invoke(key) => stack.push(key),
            Line::Success | Line::Failed(_) => drop(stack.pop()),
            Line::Data(data) if stack.last() == Some(program) => {
                found.extend(data.split(' ').filter_map(|part| BASE64_STANDARD.decode(part).ok()));
            }
            _ => {}
        }
    }
    found
}

/// What each top-level instruction of a transaction took, in order. Native programs that log nothing are left out.
#[must_use]
pub fn instruction_costs(logs: &[String]) -> Vec<InstructionCost> {
    let mut depth = 0usize;
    let mut costs: Vec<InstructionCost> = vec![];
    for line in logs {
        match parse(line) {
            Line::Invoke(program) => {
                depth += 1;
                if depth == 1 {
                    costs.push(InstructionCost { program, name: None, compute_units: 0 });
                }
            }
            Line::Success | Line::Failed(_) => depth = depth.saturating_sub(1),
            Line::Consumed(units) if depth == 1 => {
                if let Some(cost) = costs.last_mut() {
                    cost.compute_units = units;
                }
            }
            Line::Log(text) if depth == 1 => {
                if let (Some(name), Some(cost)) = (text.strip_prefix("Instruction: "), costs.last_mut()) {
                    cost.name.get_or_insert_with(|| name.to_owned());
                }
            }
            _ => {}
        }
    }
    costs
}

/// The program whose frame failed first, which is where the error number comes from.
pub(crate) fn failed_program(logs: &[String]) -> Option<Pubkey> {
    logs.iter().find_map(|line| match parse(line) {
        Line::Failed(key) => Some(key),
        _ => None,
    })
}

/// Name, number and message of the error that Anchor logged, if it did.
pub(crate) fn anchor_error(logs: &[String]) -> Option<(String, u32, String)> {
    logs.iter().find_map(|line| {
        let text = line.strip_prefix("Program log: AnchorError ")?;
        let (_, rest) = text.split_once("Error Code: ")?;
        let (name, rest) = rest.split_once(". Error Number: ")?;
        let (number, message) = rest.split_once(". Error Message: ")?;
        let account =
            text.strip_prefix("caused by account: ").and_then(|rest| rest.split_once('.')).map(|(account, _)| account);
        let message = message.trim_end_matches('.');
        let message = account.map_or_else(|| message.to_owned(), |account| format!("{message} (account {account})"));
        Some((name.to_owned(), number.parse().ok()?, message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Pubkey = Pubkey::new_from_array([7; 32]);
    const OTHER: Pubkey = Pubkey::new_from_array([9; 32]);

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| line.replace("OURS", &OURS.to_string()).replace("OTHER", &OTHER.to_string())).collect()
    }

    #[test]
    fn only_lines_of_the_programs_own_frames_count() {
        let logs = lines(&[
            "Program OTHER invoke [1]",
            "Program data: AQ==",
            "Program OURS invoke [2]",
            "Program data: Ag==",
            "Program OTHER invoke [3]",
            "Program data: Aw==",
            "Program log: Program OURS invoke [4]",
            "Program data: BA==",
            "Program OTHER success",
            "Program data: BQ==",
            "Program OURS success",
            "Program data: Bg==",
            "Program OTHER success",
        ]);
        assert_eq!(program_data(&logs, &OURS), [[2], [5]]);
    }

    #[test]
    fn costs_are_those_of_top_level_instructions() {
        let logs = lines(&[
            "Program ComputeBudget111111111111111111111111111111 invoke [1]",
            "Program ComputeBudget111111111111111111111111111111 success",
            "Program OURS invoke [1]",
            "Program log: Instruction: PostJob",
            "Program OTHER invoke [2]",
            "Program log: Instruction: Transfer",
            "Program OTHER consumed 100 of 9000 compute units",
            "Program OTHER success",
            "Program OURS consumed 4321 of 10000 compute units",
            "Program OURS success",
        ]);
        let costs = instruction_costs(&logs);
        assert_eq!(costs.len(), 2);
        assert_eq!(costs[1], InstructionCost { program: OURS, name: Some("PostJob".into()), compute_units: 4321 });
    }

    #[test]
    fn the_innermost_failure_names_the_program() {
        let logs = lines(&[
            "Program OURS invoke [1]",
            "Program OTHER invoke [2]",
            "Program OTHER failed: custom program error: 0x1",
            "Program OURS failed: custom program error: 0x1",
        ]);
        assert_eq!(failed_program(&logs), Some(OTHER));
    }

    #[test]
    fn anchor_errors_are_read() {
        let plain = lines(&[
            "Program log: AnchorError thrown in src/a.rs:1. Error Code: Paused. Error Number: 6000. Error Message: The market is paused.",
        ]);
        assert_eq!(anchor_error(&plain), Some(("Paused".into(), 6000, "The market is paused".into())));
        let account = lines(&[
            "Program log: AnchorError caused by account: mint. Error Code: ConstraintSeeds. Error Number: 2006. Error Message: A seeds constraint was violated.",
        ]);
        assert_eq!(anchor_error(&account).unwrap().2, "A seeds constraint was violated (account mint)");
    }
}
