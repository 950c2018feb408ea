//! A market that works, in one line: program, mint, treasury, staked providers, clients with tokens, a clock.
//!
//! Keys are made from names, so addresses, and with them compute units, are the same in every run.

use std::{collections::HashMap, sync::Arc};

use anchor_lang::prelude::Pubkey;
use litesvm::{LiteSVM, types::FailedTransactionMetadata};
use solana_account::{Account, AccountSharedData, ReadableAccount};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_program_pack::Pack;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::{Transaction, versioned::VersionedTransaction};
use spl_associated_token_account_interface::address::get_associated_token_address;
use spl_token_interface::state::{Account as TokenAccount, AccountState, Mint};
use tessera_protocol::{hash::sha256, seeds};

use crate::{call::Sent, program, terms::MarketTerms};

mod audit;
mod clock;
mod crank;
mod demand;
mod job;
mod life;
mod load;
mod party;
mod proof;
mod work;

pub use clock::{Reading, START, START_SLOT, SlotHashes};
pub use demand::answer_bytes;
pub use job::Job;
pub(crate) use life::LATE;
pub use life::SEEDED;
pub use load::{Lease, Load};
pub use party::{CAPABILITIES, params};
pub use work::{VOID, Work};

/// Lamports of every wallet at the beginning.
pub const LAMPORTS: u64 = 100_000_000_000;
/// Number of the world's market.
pub const MARKET_ID: u16 = 7;

/// Who earns.
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// Owner of stake and earnings.
    pub authority: Pubkey,
    /// Key of its workers.
    pub operator: Pubkey,
    /// Its account.
    pub address: Pubkey,
    /// Its token account for stake and earnings.
    pub vault: Pubkey,
    /// The token account of the authority.
    pub tokens: Pubkey,
}

/// Who pays.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The wallet.
    pub wallet: Pubkey,
    /// Its account in the market.
    pub address: Pubkey,
    /// The wallet's associated token account.
    pub tokens: Pubkey,
}

/// A market and everybody in it.
#[derive(Clone)]
pub struct World {
    /// The machine that runs the program.
    pub svm: LiteSVM,
    keys: HashMap<Pubkey, Arc<Keypair>>,
    /// Pays transaction fees and nothing else.
    pub payer: Pubkey,
    /// The market's mint.
    pub mint: Pubkey,
    /// Who made the market and may change it.
    pub authority: Pubkey,
    /// The market.
    pub market: Pubkey,
    /// The market's token account.
    pub treasury: Pubkey,
    /// Terms of the market.
    pub terms: MarketTerms,
    /// The providers.
    pub providers: Vec<Provider>,
    /// The clients.
    pub clients: Vec<Client>,
    /// What the hashes of slots are.
    pub hashes: SlotHashes,
    /// Seconds by which the clock has leapt while no slots went by.
    halted: i64,
}

/// What is special about a world.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Decimals of the mint.
    pub decimals: u8,
    /// Terms of the market.
    pub terms: MarketTerms,
    /// How many providers.
    pub providers: usize,
    /// How many clients.
    pub clients: usize,
    /// Tokens in every wallet at the beginning.
    pub tokens: u64,
    /// Stake of every provider, taken from its wallet.
    pub stake: u64,
    /// Whether signatures are verified.
    pub verify_signatures: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            decimals: 8,
            terms: MarketTerms::default(),
            providers: 2,
            clients: 1,
            tokens: 1_000_000,
            stake: 5_000,
            verify_signatures: true,
        }
    }
}

impl Builder {
    /// The world.
    #[must_use]
    pub fn build(self) -> World {
        let mut world = World::bare(program::elf(), self.decimals, self.verify_signatures);
        world.terms = self.terms;
        world.create_market(MARKET_ID, self.terms).ok();
        for i in 0..self.providers {
            let provider = world.new_provider(i, self.tokens);
            world.register_provider(provider).ok();
            if self.stake > 0 {
                world.add_stake(provider, self.stake).ok();
            }
            world.providers.push(provider);
        }
        for i in 0..self.clients {
            let client = world.new_client(i, self.tokens);
            world.register_client(client).ok();
            world.clients.push(client);
        }
        world
    }
}

/// The address of a program account.
#[must_use]
pub fn pda(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &tessera::ID).0
}

impl World {
    /// Changes what is special about a world.
    #[must_use]
    pub fn with(change: impl FnOnce(&mut Builder)) -> Self {
        let mut builder = Builder::default();
        change(&mut builder);
        builder.build()
    }

    /// A machine with the program and a mint, but no market.
    #[must_use]
    pub fn bare(elf: &[u8], decimals: u8, verify_signatures: bool) -> Self {
        let mut svm = LiteSVM::new()
            .with_sigverify(verify_signatures)
            .with_blockhash_check(false)
            .with_transaction_history(0)
            .with_log_bytes_limit(Some(40_000));
        svm.add_program(tessera::ID, elf).expect("the loader accepts the built program");
        let mut world = Self {
            svm,
            keys: HashMap::new(),
            payer: Pubkey::default(),
            mint: Pubkey::default(),
            authority: Pubkey::default(),
            market: Pubkey::default(),
            treasury: Pubkey::default(),
            terms: MarketTerms::default(),
            providers: Vec::new(),
            clients: Vec::new(),
            hashes: SlotHashes::default(),
            halted: 0,
        };
        world.set_time(START);
        world.payer = world.new_wallet("payer");
        world.authority = world.new_wallet("market authority");
        world.mint = world.new_mint("mint", decimals);
        world.set_tokens(world.fees(), world.mint, world.authority, 0);
        world.market = pda(&[seeds::MARKET, world.authority.as_ref(), &MARKET_ID.to_le_bytes()]);
        world.treasury = pda(&[seeds::TREASURY, world.market.as_ref()]);
        world
    }

    /// The key called `name`, which the world can sign with from now on.
    pub fn key(&mut self, name: &str) -> Pubkey {
        let keypair = Keypair::new_from_array(sha256(&[b"tessera-tests", name.as_bytes()]));
        let address = keypair.pubkey();
        self.keys.insert(address, Arc::new(keypair));
        address
    }

    /// A key with lamports.
    pub fn new_wallet(&mut self, name: &str) -> Pubkey {
        let key = self.key(name);
        self.set_account(key, Account { lamports: LAMPORTS, ..Account::default() });
        key
    }

    /// A key with lamports and `tokens` of the market's mint in its associated token account.
    pub fn new_wallet_with_tokens(&mut self, name: &str, tokens: u64) -> (Pubkey, Pubkey) {
        let wallet = self.new_wallet(name);
        let address = get_associated_token_address(&wallet, &self.mint);
        self.set_tokens(address, self.mint, wallet, tokens);
        (wallet, address)
    }

    /// A mint, whose supply grows with every [`Self::set_tokens`].
    pub fn new_mint(&mut self, name: &str, decimals: u8) -> Pubkey {
        let address = self.key(name);
        let mint = Mint { decimals, is_initialized: true, ..Mint::default() };
        self.set_packed(address, mint);
        address
    }

    /// Makes a token account hold `amount` tokens of `mint`, newly minted.
    pub fn set_tokens(&mut self, address: Pubkey, mint: Pubkey, owner: Pubkey, amount: u64) {
        let before = self.token_account(address).map_or(0, |account| account.amount);
        let account = TokenAccount { mint, owner, amount, state: AccountState::Initialized, ..TokenAccount::default() };
        self.set_packed(address, account);
        let mut minted = self.mint_of(mint);
        minted.supply = minted.supply - before + amount;
        self.set_packed(mint, minted);
    }

    /// Writes a token account or a mint.
    pub fn set_packed<T: Pack>(&mut self, address: Pubkey, state: T) {
        let mut data = vec![0; T::LEN];
        state.pack_into_slice(&mut data);
        let lamports = self.rent(T::LEN);
        self.set_account(address, Account { lamports, data, owner: spl_token_interface::ID, ..Account::default() });
    }

    /// Writes any account.
    pub fn set_account(&mut self, address: Pubkey, account: Account) {
        self.svm.set_account(address, account).expect("accounts of tests are no sysvars");
    }

    /// The rent-exempt minimum of an account with `len` bytes.
    #[must_use]
    pub fn rent(&self, len: usize) -> u64 {
        self.svm.minimum_balance_for_rent_exemption(len)
    }

    /// Sends a transaction, signed by every key it needs.
    ///
    /// # Errors
    /// Why it was refused.
    ///
    /// # Panics
    /// If a signer is needed whose key the world does not have.
    pub fn send(&mut self, instructions: &[Instruction]) -> Result<Sent, Box<FailedTransactionMetadata>> {
        let message = Message::new_with_blockhash(instructions, Some(&self.payer), &self.svm.latest_blockhash());
        let mut transaction = Transaction::new_unsigned(message);
        if self.svm.get_sigverify() {
            let signers: Vec<&Keypair> = transaction
                .message
                .signer_keys()
                .into_iter()
                .map(|key| match self.keys.get(key) {
                    Some(keypair) => &**keypair,
                    None => panic!("the world has no key for the signer {key}"),
                })
                .collect();
            transaction.sign(&signers, self.svm.latest_blockhash());
        }
        self.svm.send_transaction(transaction).map(Sent).map_err(Box::new)
    }

    /// Sends a message of any format that nobody has signed, in a world that does not verify signatures, and returns the
    /// compute units and the bytes of log that it took.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn send_unsigned(&mut self, message: VersionedMessage) -> Result<(u64, usize), Box<FailedTransactionMetadata>> {
        let signatures = vec![Signature::default(); usize::from(message.header().num_required_signatures)];
        let sent = self.svm.send_transaction(VersionedTransaction { signatures, message });
        let log = |lines: &[String]| lines.iter().map(String::len).sum();
        sent.map(|sent| (sent.compute_units_consumed, log(&sent.logs))).map_err(Box::new)
    }

    /// The account at `address`; an account without lamports does not exist.
    #[must_use]
    pub fn account(&self, address: Pubkey) -> Option<&AccountSharedData> {
        self.svm.accounts_db().get_account_ref(&address).filter(|account| account.lamports() > 0)
    }

    /// Whether there is an account at `address`.
    #[must_use]
    pub fn exists(&self, address: Pubkey) -> bool {
        self.account(address).is_some()
    }

    /// Lamports at `address`.
    #[must_use]
    pub fn lamports(&self, address: Pubkey) -> u64 {
        self.account(address).map_or(0, ReadableAccount::lamports)
    }

    /// A decoded account of the program, if it exists.
    #[must_use]
    pub fn load<T: Load>(&self, address: Pubkey) -> Option<T> {
        let account = self.account(address).filter(|account| *account.owner() == tessera::ID)?;
        Some(T::load(account.data()))
    }

    /// A token account, if it exists.
    #[must_use]
    pub fn token_account(&self, address: Pubkey) -> Option<TokenAccount> {
        let account = self.account(address).filter(|account| *account.owner() == spl_token_interface::ID)?;
        TokenAccount::unpack(account.data()).ok()
    }

    /// Tokens at `address`.
    #[must_use]
    pub fn tokens(&self, address: Pubkey) -> u64 {
        self.token_account(address).map_or(0, |account| account.amount)
    }

    /// The mint at `address`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn mint_of(&self, address: Pubkey) -> Mint {
        let account = self.account(address).expect("the mint exists");
        Mint::unpack(account.data()).expect("the mint decodes")
    }

    /// All tokens of the market's mint that exist.
    #[must_use]
    pub fn supply(&self) -> u64 {
        self.mint_of(self.mint).supply
    }

    /// Tokens of the market's mint in all token accounts together.
    #[must_use]
    pub fn tokens_everywhere(&self) -> u64 {
        let accounts = self.svm.accounts_db().inner.values();
        accounts
            .filter(|account| *account.owner() == spl_token_interface::ID && account.lamports() > 0)
            .filter_map(|account| TokenAccount::unpack(account.data()).ok())
            .filter(|account| account.mint == self.mint)
            .map(|account| account.amount)
            .sum()
    }

    /// Sends tokens with the token program alone.
    pub fn transfer_tokens(&mut self, from: Pubkey, to: Pubkey, owner: Pubkey, amount: u64) {
        let instruction =
            spl_token_interface::instruction::transfer(&spl_token_interface::ID, &from, &to, &owner, &[], amount)
                .expect("the classic token program");
        self.send(&[instruction]).expect("a transfer between existing token accounts");
    }

    /// Sends lamports with the system program alone.
    pub fn transfer_lamports(&mut self, from: Pubkey, to: Pubkey, lamports: u64) {
        let instruction = solana_system_interface::instruction::transfer(&from, &to, lamports);
        self.send(&[instruction]).expect("a transfer from a wallet with lamports");
    }
}
