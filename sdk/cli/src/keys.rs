//! Where the wallet's key comes from: the URIs of the solana command line.

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
use uriparse::URIReference;

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
            "usb" => bail!("{text}: hardware wallets are not supported yet; give a key file, stdin: or prompt:"),
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
        }
    }
}

impl KeySource {
    /// Reads the key.
    pub fn read(&self) -> Result<Keypair> {
        match self {
            Self::File(path) => read_file(path),
            Self::Stdin => {
                read_keypair(&mut std::io::stdin()).map_err(|e| anyhow!("what stands on {self} is no key: {e}"))
            }
            Self::Prompt { path, legacy } => {
                let ask = |what: &str| {
                    rpassword::prompt_password(what).context("there is no terminal to ask for a seed phrase on")
                };
                let phrase = ask("seed phrase of the wallet: ")?;
                let passphrase = ask("its passphrase, or nothing: ")?;
                of_phrase(&phrase, &passphrase, path.clone(), *legacy)
            }
        }
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
        assert!("usb://ledger".parse::<KeySource>().unwrap_err().to_string().contains("hardware"));
        assert!("prompt://?keys=1".parse::<KeySource>().is_err());
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
