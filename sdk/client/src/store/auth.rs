//! Who may put blobs: the `Authorization` header of a put, written by clients and workers and checked by stores.
//!
//! `Tessera {public key}.{Unix seconds}.{signature}` in base 58; signed is
//! `"tessera-put-1\n{store host}\n{cid}\n{length}\n{Unix seconds}"`, so a header serves one blob at one store for
//! [`MAX_SKEW_SECONDS`]. A wallet that does not sign such texts, or only by the hand of its owner, grants a key to do so: then
//! ` {wallet}.{Unix seconds of the end}.{signature}` follows, which [`super::grant`] explains.

use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::SignerError;
use tessera_protocol::cid::Cid;
use url::Url;

use super::grant;
use crate::{AnySigner, signing};

/// How far the time in a header may be from the store's.
pub const MAX_SKEW_SECONDS: u64 = 300;

/// First word of the header.
const SCHEME: &str = "Tessera ";

/// Why a store refuses a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not of the form that [`header`] makes.
    #[error("authorization header: expected \"Tessera {{public key}}.{{Unix seconds}}.{{signature}}\" in base 58, {0}")]
    Form(&'static str),
    /// Made too long ago, or in the future.
    #[error("authorization made at {made}, now is {now}: more than {MAX_SKEW_SECONDS} s apart; set the clock")]
    Time {
        /// When the header says it was made.
        made: u64,
        /// The store's time.
        now: u64,
    },
    /// Signed by somebody else, or for another blob or store.
    #[error("authorization is not signed by {0} for this blob at this store")]
    Signature(Pubkey),
    /// The wallet has not granted this to the key.
    #[error("wallet {wallet} has not granted key {key} to put blobs into this store")]
    NotGranted {
        /// The wallet.
        wallet: Pubkey,
        /// Who signed for the blob.
        key: Pubkey,
    },
    /// What the wallet has granted is over, or would last too long.
    #[error(
        "the wallet's grant ends at {until}, now is {now}: expected an end in the next {} s; set the clock, or sign another",
        grant::MAX_SECONDS
    )]
    GrantTime {
        /// When the grant ends.
        until: u64,
        /// The store's time.
        now: u64,
    },
}

fn message(host: &str, cid: &Cid, len: u64, at: u64) -> String {
    format!("tessera-put-1\n{host}\n{cid}\n{len}\n{at}")
}

/// The host that a header names: host and, where the URL has one, port, as in the `Host` header of HTTP.
#[must_use]
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The header by which `key` puts blob `cid` of `len` bytes into the store at `host`, at `now` (Unix seconds).
///
/// # Errors
/// If `key` does not sign.
pub fn header(key: &AnySigner, host: &str, cid: &Cid, len: u64, now: u64) -> Result<String, SignerError> {
    let signature = signing::sign(key, message(host, cid, len, now).as_bytes())?;
    Ok(format!("{SCHEME}{}.{now}.{signature}", key.pubkey()))
}

/// Checks a header and returns who puts the blob: who signed it, or the wallet that has granted that to who signed.
///
/// # Errors
/// If the header is malformed, out of time, or signed for something else.
pub fn verify(value: &str, host: &str, cid: &Cid, len: u64, now: u64) -> Result<Pubkey, AuthError> {
    let fields = value.strip_prefix(SCHEME).ok_or(AuthError::Form("found another scheme"))?;
    let (put, granted) = fields.split_once(' ').map_or((fields, None), |(put, granted)| (put, Some(granted)));
    let (key, made, signature) = parse(put)?;
    if made.abs_diff(now) > MAX_SKEW_SECONDS {
        return Err(AuthError::Time { made, now });
    }
    if !signature.verify(key.as_ref(), message(host, cid, len, made).as_bytes()) {
        return Err(AuthError::Signature(key));
    }
    let Some(granted) = granted else { return Ok(key) };
    let (wallet, until, signature) = parse(granted)?;
    if until < now || until - now > grant::MAX_SECONDS {
        return Err(AuthError::GrantTime { until, now });
    }
    let signed = signature.verify(wallet.as_ref(), &grant::message(&wallet, &key, host, until));
    if signed { Ok(wallet) } else { Err(AuthError::NotGranted { wallet, key }) }
}

/// Key, time and signature.
fn parse(text: &str) -> Result<(Pubkey, u64, Signature), AuthError> {
    let mut fields = text.split('.');
    let (Some(key), Some(at), Some(signature), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(AuthError::Form("found another number of fields"));
    };
    let key = key.parse().map_err(|_| AuthError::Form("found no public key"))?;
    let at = at.parse().map_err(|_| AuthError::Form("found no time"))?;
    let signature = signature.parse().map_err(|_| AuthError::Form("found no signature"))?;
    Ok((key, at, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    #[test]
    fn a_header_serves_one_blob_at_one_store_for_a_while() {
        let key = Keypair::new();
        let (cid, other) = (Cid::of(b"a"), Cid::of(b"b"));
        let value = header(&key, "store:1", &cid, 1, 1_000).unwrap();
        assert_eq!(verify(&value, "store:1", &cid, 1, 1_300), Ok(key.pubkey()));
        assert_eq!(verify(&value, "store:1", &cid, 1, 700), Ok(key.pubkey()));
        let wrong = Err(AuthError::Signature(key.pubkey()));
        assert_eq!(verify(&value, "store:2", &cid, 1, 1_000), wrong);
        assert_eq!(verify(&value, "store:1", &other, 1, 1_000), wrong);
        assert_eq!(verify(&value, "store:1", &cid, 2, 1_000), wrong);
        assert!(matches!(verify(&value, "store:1", &cid, 1, 1_301), Err(AuthError::Time { .. })));
        assert_eq!(verify(&value.replace("1000", "1001"), "store:1", &cid, 1, 1_001), wrong);
        let stolen = value.replace(&key.pubkey().to_string(), &Keypair::new().pubkey().to_string());
        assert!(matches!(verify(&stolen, "store:1", &cid, 1, 1_000), Err(AuthError::Signature(_))));
    }

    #[test]
    fn malformed_headers_are_refused() {
        let cid = Cid::of(b"a");
        for value in [
            "",
            "Bearer x",
            "Tessera ",
            "Tessera a.b.c",
            "Tessera 11111111111111111111111111111111.5",
            "Tessera 1.2.3.4",
            "Tessera 1.2.3 4.5.6",
        ] {
            assert!(matches!(verify(value, "h", &cid, 1, 5), Err(AuthError::Form(_))), "{value:?}");
        }
    }

    #[test]
    fn hosts_are_written_as_in_http() {
        let of = |url: &str| host_of(&Url::parse(url).unwrap());
        assert_eq!(of("http://127.0.0.1:8890/x"), "127.0.0.1:8890");
        assert_eq!(of("https://Store.Example:443"), "store.example");
        assert_eq!(of("http://[::1]:80/"), "[::1]");
    }
}
