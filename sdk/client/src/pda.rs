//! The program's addresses.
//!
//! All follow from what they belong to, so an account can be found, or named in a transaction, without asking anybody:
//!
//! ```
//! use tessera_sdk::pda;
//! # use solana_signer::Signer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let network = tessera_testing::Network::start().await?;
//! # let (tessera, market, wallet) = (network.tessera(), network.market(), network.wallet());
//! # let (spec, blobs) = tessera_testing::sample::job(8);
//! # let terms = tessera_testing::sample::terms(network.store_url());
//! let client = pda::client(market, &wallet.pubkey());
//! // A wallet that has posted nothing yet may not be a client yet.
//! let number = tessera.client(&client).await?.map_or(0, |client| client.next_job);
//! let job = pda::job(&client, number);
//! let escrow = pda::escrow(&job);
//! assert!(tessera.job(&job).await?.is_none());
//!
//! let posted = tessera.post_job(wallet, market, &spec, blobs, terms).await?;
//! assert_eq!(posted.job, job);
//! assert_eq!(tessera.token_balance(&escrow).await?, Some(posted.deposited));
//! # Ok(())
//! # }
//! ```

use solana_pubkey::Pubkey;
use tessera_protocol::seeds;

use crate::ID;

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &ID).0
}

/// The market with number `id` of `creator`.
#[must_use]
pub fn market(creator: &Pubkey, id: u16) -> Pubkey {
    derive(&[seeds::MARKET, creator.as_ref(), &id.to_le_bytes()])
}

/// The token account that collects a market's share of fees.
#[must_use]
pub fn treasury(market: &Pubkey) -> Pubkey {
    derive(&[seeds::TREASURY, market.as_ref()])
}

/// The provider that `authority` registered in `market`.
#[must_use]
pub fn provider(market: &Pubkey, authority: &Pubkey) -> Pubkey {
    derive(&[seeds::PROVIDER, market.as_ref(), authority.as_ref()])
}

/// The token account of a provider's stake and unpaid earnings.
#[must_use]
pub fn stake_vault(provider: &Pubkey) -> Pubkey {
    derive(&[seeds::STAKE, provider.as_ref()])
}

/// The client account of `wallet` in `market`.
#[must_use]
pub fn client(market: &Pubkey, wallet: &Pubkey) -> Pubkey {
    derive(&[seeds::CLIENT, market.as_ref(), wallet.as_ref()])
}

/// Job `number` of a client account.
#[must_use]
pub fn job(client: &Pubkey, number: u64) -> Pubkey {
    derive(&[seeds::JOB, client.as_ref(), &number.to_le_bytes()])
}

/// The token account that holds a job's escrow.
#[must_use]
pub fn escrow(job: &Pubkey) -> Pubkey {
    derive(&[seeds::ESCROW, job.as_ref()])
}

/// Lease `index` of a job.
#[must_use]
pub fn lease(job: &Pubkey, index: u32) -> Pubkey {
    let seed = seeds::lease(index);
    let digits = std::str::from_utf8(&seed).expect("digits are text");
    Pubkey::create_with_seed(job, digits, &ID).expect("a seed of 8 bytes, and the program's address is no marker")
}

/// What `payer` writes to answer a demand of a chunk from `provider`.
#[must_use]
pub fn answer(lease: &Pubkey, provider: &Pubkey, payer: &Pubkey) -> Pubkey {
    derive(&[seeds::ANSWER, lease.as_ref(), provider.as_ref(), payer.as_ref()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_counts() {
        let (a, b) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        let all = [
            market(&a, 0),
            market(&a, 1),
            market(&b, 0),
            treasury(&a),
            provider(&a, &b),
            provider(&b, &a),
            stake_vault(&a),
            client(&a, &b),
            client(&b, &a),
            job(&a, 0),
            job(&a, 256),
            escrow(&a),
            lease(&a, 0),
            lease(&a, 256),
            answer(&a, &a, &b),
            answer(&a, &b, &a),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one), "address {i} is not unique");
        }
    }
}
