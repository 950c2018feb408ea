//! One instruction on its way to the program: valid as it comes from a [`World`], changed by name by a test.

use std::collections::BTreeMap;

use anchor_lang::{
    AnchorDeserialize, Discriminator, Event,
    error::ErrorCode,
    prelude::{AccountMeta, Pubkey},
};
use base64::Engine as _;
use litesvm::types::{FailedTransactionMetadata, TransactionMetadata};
use solana_account::{AccountSharedData, ReadableAccount};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::{Instruction, error::InstructionError};
use solana_transaction::TransactionError;
use tessera::TesseraError;

use crate::world::World;

/// Why the chain refused an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An error with a number: of our program, of Anchor, or of a program it calls.
    Code(u32),
    /// An error that the runtime itself raised.
    Runtime(InstructionError),
    /// The transaction did not even run.
    Transaction(TransactionError),
}

impl From<TesseraError> for Refusal {
    fn from(error: TesseraError) -> Self {
        Self::Code(error.into())
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Self::Code(error.into())
    }
}

impl From<InstructionError> for Refusal {
    fn from(error: InstructionError) -> Self {
        match error {
            InstructionError::Custom(code) => Self::Code(code),
            other => Self::Runtime(other),
        }
    }
}

impl From<TransactionError> for Refusal {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::InstructionError(_, inner) => inner.into(),
            other => Self::Transaction(other),
        }
    }
}

/// What a transaction that went through left behind.
#[derive(Debug)]
pub struct Sent(pub TransactionMetadata);

impl Sent {
    /// Compute units that the transaction used.
    #[must_use]
    pub const fn compute_units(&self) -> u64 {
        self.0.compute_units_consumed
    }

    /// The events of the transaction, each as its discriminator and its Borsh bytes.
    #[must_use]
    pub fn events(&self) -> Vec<Vec<u8>> {
        events(&self.0.logs)
    }

    /// The only event of type `E`.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn event<E: Event + AnchorDeserialize + Discriminator>(&self) -> E {
        let mut found: Vec<E> = self
            .events()
            .iter()
            .filter_map(|bytes| bytes.strip_prefix(E::DISCRIMINATOR))
            .map(|mut body| E::deserialize(&mut body).expect("an event of this type decodes"))
            .collect();
        assert_eq!(found.len(), 1, "expected one event of this type in\n{}", self.0.logs.join("\n"));
        found.remove(0)
    }
}

/// The events in a transaction's log.
#[must_use]
pub fn events(logs: &[String]) -> Vec<Vec<u8>> {
    logs.iter()
        .filter_map(|line| line.strip_prefix("Program data: "))
        .map(|text| base64::engine::general_purpose::STANDARD.decode(text).expect("event data are base64"))
        .collect()
}

/// The address by which an account stands in an instruction.
pub trait Named {
    /// The address; the program's own where an optional account is left out.
    fn address(&self) -> Pubkey;
}

impl Named for Pubkey {
    fn address(&self) -> Pubkey {
        *self
    }
}

impl Named for Option<Pubkey> {
    fn address(&self) -> Pubkey {
        self.unwrap_or(tessera::ID)
    }
}

/// A [`Call`] from the program's own structs of accounts and arguments.
macro_rules! call {
    ($world:expr, $name:literal, $accounts:ident { $($field:ident: $key:expr),* $(,)? }, $arguments:expr) => {{
        let accounts = tessera::accounts::$accounts { $($field: $key),* };
        let names = [$((stringify!($field), $crate::call::Named::address(&accounts.$field))),*];
        let metas = anchor_lang::ToAccountMetas::to_account_metas(&accounts, None);
        $crate::call::Call::new($world, $name, &names, metas, anchor_lang::InstructionData::data(&$arguments))
    }};
}
pub(crate) use call;

/// One instruction, ready to be sent or to be changed first.
pub struct Call<'w> {
    world: &'w mut World,
    /// Name of the instruction.
    pub name: &'static str,
    names: Vec<&'static str>,
    metas: Vec<AccountMeta>,
    data: Vec<u8>,
    /// Compute units that its transaction may take, if it asks for more than it is given anyway.
    units: Option<u32>,
}

impl<'w> Call<'w> {
    /// A call with `accounts` by name, which must be in the order of `metas`.
    ///
    /// # Panics
    /// If the names do not belong to the metas.
    pub fn new(
        world: &'w mut World,
        name: &'static str,
        accounts: &[(&'static str, Pubkey)],
        metas: Vec<AccountMeta>,
        data: Vec<u8>,
    ) -> Self {
        let expected: Vec<Pubkey> = metas.iter().map(|meta| meta.pubkey).collect();
        let given: Vec<Pubkey> = accounts.iter().map(|(_, key)| *key).collect();
        assert_eq!(given, expected, "{name}: name the accounts in the order of the program's struct");
        Self { world, name, names: accounts.iter().map(|(name, _)| *name).collect(), metas, data, units: None }
    }

    fn position(&self, account: &str) -> usize {
        match self.names.iter().position(|name| *name == account) {
            Some(position) => position,
            None => panic!("{} has no account {account}, only {:?}", self.name, self.names),
        }
    }

    /// Names of the accounts, in order.
    #[must_use]
    pub fn account_names(&self) -> &[&'static str] {
        &self.names
    }

    /// The address that stands for `account` now.
    #[must_use]
    pub fn account(&self, account: &str) -> Pubkey {
        self.metas[self.position(account)].pubkey
    }

    /// Whether `account` has to sign.
    #[must_use]
    pub fn is_signer(&self, account: &str) -> bool {
        self.metas[self.position(account)].is_signer
    }

    /// Whether `account` may be written.
    #[must_use]
    pub fn is_writable(&self, account: &str) -> bool {
        self.metas[self.position(account)].is_writable
    }

    /// Puts another address in the place of `account`. If it has to sign, the world's key for it signs.
    #[must_use]
    pub fn replace(mut self, account: &str, key: Pubkey) -> Self {
        let position = self.position(account);
        self.metas[position].pubkey = key;
        self
    }

    /// Leaves out the signature of `account`.
    #[must_use]
    pub fn unsigned(mut self, account: &str) -> Self {
        let position = self.position(account);
        self.metas[position].is_signer = false;
        self
    }

    /// Passes `account` without the right to write it, wherever its address stands: one place that may be written would
    /// make all of them writable.
    #[must_use]
    pub fn readonly(mut self, account: &str) -> Self {
        let key = self.account(account);
        self.metas.iter_mut().filter(|meta| meta.pubkey == key).for_each(|meta| meta.is_writable = false);
        self
    }

    /// Adds an account behind the named ones.
    #[must_use]
    pub fn remaining(mut self, key: Pubkey) -> Self {
        self.metas.push(AccountMeta::new_readonly(key, false));
        self
    }

    /// Passes only the first `count` accounts.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        self.metas.truncate(count);
        self
    }

    /// Replaces the instruction data.
    #[must_use]
    pub fn with_data(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.data);
        self
    }

    /// The instruction itself, and the world it came from.
    #[must_use]
    pub fn into_parts(self) -> (Instruction, &'w mut World) {
        (Instruction { program_id: tessera::ID, accounts: self.metas, data: self.data }, self.world)
    }

    /// Lets its transaction take so many compute units.
    #[must_use]
    pub fn with_units(mut self, units: u32) -> Self {
        self.units = Some(units);
        self
    }

    /// The instructions of its transaction, and the world it came from.
    fn into_transaction(self) -> (Vec<Instruction>, &'w mut World) {
        let limit = self.units.map(ComputeBudgetInstruction::set_compute_unit_limit);
        let (instruction, world) = self.into_parts();
        (limit.into_iter().chain([instruction]).collect(), world)
    }

    /// Sends it.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn send(self) -> Result<Sent, Box<FailedTransactionMetadata>> {
        let (instructions, world) = self.into_transaction();
        world.send(&instructions)
    }

    /// Sends it and expects that it goes through.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn ok(self) -> Sent {
        let name = self.name;
        match self.send() {
            Ok(sent) => sent,
            Err(failed) => panic!("{name} was refused: {:?}\n{}", failed.err, failed.meta.logs.join("\n")),
        }
    }

    /// Sends it and expects exactly this refusal, and that nothing has changed on chain.
    ///
    /// # Panics
    /// If it goes through, is refused for another reason, or left a change behind.
    #[track_caller]
    pub fn expect_err(self, refusal: impl Into<Refusal>) {
        let name = self.name;
        assert_eq!(self.refusal(), refusal.into(), "{name} was refused for another reason");
    }

    /// Sends it and expects that it is refused, and that nothing has changed on chain.
    ///
    /// # Panics
    /// If it goes through or left a change behind.
    #[track_caller]
    pub fn refusal(self) -> Refusal {
        let name = self.name;
        match self.try_refusal() {
            Some(refusal) => refusal,
            None => panic!("{name}: expected a refusal, but it went through"),
        }
    }

    /// Sends it and returns its refusal, if it was refused.
    ///
    /// # Panics
    /// If it was refused and left a change behind.
    #[track_caller]
    pub fn try_refusal(self) -> Option<Refusal> {
        let name = self.name;
        let (instructions, world) = self.into_transaction();
        let before = Snapshot::of(world);
        let sent = world.send(&instructions);
        let refusal = Refusal::from(sent.err()?.err);
        assert_eq!(before.changes(world), Vec::<Pubkey>::new(), "{name} failed and changed accounts");
        Some(refusal)
    }
}

/// All accounts of a world at one moment, except the one that pays transaction fees.
pub struct Snapshot(BTreeMap<Pubkey, AccountSharedData>);

impl Snapshot {
    /// The accounts as they are now: wallets, token accounts, and those of the program.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let owners = [solana_system_interface::program::ID, spl_token_interface::ID, tessera::ID];
        let accounts = world.svm.accounts_db().inner.iter();
        let ours = accounts.filter(|(key, account)| **key != world.payer && owners.contains(account.owner()));
        Self(ours.map(|(key, account)| (*key, account.clone())).collect())
    }

    /// Addresses of the accounts that are different now.
    #[must_use]
    pub fn changes(&self, world: &World) -> Vec<Pubkey> {
        let now = Self::of(world);
        let keys: std::collections::BTreeSet<&Pubkey> = self.0.keys().chain(now.0.keys()).collect();
        keys.into_iter().filter(|key| self.0.get(key) != now.0.get(key)).copied().collect()
    }
}
