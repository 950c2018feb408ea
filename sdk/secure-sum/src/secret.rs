//! Keys of one round, what follows from them, and the sealing of shares. All of it is wiped when it is dropped.

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, aead::AeadInOut as _};
use hkdf::Hkdf;
use sha2::Sha256;
use tessera_protocol::hash::{Digest, sha256};
use vsss_rs::Gf256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    Error,
    message::{Advert, SEALED_LEN, SHARE_LEN, Sealed, Share, ShareDigests},
};

/// 32 secret bytes.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// Random bytes of a round: a stream of ChaCha20 from a seed of the system's.
pub(crate) struct Entropy(ChaCha20Rng);

impl Entropy {
    pub(crate) fn from_system() -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|e| Error::Random(e.to_string()))?;
        Ok(Self::from_seed(&seed))
    }

    /// The same seed gives the same secrets: never use one twice.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(*seed))
    }

    pub(crate) fn secret(&mut self) -> Secret {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.fill_bytes(bytes.as_mut());
        bytes
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A member's X25519 keys and the seed of its own mask, for one round.
pub(crate) struct Secrets {
    pub(crate) cipher: StaticSecret,
    pub(crate) mask: StaticSecret,
    pub(crate) seed: Secret,
}

impl Secrets {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        let mut key = || StaticSecret::from(*entropy.secret());
        Self { cipher: key(), mask: key(), seed: entropy.secret() }
    }

    pub(crate) fn advert(&self) -> Advert {
        Advert { cipher: public(&self.cipher), mask: public(&self.mask) }
    }
}

pub(crate) fn public(secret: &StaticSecret) -> [u8; 32] {
    PublicKey::from(secret).to_bytes()
}

/// Whether a public key is one of the few, of small order, that give the same secret with any other key: zero.
pub(crate) fn is_everybodys(key: &[u8; 32]) -> bool {
    // Whatever the secret is: all are multiples of 8.
    let any = StaticSecret::from([1; 32]);
    !any.diffie_hellman(&PublicKey::from(*key)).was_contributory()
}

/// One of two members, as the derivation of their common secrets names it.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) place: u8,
    /// The public key that this secret is about.
    pub(crate) key: &'a [u8; 32],
}

/// HKDF-SHA256 of the X25519 secret of `own` and the key of one of the ends; salt is the round's id. `None` if that key is one of
/// the few that give everybody the same secret.
fn common(own: &StaticSecret, theirs: &[u8; 32], id: &Digest, label: &[u8], a: End<'_>, b: End<'_>) -> Option<Secret> {
    let shared = own.diffie_hellman(&PublicKey::from(*theirs));
    if !shared.was_contributory() {
        return None;
    }
    let info = [label, &[a.place, b.place], a.key, b.key];
    let mut bytes = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(id), shared.as_bytes()).expand_multi_info(&info, bytes.as_mut()).ok()?;
    Some(bytes)
}

/// The seed of the mask that two members share; both get the same.
pub(crate) fn pair_seed(own: &StaticSecret, id: &Digest, me: End<'_>, other: End<'_>) -> Option<Secret> {
    let (a, b) = if me.place < other.place { (me, other) } else { (other, me) };
    common(own, other.key, id, b"tessera-sum-mask-1", a, b)
}

/// The key that seals what `from` deals to `to`; `own` is the secret of one of them. It seals one message, so the nonce is zero.
pub(crate) fn deal_key(
    own: &StaticSecret,
    theirs: &[u8; 32],
    id: &Digest,
    from: End<'_>,
    to: End<'_>,
) -> Option<Secret> {
    common(own, theirs, id, b"tessera-sum-deal-1", from, to)
}

/// What a dealt pair of shares is bound to, besides its key: all advertised keys, dealer and receiver.
fn associated(keys: &Digest, from: u8, to: u8) -> [u8; 34] {
    let mut bytes = [0; 34];
    bytes[..32].copy_from_slice(keys);
    bytes[32..].copy_from_slice(&[from, to]);
    bytes
}

/// Two shares that one member holds of another's secrets.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) mask: Zeroizing<Share>,
    pub(crate) seed: Zeroizing<Share>,
}

impl Held {
    pub(crate) fn digests(&self, id: &Digest, from: u8, to: u8) -> ShareDigests {
        ShareDigests {
            mask: share_digest(id, ShareOf::Mask, from, to, &self.mask),
            seed: share_digest(id, ShareOf::Seed, from, to, &self.seed),
        }
    }

    pub(crate) fn seal(&self, key: &Secret, keys: &Digest, from: u8, to: u8) -> Sealed {
        let mut bytes = [0; SEALED_LEN];
        bytes[..SHARE_LEN].copy_from_slice(self.mask.as_ref());
        bytes[SHARE_LEN..2 * SHARE_LEN].copy_from_slice(self.seed.as_ref());
        let cipher = ChaCha20Poly1305::new((&**key).into());
        let plain = &mut bytes[..2 * SHARE_LEN];
        match cipher.encrypt_inout_detached(&Default::default(), &associated(keys, from, to), plain.into()) {
            Ok(tag) => bytes[2 * SHARE_LEN..].copy_from_slice(&tag),
            // Only messages of many gigabytes cannot be sealed. What is not sealed is not sent.
            Err(_) => bytes.zeroize(),
        }
        Sealed(bytes)
    }

    /// `None` if these are not shares that `from` has sealed for `to` under these keys.
    pub(crate) fn open(sealed: &Sealed, key: &Secret, keys: &Digest, from: u8, to: u8) -> Option<Self> {
        let mut bytes = Zeroizing::new(sealed.0);
        let (plain, tag) = bytes.split_at_mut(2 * SHARE_LEN);
        let tag = <[u8; 16]>::try_from(&*tag).ok()?.into();
        let cipher = ChaCha20Poly1305::new((&**key).into());
        let associated = associated(keys, from, to);
        cipher.decrypt_inout_detached(&Default::default(), &associated, (&mut *plain).into(), &tag).ok()?;
        let mut held = Self { mask: Zeroizing::new([0; SHARE_LEN]), seed: Zeroizing::new([0; SHARE_LEN]) };
        held.mask.copy_from_slice(&plain[..SHARE_LEN]);
        held.seed.copy_from_slice(&plain[SHARE_LEN..]);
        Some(held)
    }
}

/// Which secret a share is of.
#[derive(Clone, Copy)]
pub(crate) enum ShareOf {
    Mask,
    Seed,
}

/// Digest of a share. It hides the share, which is as random as the secret: 32 bytes.
pub(crate) fn share_digest(id: &Digest, of: ShareOf, from: u8, to: u8, share: &Share) -> Digest {
    sha256(&[b"tessera-sum-share-1", id, &[of as u8, from, to], share])
}

/// Digest of the seed of a member's own mask, which hides it.
pub(crate) fn seed_digest(id: &Digest, from: u8, seed: &[u8; 32]) -> Digest {
    sha256(&[b"tessera-sum-seed-1", id, &[from], seed])
}

/// Shamir's shares over GF(2^8), byte by byte: share i, of the member at place i, is the polynomial at i + 1.
pub(crate) fn split(
    secret: &[u8; 32],
    threshold: u8,
    members: usize,
    entropy: &mut Entropy,
) -> Result<Vec<Zeroizing<Share>>, Error> {
    let refused = |e: vsss_rs::Error| Error::Round(format!("{threshold} of {members} shares: {e}"));
    let shares = Gf256::split_bytes(threshold.into(), members, secret, &mut entropy.0).map_err(refused)?;
    let fixed = shares.into_iter().map(|bytes| {
        let bytes = Zeroizing::new(bytes);
        let mut share = Zeroizing::new([0; SHARE_LEN]);
        share.copy_from_slice(&bytes);
        share
    });
    Ok(fixed.collect())
}

/// The secret of shares of different members. `None` if there are fewer than `threshold`, or two of one member.
pub(crate) fn combine<'a>(shares: impl IntoIterator<Item = &'a Share>, threshold: u8) -> Option<Secret> {
    let mut shares: Vec<Vec<u8>> = shares.into_iter().take(threshold.into()).map(|share| share.to_vec()).collect();
    let secret = if shares.len() < usize::from(threshold) { None } else { Gf256::combine_bytes(&shares).ok() };
    shares.iter_mut().for_each(|share| share.zeroize());
    let secret = Zeroizing::new(secret?);
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(secret.get(..32)?);
    Some(bytes)
}
