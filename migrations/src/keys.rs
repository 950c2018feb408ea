//! Key files, and the few keys that must be the same in the next run.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{Cluster, Error, MintSettings, Settings};

/// The key of the program's address that every checkout has.
const LOCALNET_KEY: &str = include_str!("../../programs/tessera/localnet-keypair.json");

/// The keys of one migration.
pub(crate) struct Keys {
    pub payer: Keypair,
    pub upgrade_authority: Keypair,
    pub market_authority: Keypair,
    /// `None` if the file does not exist, which matters only to the first deployment.
    pub program: Option<Keypair>,
    pub buffer: Keypair,
    /// Of the mint to create.
    pub mint: Option<Keypair>,
    pub buffer_file: PathBuf,
}

impl Keys {
    pub(crate) fn load(settings: &Settings, state_dir: &Path) -> Result<Self, Error> {
        let payer = match settings.cluster {
            Cluster::Localnet => read_or_create(&settings.payer)?,
            Cluster::Devnet | Cluster::Mainnet => read(&settings.payer)?,
        };
        let or_payer = |path: &Option<PathBuf>| path.as_deref().map_or_else(|| Ok(payer.insecure_clone()), read);
        let buffer_file = state_dir.join("buffer.json");
        Ok(Self {
            upgrade_authority: or_payer(&settings.upgrade_authority)?,
            market_authority: or_payer(&settings.market_authority)?,
            program: program_key(settings, &tessera_sdk::ID)?,
            buffer: read_or_create(&buffer_file)?,
            mint: match settings.mint {
                MintSettings::Create(_) => Some(read_or_create(&state_dir.join("mint.json"))?),
                MintSettings::Address(_) => None,
            },
            payer,
            buffer_file,
        })
    }
}

/// The key of the program's address, if its file exists; it must be the address that the program was built for.
fn program_key(settings: &Settings, built_for: &Pubkey) -> Result<Option<Keypair>, Error> {
    let rebuild = "put its address into declare_id! in programs/tessera/src/lib.rs, then run scripts/build-program \
                   and scripts/build-idl and build this program again";
    if settings.cluster != Cluster::Localnet && parse(LOCALNET_KEY).is_ok_and(|key| key.pubkey() == *built_for) {
        return Err(Error::Forbidden(format!(
            "this is built for {built_for}, whose key is public (programs/tessera/localnet-keypair.json): \
             make a key of your own with solana-keygen, {rebuild}"
        )));
    }
    let path = &settings.program.keypair;
    if !path.exists() {
        return Ok(None);
    }
    let key = read(path)?;
    if key.pubkey() == *built_for {
        return Ok(Some(key));
    }
    let path = path.display();
    Err(Error::Conflict(format!("{path} is the key of {}, but this is built for {built_for}: {rebuild}", key.pubkey())))
}

fn parse(text: &str) -> Result<Keypair, String> {
    let bytes: Vec<u8> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Keypair::try_from(bytes.as_slice()).map_err(|e| e.to_string())
}

/// Reads a key file as the solana tools write it.
pub(crate) fn read(path: &Path) -> Result<Keypair, Error> {
    let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
    parse(&text).map_err(|reason| Error::Keypair { path: path.to_owned(), reason })
}

/// Reads a key file, or makes one that only its owner can read.
pub(crate) fn read_or_create(path: &Path) -> Result<Keypair, Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    }
    // Whole or not at all: a key that was used and then lost would cost what its account holds.
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let key = Keypair::new();
    let text = serde_json::json!(key.to_bytes().to_vec()).to_string();
    let created = match fs::exists(path).map_err(Error::file("read", path))? {
        true => false,
        false => {
            let file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
            written.map_err(Error::file("write", &partial))?;
            // Unlike a rename, a link never replaces the key that somebody else made meanwhile.
            let linked = fs::hard_link(&partial, path);
            let _ = fs::remove_file(&partial);
            match linked {
                Ok(()) => true,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
                Err(e) => return Err(Error::file("create", path)(e)),
            }
        }
    };
    if created { Ok(key) } else { read(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/key.json");
        let key = read_or_create(&path).unwrap();
        assert_eq!(read_or_create(&path).unwrap(), key);
        assert_eq!(read(&path).unwrap(), key);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.json");
        for text in ["", "[1,2,3]", "\"text\"", &format!("{:?}", [7; 64])] {
            fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(Error::Keypair { .. })), "{text}");
            assert!(matches!(read_or_create(&path), Err(Error::Keypair { .. })), "{text}");
        }
    }

    #[test]
    fn the_public_key_is_for_localnets_only() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("localnet.toml");
        let mut settings = Settings::load(&example).unwrap();
        let public = parse(LOCALNET_KEY).unwrap().pubkey();
        assert!(program_key(&settings, &public).unwrap().is_some());
        assert!(matches!(program_key(&settings, &Pubkey::new_unique()), Err(Error::Conflict(_))));
        settings.cluster = Cluster::Devnet;
        assert!(matches!(program_key(&settings, &public), Err(Error::Forbidden(_))));
        settings.program.keypair = "/none".into();
        assert!(program_key(&settings, &Pubkey::new_unique()).unwrap().is_none());
    }
}
