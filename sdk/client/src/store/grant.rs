//! Grants: a wallet says once, in words that a hardware wallet shows, that a key made for it may put blobs into a store for a
//! while. Without them its owner would have to press a button for every blob, and devices refuse to sign what is neither a
//! transaction nor such a message.
//!
//! Signed is an *off-chain message* of Solana, version 0: `"\xffsolana offchain"`, the version, the program's address as
//! application domain, format 0 (printable ASCII), one signer, the length of the text (two bytes, little endian), and the text.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use tessera_protocol::cid::Cid;
use tokio::sync::Mutex;

use super::{StoreClient, auth};
use crate::{AnySigner, Error, ID, Tessera, signing};

/// How long a grant lasts that is signed here, in seconds.
const SECONDS: u64 = 12 * 3_600;
/// The longest from now that a store accepts: more, for clocks that differ.
pub const MAX_SECONDS: u64 = 2 * SECONDS;
/// How long one must last to be used for another job.
const LEFT: u64 = 600;

/// A key that may put blobs for a wallet. It is never written anywhere.
pub struct Grant {
    wallet: Pubkey,
    host: String,
    until: u64,
    signature: Signature,
    key: Keypair,
}

/// Those that were signed in this process.
pub(crate) type Grants = Mutex<Vec<Arc<Grant>>>;

/// What the wallet signs.
pub(super) fn message(wallet: &Pubkey, key: &Pubkey, host: &str, until: u64) -> Vec<u8> {
    let date = |seconds| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    // What is later has no date of four digits.
    let end = if until < 1 << 37 { date(until) } else { until.to_string() };
    let text = format!("Tessera: until {end} the key {key} may put blobs into the store {host} for me");
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&b"\xffsolana offchain\0"[..], &ID.to_bytes(), &[0, 1], &wallet.to_bytes(), &len, text.as_bytes()].concat()
}

impl Grant {
    /// Asks the wallet to sign one for the store at `host`, at `now` (Unix seconds).
    ///
    /// # Errors
    /// If it does not sign.
    pub fn ask(wallet: &AnySigner, host: &str, now: u64) -> Result<Self, SignerError> {
        let (key, until, address) = (Keypair::new(), now.saturating_add(SECONDS), wallet.pubkey());
        let signature = signing::sign(wallet, &message(&address, &key.pubkey(), host, until))?;
        Ok(Self { wallet: address, host: host.to_owned(), until, signature, key })
    }

    /// The header by which its key puts blob `cid` of `len` bytes at `now` (Unix seconds).
    ///
    /// # Errors
    /// Never: the key is at hand.
    pub fn header(&self, cid: &Cid, len: u64, now: u64) -> Result<String, SignerError> {
        let put = auth::header(&self.key, &self.host, cid, len, now)?;
        Ok(format!("{put} {}.{}.{}", self.wallet, self.until, self.signature))
    }

    /// The address of its key.
    pub(super) fn key(&self) -> Pubkey {
        self.key.pubkey()
    }

    fn serves(&self, wallet: &Pubkey, host: &str, now: u64) -> bool {
        self.wallet == *wallet && self.host == host && self.until > now.saturating_add(LEFT)
    }
}

impl Tessera {
    /// The grant of a wallet that asks somebody, for a store; one that was signed before is used again.
    pub(crate) async fn grant(&self, wallet: &AnySigner, store: &StoreClient) -> Result<Arc<Grant>, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let (address, host) = (wallet.pubkey(), store.host());
        // Held while somebody is asked: others want the same.
        let mut known = self.grants().lock().await;
        if let Some(found) = known.iter().find(|grant| grant.serves(&address, host, now)) {
            return Ok(Arc::clone(found));
        }
        let signed = Grant::ask(wallet, host, now).map_err(|source| Error::signer(address, source))?;
        let signed = Arc::new(signed);
        known.retain(|grant| grant.until > now);
        known.push(Arc::clone(&signed));
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        auth::{AuthError, verify},
        *,
    };

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_grant_serves_one_key_at_one_store_until_its_end() {
        let wallet = Keypair::new();
        let grant = Grant::ask(&wallet, "store:1", NOW).unwrap();
        let cid = Cid::of(b"a");
        let at = |now| verify(&grant.header(&cid, 1, now).unwrap(), "store:1", &cid, 1, now);
        assert_eq!((at(NOW), at(NOW + SECONDS)), (Ok(wallet.pubkey()), Ok(wallet.pubkey())));
        // A clock that is late by as much as the grant lasts is good enough.
        assert_eq!(at(NOW - SECONDS), Ok(wallet.pubkey()));
        for now in [NOW + SECONDS + 1, NOW - SECONDS - 1] {
            assert_eq!(at(now), Err(AuthError::GrantTime { until: NOW + SECONDS, now }));
        }
        let value = grant.header(&cid, 1, NOW).unwrap();
        assert!(matches!(verify(&value, "store:2", &cid, 1, NOW), Err(AuthError::Signature(_))), "of the blob");
        assert!(matches!(verify(&value, "store:1", &Cid::of(b"b"), 1, NOW), Err(AuthError::Signature(_))));

        // The same word of the wallet, for another key, for a longer time, or said of another wallet.
        let (put, granted) = value.strip_prefix("Tessera ").unwrap().split_once(' ').unwrap();
        let thief = auth::header(&Keypair::new(), "store:1", &cid, 1, NOW).unwrap();
        let longer = granted.replace(&(NOW + SECONDS).to_string(), &(NOW + SECONDS + 1).to_string());
        let other = granted.replace(&wallet.pubkey().to_string(), &Keypair::new().pubkey().to_string());
        for value in [format!("{thief} {granted}"), format!("Tessera {put} {longer}"), format!("Tessera {put} {other}")]
        {
            let found = verify(&value, "store:1", &cid, 1, NOW);
            assert!(matches!(found, Err(AuthError::NotGranted { .. })), "{value}: {found:?}");
        }
        for value in
            [format!("Tessera {put} "), format!("Tessera {put} {granted} {granted}"), format!("Tessera  {granted}")]
        {
            assert!(matches!(verify(&value, "store:1", &cid, 1, NOW), Err(AuthError::Form(_))), "{value}");
        }
        for until in [0, 1 << 37, u64::MAX] {
            let value = format!("Tessera {put} {}.{until}.{}", grant.wallet, grant.signature);
            let found = verify(&value, "store:1", &cid, 1, NOW);
            assert_eq!(found, Err(AuthError::GrantTime { until, now: NOW }));
        }
    }

    #[test]
    fn what_a_device_shows_says_what_is_granted() {
        let (wallet, key) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        let message = message(&wallet, &key, "store.example", NOW);
        let text = format!(
            "Tessera: until Fri, 15 Jan 2027 08:00:00 GMT the key {key} may put blobs into the store store.example for me"
        );
        // Domain, version, application domain, format, number of signers, signer, length.
        let header = 16 + 1 + 32 + 1 + 1 + 32 + 2;
        assert_eq!(message[header..], *text.as_bytes());
        assert_eq!((&message[..17], &message[17..49]), (&b"\xffsolana offchain\0"[..], ID.as_ref()));
        assert_eq!(usize::from(u16::from_le_bytes([message[83], message[84]])), text.len());
        assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "devices show nothing else");
    }
}
