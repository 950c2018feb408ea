//! Who may put blobs: the `Authorization` header of a put, written by clients and workers and checked by stores.
//!
//! `Tessera {public key}.{Unix seconds}.{signature}` in base 58; signed is
//! `"tessera-put-1\n{store host}\n{cid}\n{length}\n{Unix seconds}"`, so a header serves one blob at one store for
//! [`MAX_SKEW_SECONDS`].

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;
use tessera_protocol::cid::Cid;
use url::Url;

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
#[must_use]
pub fn header(key: &Keypair, host: &str, cid: &Cid, len: u64, now: u64) -> String {
    let signature = key.sign_message(message(host, cid, len, now).as_bytes());
    format!("{SCHEME}{}.{now}.{signature}", key.pubkey())
}

/// Checks a header and returns who signed it.
///
/// # Errors
/// If the header is malformed, out of time, or signed for something else.
pub fn verify(value: &str, host: &str, cid: &Cid, len: u64, now: u64) -> Result<Pubkey, AuthError> {
    let fields = value.strip_prefix(SCHEME).ok_or(AuthError::Form("found another scheme"))?;
    let mut fields = fields.split('.');
    let (Some(key), Some(at), Some(signature), None) = (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(AuthError::Form("found another number of fields"));
    };
    let key: Pubkey = key.parse().map_err(|_| AuthError::Form("found no public key"))?;
    let made: u64 = at.parse().map_err(|_| AuthError::Form("found no time"))?;
    let signature: Signature = signature.parse().map_err(|_| AuthError::Form("found no signature"))?;
    if made.abs_diff(now) > MAX_SKEW_SECONDS {
        return Err(AuthError::Time { made, now });
    }
    let signed = signature.verify(key.as_ref(), message(host, cid, len, made).as_bytes());
    if signed { Ok(key) } else { Err(AuthError::Signature(key)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_serves_one_blob_at_one_store_for_a_while() {
        let key = Keypair::new();
        let (cid, other) = (Cid::of(b"a"), Cid::of(b"b"));
        let value = header(&key, "store:1", &cid, 1, 1_000);
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
