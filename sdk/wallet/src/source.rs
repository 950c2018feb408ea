//! The names of keys: the URIs of the solana command line.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result, anyhow, bail};
use bip39::Mnemonic;
use solana_derivation_path::DerivationPath;
use solana_keypair::{
    Keypair, keypair_from_seed, read_keypair, read_keypair_file, seed_derivable::keypair_from_seed_and_derivation_path,
};
use solana_pubkey::Pubkey;
use solana_remote_wallet::locator::{Locator, Manufacturer};
use uriparse::URIReference;

use crate::{Wallet, device::Device};

/// How hardware wallets are named.
const USB: &str = "usb://ledger, usb://ledger/ADDRESS or, for another of its keys, usb://ledger?key=ACCOUNT/CHANGE";

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file, as `solana-keygen` writes it.
    File(PathBuf),
    /// The same from standard input.
    Stdin,
    /// A seed phrase that is asked for on the terminal.
    Prompt {
        /// Which of the keys of the phrase.
        path: Option<DerivationPath>,
        /// The one key that the oldest programs made of a phrase.
        legacy: bool,
    },
    /// A Ledger.
    Ledger {
        /// Its first address, if it is to be a certain one.
        device: Option<Pubkey>,
        /// Which of its keys.
        path: DerivationPath,
    },
}

impl FromStr for KeySource {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "-" => return Ok(Self::Stdin),
            "ASK" => return Ok(Self::Prompt { path: None, legacy: true }),
            _ => {}
        }
        // What is no URI may still be the name of a file.
        let Ok(uri) = URIReference::try_from(text) else { return Ok(Self::File(text.into())) };
        let Some(scheme) = uri.scheme() else { return Ok(Self::File(text.into())) };
        match scheme.as_str().to_ascii_lowercase().as_str() {
            "file" => Ok(Self::File(uri.path().to_string().into())),
            "stdin" => Ok(Self::Stdin),
            "prompt" => {
                let path = DerivationPath::from_uri_any_query(&uri).map_err(|e| {
                    anyhow!("{text}: {e}; expected prompt://?key=0/0 or prompt://?full-path=m/44/501/0/0")
                })?;
                Ok(Self::Prompt { path, legacy: false })
            }
            "usb" => {
                let locator = Locator::new_from_uri(&uri).map_err(|e| anyhow!("{text}: {e}; expected {USB}"))?;
                if locator.manufacturer != Manufacturer::Ledger {
                    bail!("{text}: only Ledger devices can sign what this program needs; expected {USB}");
                }
                if uri.path().segments().len() > 1 {
                    bail!("{text}: there is too much behind the address; expected {USB}");
                }
                let path = DerivationPath::from_uri_key_query(&uri);
                let path = path.map_err(|e| anyhow!("{text}: {e}; expected {USB}"))?.unwrap_or_default();
                Ok(Self::Ledger { device: locator.pubkey, path })
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Prompt { .. } => f.write_str("the seed phrase"),
            Self::Ledger { device: None, path } => write!(f, "usb://ledger{}", path.get_query()),
            Self::Ledger { device: Some(device), path } => write!(f, "usb://ledger/{device}{}", path.get_query()),
        }
    }
}

impl KeySource {
    /// Reads the key, or connects to the device, which asks for nothing yet.
    ///
    /// # Errors
    /// If there is no such key or device; the text says what to do.
    pub fn read(&self) -> Result<Wallet> {
        Ok(match self {
            Self::File(path) => Box::new(read_file(path)?),
            Self::Stdin => {
                let key = read_keypair(&mut std::io::stdin());
                Box::new(key.map_err(|e| anyhow!("what stands on {self} is no key: {e}"))?)
            }
            Self::Prompt { path, legacy } => {
                let ask = |what: &str| {
                    rpassword::prompt_password(what).context("there is no terminal to ask for a seed phrase on")
                };
                let phrase = ask("seed phrase of the wallet: ")?;
                let passphrase = ask("its passphrase, or nothing: ")?;
                Box::new(of_phrase(&phrase, &passphrase, path.clone(), *legacy)?)
            }
            Self::Ledger { device, path } => {
                let locator = Locator { manufacturer: Manufacturer::Ledger, pubkey: *device };
                Box::new(Device::connect(locator, path.clone())?)
            }
        })
    }
}

fn read_file(path: &Path) -> Result<Keypair> {
    if !path.exists() {
        bail!("there is no key file {}; give --keypair or make one with `solana-keygen new`", path.display());
    }
    read_keypair_file(path).map_err(|e| anyhow!("{} is no key file: {e}", path.display()))
}

/// The key that the solana command line makes of a seed phrase.
fn of_phrase(phrase: &str, passphrase: &str, path: Option<DerivationPath>, legacy: bool) -> Result<Keypair> {
    let words = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
    let seed = Mnemonic::parse(&words).context("this is no seed phrase")?.to_seed(passphrase);
    let key = if legacy { keypair_from_seed(&seed) } else { keypair_from_seed_and_derivation_path(&seed, path) };
    key.map_err(|e| anyhow!("no key can be made of the seed phrase: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_signer::Signer;

    fn source(text: &str) -> KeySource {
        text.parse().unwrap()
    }

    #[test]
    fn uris_are_those_of_the_solana_command_line() {
        assert_eq!(source("/tmp/a b.json"), KeySource::File("/tmp/a b.json".into()));
        assert_eq!(source("file:/tmp/a.json"), KeySource::File("/tmp/a.json".into()));
        assert_eq!((source("stdin:"), source("-")), (KeySource::Stdin, KeySource::Stdin));
        assert_eq!(source("prompt:"), KeySource::Prompt { path: None, legacy: false });
        assert_eq!(source("ASK"), KeySource::Prompt { path: None, legacy: true });
        let path = Some(DerivationPath::new_bip44(Some(1), Some(2)));
        assert_eq!(source("prompt://?key=1/2"), KeySource::Prompt { path, legacy: false });
        let path = Some(DerivationPath::from_absolute_path_str("m/44/501/0/1").unwrap());
        assert_eq!(source("prompt://?full-path=m/44/501/0/1"), KeySource::Prompt { path, legacy: false });
    }

    #[test]
    fn hardware_wallets_have_names() {
        let address = Pubkey::new_from_array([3; 32]);
        for (text, device, path) in [
            ("usb://ledger".to_owned(), None, DerivationPath::default()),
            ("USB://Ledger/".to_owned(), None, DerivationPath::default()),
            ("usb://ledger?key=0".to_owned(), None, DerivationPath::new_bip44(Some(0), None)),
            (format!("usb://ledger/{address}"), Some(address), DerivationPath::default()),
            (format!("usb://ledger/{address}?key=1/2"), Some(address), DerivationPath::new_bip44(Some(1), Some(2))),
        ] {
            assert_eq!(source(&text), KeySource::Ledger { device, path }, "{text}");
        }
        let shown = format!("usb://ledger/{address}?key=1'/2'");
        assert_eq!(source(&shown).to_string(), shown, "a name is one again");
    }

    #[test]
    fn what_names_no_key_is_refused_with_what_would() {
        let address = Pubkey::new_from_array([3; 32]);
        for (text, says) in [
            ("prompt://?keys=1".to_owned(), "expected prompt://?key=0/0"),
            ("prompt://?key=1/2/3".to_owned(), "too deep"),
            ("prompt://?key=one".to_owned(), "one"),
            ("prompt://?key=0&full-path=m/44".to_owned(), "extra fields"),
            ("usb:".to_owned(), "expected usb://ledger"),
            ("usb://trezor".to_owned(), "only Ledger"),
            ("usb://toaster".to_owned(), "not a manufacturer"),
            ("usb://ledger/nobody".to_owned(), "expected usb://ledger"),
            (format!("usb://ledger/{address}/more"), "too much"),
            ("usb://ledger?full-path=m/44/501".to_owned(), "only `key`"),
            ("usb://ledger?key=0/1/2".to_owned(), "too deep"),
        ] {
            let error = text.parse::<KeySource>().map(drop).expect_err(&text).to_string();
            assert!(error.contains(says) && error.contains(&text), "{text} should speak of {says}: {error}");
        }
    }

    #[test]
    fn files_are_read_and_what_is_none_is_named() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("key.json");
        let key = Keypair::new();
        solana_keypair::write_keypair_file(&key, &path).unwrap();
        for text in [path.display().to_string(), format!("file:{}", path.display())] {
            let wallet = source(&text).read().unwrap();
            assert_eq!((wallet.pubkey(), wallet.is_interactive()), (key.pubkey(), false));
        }
        std::fs::write(&path, "[1, 2, 3]").unwrap();
        let error = source(path.to_str().unwrap()).read().err().unwrap().to_string();
        assert!(error.contains("key.json is no key file"), "{error}");
        let error = source("/nowhere/key.json").read().err().unwrap().to_string();
        assert!(error.contains("solana-keygen new"), "{error}");
    }

    #[test]
    fn phrases_give_the_keys_that_solana_keygen_gives() {
        let phrase = "abandon abandon abandon abandon abandon abandon abandon abandon  abandon abandon abandon about";
        let key =
            |path: Option<DerivationPath>, legacy| of_phrase(phrase, "", path, legacy).unwrap().pubkey().to_string();
        // The vectors of wallets for this phrase: m/44'/501'/0'/0', and m/44'/501'.
        assert_eq!(
            key(Some(DerivationPath::new_bip44(Some(0), Some(0))), false),
            "HAgk14JpMQLgt6rVgv7cBQFJWFto5Dqxi472uT3DKpqk"
        );
        assert_eq!(key(None, false), key(Some(DerivationPath::new_bip44(None, None)), false));
        assert_ne!(key(None, false), key(None, true));
        assert!(of_phrase("not a phrase", "", None, false).unwrap_err().to_string().contains("no seed phrase"));
    }
}
