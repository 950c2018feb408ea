//! From a failed transaction to the name of what a program refused.

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;
use solana_pubkey::Pubkey;
use solana_transaction::{InstructionError, TransactionError};

use crate::{Error, ID, logs, program};

#[derive(Deserialize)]
struct Idl {
    #[serde(default)]
    errors: Vec<IdlError>,
}

#[derive(Deserialize)]
struct IdlError {
    code: u32,
    name: String,
    #[serde(default)]
    msg: Option<String>,
}

/// Names and messages of the program's own errors.
static ERRORS: LazyLock<HashMap<u32, (String, String)>> = LazyLock::new(|| {
    let idl: Idl = serde_json::from_str(program::IDL).unwrap_or(Idl { errors: vec![] });
    idl.errors.into_iter().map(|e| (e.code, (e.name, e.msg.unwrap_or_default()))).collect()
});

/// Errors of the token and system programs that users meet.
fn foreign(program: &Pubkey, code: u32) -> Option<(&'static str, &'static str)> {
    if *program == spl_token_interface::ID {
        Some(match code {
            1 => ("InsufficientTokens", "the token account holds too little; add tokens to it"),
            3 => ("MintMismatch", "the token account belongs to another mint"),
            4 => ("OwnerMismatch", "the token account belongs to somebody else"),
            17 => ("AccountFrozen", "the token account is frozen"),
            _ => return None,
        })
    } else if *program == solana_sdk_ids::system_program::ID {
        Some(match code {
            0 => ("AccountInUse", "the account exists already"),
            1 => ("InsufficientSol", "the payer holds too little SOL for rent; add SOL to it"),
            _ => return None,
        })
    } else {
        None
    }
}

/// The error that a transaction failed with, named as precisely as its log allows.
pub(crate) fn decode(error: &TransactionError, log: &[String]) -> Error {
    let TransactionError::InstructionError(index, error) = error else {
        let hint = match error {
            TransactionError::AccountNotFound | TransactionError::InsufficientFundsForFee => {
                "; the payer holds no SOL for the fee: add SOL to it"
            }
            TransactionError::InsufficientFundsForRent { .. } => "; an account would hold too little SOL for its rent",
            TransactionError::BlockhashNotFound => "; the endpoint is behind or on another cluster",
            _ => "",
        };
        return Error::Transaction { message: format!("{error}{hint}"), logs: log.to_vec() };
    };
    let program = logs::failed_program(log).unwrap_or(ID);
    let logged = logs::anchor_error(log);
    let (code, name, message) = match (error, logged) {
        (InstructionError::Custom(code), Some((name, number, message))) if number == *code => (*code, name, message),
        (InstructionError::Custom(code), _) => {
            let ours = (program == ID).then(|| ERRORS.get(code).cloned()).flatten();
            let known = ours.or_else(|| foreign(&program, *code).map(|(name, message)| (name.into(), message.into())));
            let (name, message) =
                known.unwrap_or_else(|| ("Custom".into(), format!("instruction {index} failed in program {program}")));
            (*code, name, message)
        }
        (other, _) => {
            return Error::Transaction {
                message: format!("instruction {index} of program {program}: {other}"),
                logs: log.to_vec(),
            };
        }
    };
    Error::Program { program, code, name, message, logs: log.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(code: u32) -> TransactionError {
        TransactionError::InstructionError(1, InstructionError::Custom(code))
    }

    #[test]
    fn every_error_of_the_idl_has_name_and_message() {
        assert!(!ERRORS.is_empty());
        for (code, (name, message)) in ERRORS.iter() {
            assert!(!message.is_empty(), "{name} has no message");
            let error = decode(&custom(*code), &[format!("Program {ID} failed: custom program error: {code:#x}")]);
            assert_eq!(error.program_error(), Some(name.as_str()));
        }
    }

    #[test]
    fn numbers_mean_what_the_failing_program_means() {
        let token = spl_token_interface::ID;
        let log = [
            format!("Program {token} failed: custom program error: 0x1"),
            format!("Program {ID} failed: custom program error: 0x1"),
        ];
        assert_eq!(decode(&custom(1), &log).program_error(), Some("InsufficientTokens"));
        let system = solana_sdk_ids::system_program::ID;
        let log = [format!("Program {system} failed: custom program error: 0x1")];
        assert_eq!(decode(&custom(1), &log).program_error(), Some("InsufficientSol"));
    }

    #[test]
    fn what_no_program_refused_says_what_to_do() {
        let error = decode(&TransactionError::AccountNotFound, &[]);
        assert!(matches!(&error, Error::Transaction { message, .. } if message.contains("add SOL")));
    }
}
