//! A provider that keeps to no rules: instead of a worker, the test sends what it likes in its name.

use std::time::Duration;

use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use tessera_protocol::commitment::Reveal;
use tessera_sdk::{Account, Error, Receipt, Seat, Tessera, accounts, ix};
use tokio::time::{Instant, sleep};

use crate::{
    network::Network,
    process::{PATIENCE, until},
};

/// What the program says of things that only have to be sent again a little later.
const NOT_YET: [&str; 3] = ["NotYourTurn", "SlotTooEarly", "DrawTooEarly"];

/// What an attack has cost: bonds, and what locks have awarded to others and burned.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    pub bonds: u64,
    pub awarded: u64,
    pub burned: u64,
}

/// A registered provider in the hands of the test.
pub struct Attacker {
    pub tessera: Tessera,
    pub operator: Keypair,
    pub provider: Pubkey,
    market: Pubkey,
}

impl Attacker {
    /// Provider `n`, which must be registered.
    pub fn new(network: &Network, tessera: &Tessera, n: u16) -> Self {
        let (operator, provider) = (network.operator(n), network.provider(n));
        Self { tessera: tessera.clone(), operator, provider, market: network.market() }
    }

    /// Sends a transaction as soon as the time for it has come; it must be taken then.
    pub async fn send(&self, instructions: &[Instruction]) -> Receipt {
        self.outcome(instructions).await.expect("a transaction that is due")
    }

    /// Sends a transaction as soon as the time for it has come; the node must refuse it then, for this reason.
    pub async fn refused(&self, instructions: &[Instruction], reason: &str) {
        let error = self.outcome(instructions).await.expect_err(reason);
        assert_eq!(error.program_error(), Some(reason), "{error}");
    }

    /// Opens a job to claims, unless somebody else is faster.
    pub async fn seed(&self, job: &Pubkey) {
        if let Err(error) = self.outcome(&[ix::seed_job(job)]).await {
            assert_eq!(error.program_error(), Some("AlreadySeeded"), "{error}");
        }
    }

    async fn outcome(&self, instructions: &[Instruction]) -> Result<Receipt, Error> {
        let end = Instant::now() + PATIENCE;
        loop {
            let outcome = self.tessera.send(instructions, &self.operator, &[]).await;
            let name = outcome.as_ref().err().and_then(Error::program_error);
            if name.is_none_or(|name| !NOT_YET.contains(&name)) || Instant::now() > end {
                return outcome;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Takes a seat.
    pub fn claiming(&self, job: &Pubkey, lease: u32) -> Instruction {
        ix::claim_lease(&self.operator.pubkey(), &self.provider, &self.market, job, lease)
    }

    /// Gives it back.
    pub fn returning(&self, job: &Pubkey, lease: u32) -> Instruction {
        let operator = self.operator.pubkey();
        ix::return_lease(&operator, &self.provider, &self.market, job, lease, &operator)
    }

    /// Commits to whatever bytes.
    pub fn committing(&self, job: &Pubkey, lease: u32, commitment: [u8; 32], sealed: [u8; 32]) -> Instruction {
        let sealed = tessera_protocol::cid::Cid(sealed);
        ix::commit_result(&self.operator.pubkey(), &self.provider, job, lease, commitment, sealed)
    }

    /// Shows whatever is said to have been committed to.
    pub fn revealing(&self, job: &Pubkey, lease: u32, reveal: Reveal) -> Instruction {
        ix::reveal_result(&self.provider, job, lease, reveal, None)
    }

    /// Its own account.
    pub async fn account(&self) -> Account<accounts::Provider> {
        self.tessera.provider(&self.provider).await.unwrap().unwrap()
    }

    /// The seat of `provider` in a lease, once it is there and `is` as wanted.
    pub async fn seat(&self, job: &Pubkey, lease: u32, provider: &Pubkey, is: impl Fn(&Seat) -> bool) -> Seat {
        until(format_args!("the seat of {provider} in lease {lease}"), PATIENCE, async || {
            let found = self.tessera.lease(job, lease).await.unwrap();
            let mut seats = found.into_iter().flat_map(|lease| lease.seats);
            seats.find(|seat| seat.provider == *provider && is(seat))
        })
        .await
    }
}
