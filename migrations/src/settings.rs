//! What a cluster should look like, from one settings file.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};
use solana_pubkey::Pubkey;

use crate::{Error, params::MarketSettings};

/// Which cluster the settings are for. The genesis hash of the one that answers must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cluster {
    /// A node of one's own.
    Localnet,
    /// Solana's devnet.
    Devnet,
    /// Solana's mainnet-beta.
    Mainnet,
}

impl Cluster {
    /// The cluster's genesis hash; `None`: any but those of the others.
    const fn genesis(self) -> Option<&'static str> {
        match self {
            Self::Localnet => None,
            Self::Devnet => Some("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"),
            Self::Mainnet => Some("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"),
        }
    }

    /// Checks that the cluster which answered is the one that was meant.
    ///
    /// # Errors
    /// If it is another one.
    pub fn check_genesis(self, found: &str) -> Result<(), Error> {
        let public = [Self::Devnet, Self::Mainnet].into_iter().find(|cluster| cluster.genesis() == Some(found));
        let right = self.genesis().map_or(public.is_none(), |expected| expected == found);
        let name = public.map_or_else(|| "another cluster".to_owned(), |cluster| cluster.to_string());
        let wrong = || format!("the settings are for {self}, but {name} answers (genesis {found}): check `url`");
        right.then_some(()).ok_or_else(|| Error::Forbidden(wrong()))
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Localnet => "localnet",
            Self::Devnet => "devnet",
            Self::Mainnet => "mainnet",
        })
    }
}

/// What a cluster should look like. Paths may begin with `~/`; others are taken from the folder of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which cluster this is about.
    pub cluster: Cluster,
    /// Its JSON-RPC endpoint.
    pub url: String,
    /// Key file of the wallet that pays for everything. On a localnet it is made if there is none.
    pub payer: PathBuf,
    /// Key file of the only key that may upgrade the program; by default the payer's.
    pub upgrade_authority: Option<PathBuf>,
    /// Key file of the market's creator, who may change its parameters; by default the payer's.
    pub market_authority: Option<PathBuf>,
    /// Micro-lamports that are paid per compute unit on top of the base fee.
    #[serde(default)]
    pub priority_fee: u64,
    /// Folder for what has to be remembered between runs; by default one below `~/.local/state/tessera`.
    pub state_dir: Option<PathBuf>,
    /// The program.
    pub program: ProgramSettings,
    /// The token that is paid with.
    pub mint: MintSettings,
    /// The market.
    pub market: MarketSettings,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSettings {
    /// Key file of the program's address; needed only until the program has been deployed once.
    pub keypair: PathBuf,
    /// The program as built by scripts/build-program.
    pub binary: PathBuf,
}

/// The token that is paid with: a mint of the classic SPL Token program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MintSettings {
    /// One that exists.
    #[serde(deserialize_with = "pubkey")]
    Address(Pubkey),
    /// One of the payer's own, for trying things. Refused on mainnet.
    Create(CreateMint),
}

/// A mint of the payer's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateMint {
    /// Digits after the point.
    pub decimals: u8,
    /// Tokens that the payer mints to itself at once.
    pub supply: String,
}

impl Settings {
    /// Reads a settings file and checks what can be checked without a cluster.
    ///
    /// # Errors
    /// If the file cannot be read, is not as described here, or has a value out of bounds.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
        let in_file = |reason: String| Error::Settings { path: path.to_owned(), reason };
        let mut settings: Self = toml::from_str(&text).map_err(|e| in_file(e.to_string().trim_end().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in settings.paths() {
            *file = resolve(folder, file).map_err(in_file)?;
        }
        settings.validate().map_err(|e| in_file(e.to_string()))?;
        Ok(settings)
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let optional = [&mut self.upgrade_authority, &mut self.market_authority, &mut self.state_dir];
        let required = [&mut self.payer, &mut self.program.keypair, &mut self.program.binary];
        optional.into_iter().flatten().chain(required)
    }

    /// Checks bounds and combinations.
    ///
    /// # Errors
    /// Names the first value that is out of bounds.
    pub fn validate(&self) -> Result<(), Error> {
        if self.cluster == Cluster::Mainnet && matches!(self.mint, MintSettings::Create(_)) {
            return Err(Error::Forbidden("a mint of one's own is not created on mainnet: set mint.address".into()));
        }
        if let MintSettings::Create(mint) = &self.mint {
            crate::amount::base_units(&mint.supply, mint.decimals)?;
        }
        self.market.check()
    }
}

fn resolve(folder: &Path, path: &Path) -> Result<PathBuf, String> {
    let Ok(rest) = path.strip_prefix("~") else { return Ok(folder.join(path)) };
    let home = std::env::home_dir().ok_or("a path begins with ~, but there is no home directory")?;
    Ok(home.join(rest))
}

fn pubkey<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pubkey, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|e| de::Error::custom(format!("{text:?} is not an address: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::AuditSettings;

    const SAMPLE: &str = r#"
cluster = "localnet"
url = "http://127.0.0.1:8899"
payer = "~/id.json"
[program]
keypair = "program.json"
binary = "/abs/tessera.so"
[mint.create]
decimals = 8
supply = "1000"
[market]
fee_bps = 100
treasury_bps = 5000
min_stake = "2.5"
max_open_leases = 8
unstake_seconds = 60
reveal_seconds = 60
grace_seconds = 60
free_returns = 10
returns_seconds = 3600
step_seconds = 10
stake_cap = "1000"
credit_fee = "0.1"
demand_bond = "0.1"
max_memory_mib = 24576
proof_seconds = 604800
[market.audit]
probation = 5
"#;

    fn load(text: &str) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.toml");
        fs::write(&path, text).unwrap();
        Settings::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn paths_are_resolved() {
        let settings = load(SAMPLE).unwrap();
        assert_eq!(settings.payer, std::env::home_dir().unwrap().join("id.json"));
        assert!(settings.program.keypair.is_absolute() && settings.program.keypair.ends_with("program.json"));
        assert_eq!(settings.program.binary, Path::new("/abs/tessera.so"));
        assert_eq!((settings.market.id, settings.priority_fee), (0, 0));
        let audit = AuditSettings { probation: 5, ..AuditSettings::default() };
        assert_eq!(settings.market.audit, audit, "what is not given is as the rules have it");
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, expected) in [
            ("localnet", "moonnet", "moonnet"),
            ("fee_bps = 100", "fee_bps = 1001", "market.fee_bps is 1001, expected 0 to 1000"),
            ("treasury_bps = 5000", "treasury_bps = 10001", "market.treasury_bps"),
            ("max_open_leases = 8", "max_open_leases = 0", "market.max_open_leases is 0"),
            ("unstake_seconds = 60", "unstake_seconds = 9", "market.unstake_seconds is 9, expected 10 to"),
            ("reveal_seconds = 60", "reveal_seconds = 86401", "market.reveal_seconds"),
            ("grace_seconds = 60", "grace_seconds = 1", "market.grace_seconds"),
            ("grace_seconds = 60", "grace_second = 60", "grace_second"),
            ("step_seconds = 10", "step_seconds = 0", "market.step_seconds is 0"),
            ("proof_seconds = 604800", "proof_seconds = 59", "market.proof_seconds is 59"),
            ("probation = 5", "probation = 1001", "market.audit.probation is 1001"),
            ("probation = 5", "lock_multiple = 17", "market.audit.lock_multiple is 17"),
            ("probation = 5", "patience = 5", "patience"),
            ("supply = \"1000\"", "supply = \"0.000000001\"", "8 decimals"),
            ("[mint.create]\ndecimals = 8\nsupply = \"1000\"", "[mint]\naddress = \"xyz\"", "not an address"),
            ("\"localnet\"", "\"mainnet\"", "not created on mainnet"),
        ] {
            let text = SAMPLE.replacen(from, to, 1);
            assert_ne!(text, SAMPLE);
            let error = load(&text).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
            assert!(error.contains("settings.toml"), "{error}");
        }
    }

    #[test]
    fn the_examples_are_valid() {
        for (file, cluster) in
            [("localnet.toml", Cluster::Localnet), ("devnet.toml", Cluster::Devnet), ("mainnet.toml", Cluster::Mainnet)]
        {
            let settings = Settings::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
            assert_eq!(settings.cluster, cluster);
        }
    }

    #[test]
    fn the_wrong_cluster_is_refused() {
        let (devnet, mainnet) = (Cluster::Devnet.genesis().unwrap(), Cluster::Mainnet.genesis().unwrap());
        Cluster::Devnet.check_genesis(devnet).unwrap();
        Cluster::Localnet.check_genesis("anything").unwrap();
        for (cluster, found) in [
            (Cluster::Localnet, mainnet),
            (Cluster::Localnet, devnet),
            (Cluster::Devnet, mainnet),
            (Cluster::Mainnet, "anything"),
        ] {
            assert!(matches!(cluster.check_genesis(found), Err(Error::Forbidden(_))), "{cluster} {found}");
        }
    }
}
