//! The device itself, by Solana's own library.

use std::{
    io::{self, Write as _},
    os::fd::OwnedFd,
};

use anyhow::{Result, anyhow, bail};
use nix::unistd::{dup, dup2_stdout};
use solana_derivation_path::DerivationPath;
use solana_pubkey::Pubkey;
use solana_remote_wallet::{
    ledger_error::LedgerError,
    locator::Locator,
    remote_keypair::{RemoteKeypair, generate_remote_keypair},
    remote_wallet::{RemoteWalletError, maybe_wallet_manager},
};
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};

/// What helps where the device cannot be spoken to.
const CONNECT: &str = "connect it, unlock it, open its Solana app and close other programs that use it, such as Ledger Live; on Linux a udev rule must allow you to use it (https://github.com/LedgerHQ/udev-rules)";

/// Opens the device and asks for the address of one of its keys.
pub(super) fn open(locator: Locator, path: DerivationPath) -> Result<Box<dyn Signer>> {
    // The library looks for devices of all kinds, and panics where there is no USB at all, as in containers.
    rusb::Context::new().map_err(|error| anyhow!("this machine lets no program use USB ({error}): {CONNECT}"))?;
    let manager = maybe_wallet_manager().map_err(|error| anyhow!("{}: {CONNECT}", in_words(error)))?;
    let Some(manager) = manager else { bail!("no hardware wallet is found: {CONNECT}") };
    let asked = locator.pubkey;
    let key = generate_remote_keypair(locator, path, &manager, false, "the wallet");
    let key = key.map_err(|error| match (&error, asked) {
        (RemoteWalletError::PubkeyNotFound, Some(asked)) => SignerError::InvalidInput(format!(
            "no connected device has {asked} as its first address; `solana-keygen pubkey usb://ledger` prints that of yours"
        )),
        _ => in_words(error),
    });
    Ok(Box::new(Key(key?)))
}

/// A key in a device.
struct Key(RemoteKeypair);

impl Signer for Key {
    fn try_pubkey(&self) -> Result<Pubkey, SignerError> {
        Ok(self.0.pubkey)
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, SignerError> {
        let _aside = Aside::begin();
        self.0.wallet_type.sign_message(&self.0.derivation_path, message).map_err(in_words)
    }

    fn is_interactive(&self) -> bool {
        true
    }
}

/// As long as it lives, what is printed to standard output goes to standard error: the library tells there for what it waits,
/// where programs read results.
struct Aside(Option<OwnedFd>);

impl Aside {
    fn begin() -> Self {
        let _ = io::stdout().flush();
        let kept = dup(io::stdout()).ok();
        Self(kept.filter(|_| dup2_stdout(io::stderr()).is_ok()))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = io::stdout().flush();
        if let Some(kept) = self.0.take() {
            let _ = dup2_stdout(kept);
        }
    }
}

/// Errors of the library, told apart by what helps against them.
pub(super) fn in_words(error: RemoteWalletError) -> SignerError {
    match error {
        RemoteWalletError::UserCancel | RemoteWalletError::LedgerError(LedgerError::UserCancel) => {
            SignerError::UserCancel("it was refused on the device".into())
        }
        RemoteWalletError::LedgerError(LedgerError::SdkNotSupported) => SignerError::InvalidInput(
            "the device refuses what it cannot show; allow \"blind signing\" in the settings of its Solana app".into(),
        ),
        RemoteWalletError::LedgerError(
            LedgerError::SolanaInvalidMessage
            | LedgerError::SolanaInvalidMessageHeader
            | LedgerError::SolanaInvalidMessageFormat
            | LedgerError::SolanaInvalidMessageSize
            | LedgerError::UnimplementedInstruction,
        ) => SignerError::InvalidInput(format!("{error}; its Solana app may be too old: update it")),
        RemoteWalletError::NoDeviceFound => SignerError::NoDeviceFound,
        // What a locked device or one without the app says is not always one of the library's errors.
        RemoteWalletError::Protocol(_) | RemoteWalletError::LedgerError(LedgerError::NoAppResponse) => {
            SignerError::Connection(format!("{error}: it is locked, or its Solana app is not open"))
        }
        error => error.into(),
    }
}
