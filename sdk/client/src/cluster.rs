//! What a cluster knows besides the program's accounts: balances, tokens, time, rent.

use std::time::Duration;

use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use spl_token_interface::state::{Account as TokenAccount, Mint};
use tessera_protocol::slot_hashes::{self, Lookup};
use tokio::time::{Instant, sleep};

use crate::{Error, Tessera, read::CHUNK};

/// How long an airdrop is waited for, and how often it is looked for.
const AIRDROP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(250));

/// What time it is on the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Number of the slot.
    pub slot: u64,
    /// Unix time in seconds, which decides about all windows.
    pub time: i64,
}

/// The hashes of the last slots, which decide about draws and ranks.
#[derive(Clone, Debug, Default)]
pub struct SlotHashes(Vec<u8>);

impl SlotHashes {
    /// The first slot at or after `target`, and its hash.
    #[must_use]
    pub fn first_at_or_after(&self, target: u64) -> Lookup {
        slot_hashes::first_at_or_after(&self.0, target)
    }
}

impl Tessera {
    /// Lamports of an account.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn balance(&self, address: &Pubkey) -> Result<u64, Error> {
        self.rpc().call(|rpc| async move { rpc.get_balance(address).await }).await
    }

    /// Lamports of several accounts, in the order asked for.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn lamports(&self, addresses: &[Pubkey]) -> Result<Vec<u64>, Error> {
        let mut lamports = Vec::with_capacity(addresses.len());
        let commitment = self.config().commitment;
        for chunk in addresses.chunks(CHUNK) {
            let answer = self
                .rpc()
                .call(|rpc| async move { rpc.get_multiple_accounts_with_commitment(chunk, commitment).await });
            lamports
                .extend(answer.await?.value.iter().map(|account| account.as_ref().map_or(0, |found| found.lamports)));
        }
        Ok(lamports)
    }

    /// Base units in a token account; `None` if there is no such account.
    ///
    /// # Errors
    /// If another kind of account is there, or no endpoint answers.
    pub async fn token_balance(&self, address: &Pubkey) -> Result<Option<u64>, Error> {
        Ok(self.token_account(address).await?.map(|account| account.amount))
    }

    /// A token account.
    ///
    /// # Errors
    /// If another kind of account is there, or no endpoint answers.
    pub async fn token_account(&self, address: &Pubkey) -> Result<Option<TokenAccount>, Error> {
        let Some(bytes) = self.raw(&spl_token_interface::ID, &[*address]).await?.pop().flatten() else {
            return Ok(None);
        };
        let account = TokenAccount::unpack(&bytes);
        account.map(Some).map_err(|e| Error::Account {
            address: *address,
            expected: "a token account",
            found: e.to_string(),
        })
    }

    /// A mint of classic SPL tokens.
    ///
    /// # Errors
    /// If there is none at this address, or no endpoint answers.
    pub async fn mint(&self, address: &Pubkey) -> Result<Mint, Error> {
        let bytes = self.raw(&spl_token_interface::ID, &[*address]).await?.pop().flatten();
        let bytes = bytes.ok_or(Error::NotFound { what: "mint", address: *address })?;
        Mint::unpack(&bytes).map_err(|e| Error::Account { address: *address, expected: "a mint", found: e.to_string() })
    }

    /// Base units of a mint in existence.
    ///
    /// # Errors
    /// As [`Self::mint`].
    pub async fn supply(&self, mint: &Pubkey) -> Result<u64, Error> {
        Ok(self.mint(mint).await?.supply)
    }

    /// Slot and time of the cluster.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn clock(&self) -> Result<Moment, Error> {
        let address = solana_sdk_ids::sysvar::clock::ID;
        let bytes = self.raw(&solana_sdk_ids::sysvar::ID, &[address]).await?.pop().flatten().unwrap_or_default();
        // The Clock sysvar: slot, epoch start, epoch, leader schedule epoch, Unix time, 8 bytes each.
        let field = |at: usize| bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        let (slot, time) = (field(0).map(u64::from_le_bytes), field(32).map(i64::from_le_bytes));
        let moment = slot.zip(time).map(|(slot, time)| Moment { slot, time });
        moment.ok_or(Error::NotFound { what: "clock", address })
    }

    /// The hashes of the last slots.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn slot_hashes(&self) -> Result<SlotHashes, Error> {
        let address = solana_sdk_ids::sysvar::slot_hashes::ID;
        let bytes = self.raw(&solana_sdk_ids::sysvar::ID, &[address]).await?.pop().flatten();
        bytes.map(SlotHashes).ok_or(Error::NotFound { what: "slot hashes", address })
    }

    /// Lamports that an account of `len` bytes must hold.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn rent(&self, len: usize) -> Result<u64, Error> {
        self.rpc().call(|rpc| async move { rpc.get_minimum_balance_for_rent_exemption(len).await }).await
    }

    /// Asks a local or test cluster for SOL and waits until it is there.
    ///
    /// # Errors
    /// If the cluster gives none.
    pub async fn airdrop(&self, to: &Pubkey, lamports: u64) -> Result<(), Error> {
        let before = self.balance(to).await?;
        self.rpc().call_one(|rpc| async move { rpc.request_airdrop(to, lamports).await }).await?;
        let give_up = Instant::now() + AIRDROP.0;
        while Instant::now() < give_up {
            if self.balance(to).await? > before {
                return Ok(());
            }
            sleep(AIRDROP.1).await;
        }
        Err(Error::Invalid(format!("the airdrop to {to} did not arrive within 30 s; try again later")))
    }
}
