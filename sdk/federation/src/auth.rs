//! Who asks: the `Authorization` header of every request, signed with the provider's key.
//!
//! `Tessera {public key}.{Unix seconds}.{signature}` with key and signature in base 58, as stores have it; signed is
//! `"tessera-federation-1\n{method}\n{path and query}\n{SHA-256 of the body in hexadecimal}\n{Unix seconds}"`. A header is good for
//! [`MAX_SKEW_SECONDS`]; sending a request again within that time changes nothing, because each message counts once.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use tessera_protocol::hash::sha256;
use tessera_secure_sum::Key;

/// How far the time in a header may be from the coordinator's.
pub const MAX_SKEW_SECONDS: u64 = 300;

/// First word of the header.
const SCHEME: &str = "Tessera ";

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not of the form that [`header`] makes.
    #[error("authorization: expected \"Tessera {{public key}}.{{Unix seconds}}.{{signature}}\" in base 58, {0}")]
    Form(&'static str),
    /// Made too long ago, or in the future.
    #[error("authorization made at {made}, now is {now}: more than {MAX_SKEW_SECONDS} s apart; set the clock")]
    Time {
        /// When the header says it was made.
        made: u64,
        /// The coordinator's time.
        now: u64,
    },
    /// Signed by somebody else, or another request.
    #[error("this request is not signed by {0}")]
    Signature(String),
}

/// A request, as far as its signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// GET or POST.
    pub method: &'a str,
    /// Path and, where there is one, `?` and the query.
    pub path: &'a str,
    /// The body; empty for GET.
    pub body: &'a [u8],
}

impl Signable<'_> {
    fn bytes(&self, at: u64) -> Vec<u8> {
        let body = hex::encode(sha256(&[self.body]));
        format!("tessera-federation-1\n{}\n{}\n{body}\n{at}", self.method, self.path).into_bytes()
    }
}

/// The header by which `key` sends a request at `now` (Unix seconds).
#[must_use]
pub fn header(key: &SigningKey, request: Signable<'_>, now: u64) -> String {
    let signature = key.sign(&request.bytes(now)).to_bytes();
    format!("{SCHEME}{}.{now}.{}", name(&key.verifying_key().to_bytes()), bs58::encode(signature).into_string())
}

/// What a header claims, before the body has been read.
#[derive(Debug)]
pub struct Claim {
    /// Who is said to ask.
    pub key: Key,
    made: u64,
    signature: Signature,
}

impl Claim {
    /// Reads a header made no more than [`MAX_SKEW_SECONDS`] from `now`.
    ///
    /// # Errors
    /// [`AuthError::Form`] or [`AuthError::Time`].
    pub fn read(value: &str, now: u64) -> Result<Self, AuthError> {
        let fields = value.strip_prefix(SCHEME).ok_or(AuthError::Form("found another scheme"))?;
        let mut fields = fields.split('.');
        let (Some(key), Some(made), Some(signature), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(AuthError::Form("found another number of fields"));
        };
        let mut claim = Self { key: [0; 32], made: 0, signature: Signature::from_bytes(&[0; 64]) };
        let mut bytes = [0; 64];
        let exact = |len: usize, expected: usize| len == expected;
        match bs58::decode(key).onto(&mut claim.key) {
            Ok(len) if exact(len, 32) => {}
            _ => return Err(AuthError::Form("found no public key")),
        }
        match bs58::decode(signature).onto(&mut bytes) {
            Ok(len) if exact(len, 64) => claim.signature = Signature::from_bytes(&bytes),
            _ => return Err(AuthError::Form("found no signature")),
        }
        claim.made = made.parse().map_err(|_| AuthError::Form("found no time"))?;
        if claim.made.abs_diff(now) > MAX_SKEW_SECONDS {
            return Err(AuthError::Time { made: claim.made, now });
        }
        Ok(claim)
    }

    /// Checks that the request is the one which was signed.
    ///
    /// # Errors
    /// [`AuthError::Signature`].
    pub fn check(&self, request: Signable<'_>) -> Result<(), AuthError> {
        let forged = |_| AuthError::Signature(name(&self.key));
        let key = VerifyingKey::from_bytes(&self.key).map_err(forged)?;
        key.verify_strict(&request.bytes(self.made), &self.signature).map_err(forged)
    }
}

/// A key as text.
pub(crate) fn name(key: &Key) -> String {
    bs58::encode(key).into_string()
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_serves_one_request_of_one_key_for_some_time() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let request = Signable { method: "POST", path: "/v1/a?b=1", body: b"text" };
        let value = header(&key, request, 1000);
        let claim = Claim::read(&value, 1300).unwrap();
        assert_eq!(claim.key, key.verifying_key().to_bytes());
        assert_eq!(claim.check(request), Ok(()));
        let others = [
            Signable { method: "GET", ..request },
            Signable { path: "/v1/a?b=2", ..request },
            Signable { body: b"texts", ..request },
        ];
        for other in others {
            assert!(matches!(claim.check(other), Err(AuthError::Signature(_))), "{other:?}");
        }
        assert_eq!(Claim::read(&value, 1301).unwrap_err(), AuthError::Time { made: 1000, now: 1301 });
        let later = value.replace(".1000.", ".1001.");
        assert!(Claim::read(&later, 1001).unwrap().check(request).is_err());
        for bad in ["", "Bearer x", "Tessera a.b", "Tessera 0.1000.x", &value[..value.len() - 9], &format!("{value}.1")]
        {
            assert!(matches!(Claim::read(bad, 1000), Err(AuthError::Form(_))), "{bad}");
        }
    }
}
