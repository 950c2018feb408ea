//! Signing: with keys at hand, and with signers that have to ask somebody, such as hardware wallets.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use solana_message::{Hash, VersionedMessage};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use solana_transaction::versioned::VersionedTransaction;
use tessera_protocol::hash::{Digest, sha256};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::sleep,
};

use crate::{Error, Tessera};

/// Whatever signs: a key at hand, or a device. A `&Keypair` is good wherever a `&AnySigner` is wanted.
///
/// One that [asks somebody](Signer::is_interactive) is asked for one signature at a time, and not again once it has refused.
pub type AnySigner = dyn Signer + Send + Sync;

/// Messages remembered, so that two equal transactions are not taken for one.
const REMEMBERED: usize = 4096;
/// How often another blockhash is looked for, and the pause before it.
const LOOKS: u32 = 150;
const PAUSE: Duration = Duration::from_millis(200);

/// This process's latest messages.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<Digest>);

impl Recent {
    /// Remembers a message; false if it was there.
    fn add(&mut self, message: &[u8]) -> bool {
        let digest = sha256(&[message]);
        if self.0.contains(&digest) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(digest);
        true
    }
}

impl Tessera {
    /// Signs with a fresh blockhash, once. A transaction equal to an earlier one of this process waits for another blockhash:
    /// with the same it would have the same signature, and one of the two would never run.
    pub(crate) async fn sign(
        &self,
        compile: &impl Fn(Hash) -> Result<VersionedMessage, Error>,
        keys: &[&AnySigner],
    ) -> Result<VersionedTransaction, Error> {
        let commitment = self.config().commitment;
        for _ in 0..LOOKS {
            let answer =
                self.rpc().call(|rpc| async move { rpc.get_latest_blockhash_with_commitment(commitment).await });
            let (blockhash, _) = answer.await?;
            let message = compile(blockhash)?;
            let bytes = message.serialize();
            let new = self.recent().lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&bytes);
            if new {
                let signatures = signatures(&message, &bytes, keys)?;
                return Ok(VersionedTransaction { signatures, message });
            }
            sleep(PAUSE).await;
        }
        Err(Error::Signing("the cluster has made no new block for 30 s".into()))
    }
}

/// The signatures of a message, in the order of its signers. Nobody is asked for one before all others are there.
fn signatures(message: &VersionedMessage, bytes: &[u8], keys: &[&AnySigner]) -> Result<Vec<Signature>, Error> {
    let wanted = message.static_account_keys().iter().take(message.header().num_required_signatures.into());
    let mut signers = Vec::new();
    for (place, address) in wanted.enumerate() {
        let key = keys.iter().find(|key| key.pubkey() == *address);
        let missing = || Error::Signing(format!("the key of {address} was not given, and the transaction needs it"));
        signers.push((place, *key.ok_or_else(missing)?));
    }
    signers.sort_by_key(|(_, key)| key.is_interactive());
    let mut signatures = vec![Signature::default(); signers.len()];
    for (place, key) in signers {
        signatures[place] = sign(key, bytes).map_err(|source| Error::signer(key.pubkey(), source))?;
    }
    Ok(signatures)
}

/// One signature. One that takes somebody's time holds up no other task of this runtime.
pub(crate) fn sign(key: &AnySigner, message: &[u8]) -> Result<Signature, SignerError> {
    let has_threads =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if key.is_interactive() && has_threads() {
        tokio::task::block_in_place(|| key.try_sign_message(message))
    } else {
        key.try_sign_message(message)
    }
}

/// What helps against an error of a signer.
pub(crate) const fn advice(error: &SignerError) -> &'static str {
    match error {
        SignerError::NoDeviceFound | SignerError::Connection(_) => {
            "connect and unlock the device, open its Solana app and run the same command again"
        }
        SignerError::UserCancel(_) => "run the same command again if that was not meant",
        _ => "see to it that the signer can sign, then run the same command again",
    }
}

impl Error {
    /// That of a signer which has not signed.
    pub(crate) fn signer(signer: Pubkey, source: SignerError) -> Self {
        Self::Signer { signer, source: Arc::new(source) }
    }

    /// The same error once more, if it is that of a signer.
    pub(crate) fn of_signer(&self) -> Option<Self> {
        match self {
            Self::Signer { signer, source } => Some(Self::Signer { signer: *signer, source: Arc::clone(source) }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_keypair::Keypair;
    use solana_message::Message;

    #[test]
    fn equal_messages_are_noticed() {
        let mut recent = Recent::default();
        let message = |i: usize| i.to_le_bytes();
        assert!(recent.add(&message(0)));
        assert!(!recent.add(&message(0)));
        for i in 1..=REMEMBERED {
            assert!(recent.add(&message(i)));
        }
        assert!(recent.add(&message(0)), "the oldest is forgotten");
        assert_eq!(recent.0.len(), REMEMBERED);
    }

    #[test]
    fn signatures_stand_in_the_order_of_the_message() {
        let (payer, other) = (Keypair::new(), Keypair::new());
        let to = Pubkey::new_from_array([9; 32]);
        let transfer = solana_system_interface::instruction::transfer(&other.pubkey(), &to, 1);
        let message = Message::new_with_blockhash(&[transfer], Some(&payer.pubkey()), &Hash::default());
        let message = VersionedMessage::Legacy(message);
        let bytes = message.serialize();
        let found = signatures(&message, &bytes, &[&other, &payer]).unwrap();
        assert_eq!(found, [payer.sign_message(&bytes), other.sign_message(&bytes)]);
        let error = signatures(&message, &bytes, &[&payer]).unwrap_err().to_string();
        assert!(error.contains(&other.pubkey().to_string()), "{error}");
    }
}
