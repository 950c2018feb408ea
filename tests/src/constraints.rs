//! Tables of what an instruction must refuse: for each of its accounts, what happens when another one stands in its place.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use solana_account::{Account, ReadableAccount};
use solana_instruction::error::InstructionError;

use crate::{
    call::{Call, Refusal},
    world::World,
};

/// The token program whose tokens no market takes.
pub const TOKEN_2022: Pubkey = Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
/// The mint of wrapped SOL.
pub const NATIVE_MINT: Pubkey = Pubkey::from_str_const("So11111111111111111111111111111111111111112");

/// One account in the place of another, and the refusal.
pub struct Case(&'static str, Pubkey, Refusal);

/// `account` is `instead`.
pub fn case(account: &'static str, instead: Pubkey, refusal: impl Into<Refusal>) -> Case {
    Case(account, instead, refusal.into())
}

/// Sends the instruction that `make` makes with one thing wrong at a time: every case; every signature missing; every
/// writable account not writable (`made` are those that the instruction creates). Every account must have a case. In
/// the end the untouched instruction must go through, so nothing else was wrong.
///
/// # Panics
/// If a refusal is another one, or if an account has no case.
#[track_caller]
pub fn refuses(world: &mut World, made: &[&str], make: impl for<'w> Fn(&'w mut World) -> Call<'w>, cases: &[Case]) {
    let call = make(world);
    let (instruction, names) = (call.name, call.account_names().to_vec());
    let signers: Vec<_> = names.iter().filter(|name| call.is_signer(name)).copied().collect();
    let writable: Vec<_> = names.iter().filter(|name| call.is_writable(name)).copied().collect();
    for name in &names {
        assert!(cases.iter().any(|Case(account, ..)| account == name), "{instruction} has no case for {name}");
    }
    let refused =
        |world: &mut World, what: String, change: &dyn Fn(Call<'_>) -> Option<Refusal>, expected: &Refusal| {
            assert_eq!(change(make(world)).as_ref(), Some(expected), "{instruction} {what}");
        };
    for Case(account, instead, expected) in cases {
        refused(
            world,
            format!("with {account} = {instead}"),
            &|call| call.replace(account, *instead).try_refusal(),
            expected,
        );
    }
    for name in signers {
        let expected = ErrorCode::AccountNotSigner.into();
        refused(
            world,
            format!("without the signature of {name}"),
            &|call| call.unsigned(name).try_refusal(),
            &expected,
        );
    }
    for name in writable {
        let expected = match made.contains(&name) {
            true => Refusal::Runtime(InstructionError::PrivilegeEscalation),
            false => ErrorCode::ConstraintMut.into(),
        };
        refused(world, format!("with {name} read-only"), &|call| call.readonly(name).try_refusal(), &expected);
    }
    let count = names.len();
    let too_few = ErrorCode::AccountNotEnoughKeys.into();
    refused(world, "without its last account".into(), &|call| call.truncated(count - 1).try_refusal(), &too_few);
    make(world).ok();
}

impl World {
    /// An account with the data of `address`, owned by another program.
    pub fn forged(&mut self, address: Pubkey, owner: Pubkey) -> Pubkey {
        let original = self.account(address).expect("the account to forge exists");
        let forged =
            Account { lamports: original.lamports(), data: original.data().to_vec(), owner, ..Account::default() };
        let key = self.key(&format!("forged {address} {owner}"));
        self.set_account(key, forged);
        key
    }

    /// Takes over the chain of `other`, which came from this world, and its keys.
    pub fn adopt(&mut self, other: &Self) {
        let mine = (self.mint, self.market, self.treasury, self.providers.clone(), self.clients.clone());
        *self = other.clone();
        (self.mint, self.market, self.treasury, self.providers, self.clients) = mine;
    }
}
