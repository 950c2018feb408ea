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

/// Errors of other programs that users meet: name, and what it means and asks for.
fn foreign(program: &Pubkey, code: u32) -> Option<(&'static str, &'static str)> {
    if *program == spl_token_interface::ID {
        Some(match code {
            0 => ("NotRentExempt", "the token account holds too little SOL for its rent; add SOL to it"),
            1 => ("InsufficientTokens", "the token account holds too little; add tokens to it"),
            3 => ("MintMismatch", "the token account belongs to another mint; use one of the market's mint"),
            4 => ("OwnerMismatch", "the token account belongs to somebody else; check the wallet"),
            9 => (
                "UninitializedTokenAccount",
                "the token account was never set up; create it with `spl-token create-account MINT`",
            ),
            17 => ("AccountFrozen", "the token account is frozen; ask whoever may freeze accounts of this mint"),
            _ => return None,
        })
    } else if *program == solana_sdk_ids::system_program::ID {
        Some(match code {
            0 => (
                "AccountInUse",
                "the account exists already: somebody was faster, or the same was sent before; look at it",
            ),
            1 => ("InsufficientSol", "the payer holds too little SOL for rent; add SOL to it"),
            _ => return None,
        })
    } else {
        None
    }
}

/// What to do about errors by which the framework of the program refuses an account; users meet them with a wrong address, with
/// a wallet that was never set up, and with software of another version.
const fn framework_advice(code: u32) -> Option<&'static str> {
    Some(match code {
        3007 => "it belongs to another program: check the address, and that it is of this cluster",
        3012 => {
            "it was never set up, or is closed: check the address; a token account is made with `spl-token create-account MINT`, a provider with `tessera-worker register`"
        }
        100..=103 | 3002 | 3003 => "this software and the program are of different versions: update this software",
        2006 | 2012 => "it is not the account that belongs here: check addresses of market, mint and wallet",
        _ => return None,
    })
}

/// What to do about a transaction that no program got to see.
const fn advice(error: &TransactionError) -> &'static str {
    match error {
        TransactionError::AccountNotFound | TransactionError::InsufficientFundsForFee => {
            "; the payer holds no SOL for the fee: add SOL to it"
        }
        TransactionError::InsufficientFundsForRent { .. } => {
            "; an account would hold too little SOL for its rent: add SOL to the payer, or leave more on it"
        }
        TransactionError::InvalidAccountForFee => "; the payer is no plain wallet: pay from one",
        TransactionError::BlockhashNotFound => {
            "; the endpoint is behind or on another cluster: try again, or use another endpoint"
        }
        TransactionError::AccountInUse => "; other transactions write to the same accounts at this moment: try again",
        TransactionError::AlreadyProcessed => "; it has landed before: look it up",
        TransactionError::ProgramAccountNotFound | TransactionError::InvalidProgramForExecution => {
            "; the cluster does not have this program: check --url"
        }
        TransactionError::WouldExceedMaxBlockCostLimit
        | TransactionError::WouldExceedMaxAccountCostLimit
        | TransactionError::WouldExceedMaxVoteCostLimit
        | TransactionError::WouldExceedAccountDataBlockLimit => {
            "; the cluster is busy: try again, or raise the cap of the priority fee"
        }
        TransactionError::ClusterMaintenance => "; the cluster is being maintained: try again later",
        _ => "",
    }
}

/// What to do about an instruction that was refused without a number.
const fn instruction_advice(error: &InstructionError) -> &'static str {
    match error {
        InstructionError::ComputationalBudgetExceeded => "; it took more compute units than it asked for: try again",
        InstructionError::InsufficientFunds => "; an account holds too little SOL: add SOL to the payer",
        InstructionError::MissingRequiredSignature => "; a key that must sign did not: check the key files",
        InstructionError::UninitializedAccount => "; an account was never set up: check addresses and cluster",
        InstructionError::AccountNotRentExempt => {
            "; an account would hold too little SOL for its rent: add SOL to the payer"
        }
        InstructionError::InvalidAccountOwner | InstructionError::IncorrectProgramId => {
            "; an account belongs to another program: check addresses and cluster"
        }
        _ => "",
    }
}

/// The error that a transaction failed with, named as precisely as its log allows.
pub(crate) fn decode(error: &TransactionError, log: &[String]) -> Error {
    let TransactionError::InstructionError(index, error) = error else {
        return Error::Transaction { message: format!("{error}{}", advice(error)), logs: log.to_vec() };
    };
    let program = logs::failed_program(log).unwrap_or(ID);
    let logged = logs::anchor_error(log);
    let (code, name, message) = match (error, logged) {
        (InstructionError::Custom(code), Some((name, number, message))) if number == *code => {
            let advice = framework_advice(*code).map(|advice| format!(": {advice}")).unwrap_or_default();
            (*code, name, message + &advice)
        }
        (InstructionError::Custom(code), _) => {
            let ours = (program == ID).then(|| ERRORS.get(code).cloned()).flatten();
            let known = ours.or_else(|| foreign(&program, *code).map(|(name, message)| (name.into(), message.into())));
            let (name, message) =
                known.unwrap_or_else(|| ("Custom".into(), format!("instruction {index} failed in program {program}")));
            (*code, name, message)
        }
        (other, _) => {
            let message = format!("instruction {index} of program {program}: {other}{}", instruction_advice(other));
            return Error::Transaction { message, logs: log.to_vec() };
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
        let rent = TransactionError::InsufficientFundsForRent { account_index: 0 };
        for (error, advice) in [
            (TransactionError::AccountNotFound, "add SOL"),
            (TransactionError::InsufficientFundsForFee, "add SOL"),
            (rent, "add SOL"),
            (TransactionError::BlockhashNotFound, "another endpoint"),
            (TransactionError::AccountInUse, "try again"),
            (TransactionError::ProgramAccountNotFound, "--url"),
            (TransactionError::WouldExceedMaxAccountCostLimit, "priority fee"),
            (TransactionError::InstructionError(0, InstructionError::MissingRequiredSignature), "key files"),
        ] {
            let decoded = decode(&error, &[]);
            assert!(matches!(&decoded, Error::Transaction { message, .. } if message.contains(advice)), "{decoded}");
        }
    }

    #[test]
    fn accounts_that_are_missing_are_named() {
        let log = [
            "Program log: AnchorError caused by account: source. Error Code: AccountNotInitialized. Error Number: 3012. Error Message: The program expected this account to be already initialized.".to_owned(),
            format!("Program {ID} failed: custom program error: 0xbc4"),
        ];
        let error = decode(&custom(3012), &log).to_string();
        assert!(error.contains("account source") && error.contains("create-account"), "{error}");
    }
}
