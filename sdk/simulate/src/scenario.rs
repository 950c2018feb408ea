//! What is simulated: a market, its providers, and how the cheaters among them cheat.

use serde::Serialize;
use tessera_protocol::{audit::AuditParams, bonds};

/// What one replica of a lease pays, in base units.
pub const PAY: u64 = 1_000_000;
/// What computing a lease honestly costs a provider, in base units: 0.7 of the pay.
pub const COST: u64 = 700_000;
/// Units of a lease.
pub const UNITS: u32 = 100;
/// Part of a lease's fee that is burned: half of a fee of 5 %.
pub const FEE_BURNED: u64 = PAY / 40;
/// Milliseconds of a slot.
pub const SLOT: u64 = 400;
/// Slots for which the hash of a slot can be read.
pub const READABLE_SLOTS: u64 = 512;
/// Milliseconds in a second.
pub const SECOND: u64 = 1_000;
/// Mean time to compute a lease.
pub const COMPUTE: u64 = 60 * SECOND;
/// Time from claim to commit, and the window for revealing.
pub const WINDOW: u64 = 1_800 * SECOND;
/// Seconds in which a seat's opening doubles.
pub const STEP_SECONDS: u32 = 4;
/// Part of all providers' time that the work on offer fills. Low enough that the market keeps up while a third of it is out.
pub const UTILISATION: f64 = 0.4;
/// Locks that a provider's stake covers; as many give full weight.
pub const LOCKS: u64 = 16;
/// Time after which a slashed provider is back with new stake. Without a pause, providers that always cheat would fill the
/// market with disputes about themselves, as nothing here runs out of money.
pub const COMEBACK: u64 = 7_200 * SECOND;
/// Identities into which a Sybil splits one stake.
pub const IDENTITIES: u64 = 8;

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Computes everything.
    Honest,
    /// Computes everything, on a bad machine: crashes, 5 % packet loss, a clock up to 30 s off.
    Flaky,
    /// Guesses a share of the units of every lease.
    Lazy,
    /// Answers a share of the leases with noise.
    Random,
    /// Agrees on a wrong root beforehand, and answers it also as auditor of its friends.
    Colluding,
    /// Works honestly, and as auditor accuses honest providers; its friends vote along.
    Framing,
    /// Copies commitments and revealed roots where there are any.
    Copying,
    /// Answers with noise, and never reveals what has been drawn.
    Withholding,
    /// Colludes with itself through many small identities, and comes back with a new one after each slash.
    Sybil,
}

impl Strategy {
    /// Whether providers of this strategy never mean to cheat.
    #[must_use]
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::Flaky)
    }

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Flaky => "flaky",
            Self::Lazy => "lazy",
            Self::Random => "random",
            Self::Colluding => "colluding",
            Self::Framing => "framing",
            Self::Copying => "copying",
            Self::Withholding => "withholding",
            Self::Sybil => "sybil",
        }
    }
}

/// One population in one market.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The rules.
    pub audit: AuditParams,
    /// How the cheaters cheat.
    pub strategy: Strategy,
    /// Share of the market's stake that cheats.
    pub share: f64,
    /// How often they do: of units for [`Strategy::Lazy`], of seats for the others.
    pub rate: f64,
    /// Share of the market's stake that is honest on bad machines.
    pub flaky: f64,
    /// How often a bad machine crashes whenever it is to do something.
    pub crashes: f64,
    /// Most seconds until it is back.
    pub outage: u64,
    /// Stakes of full weight.
    pub providers: u32,
    /// Leases to be computed.
    pub leases: u32,
    /// Replicas of each.
    pub replicas: u8,
    /// Confirmed results that everybody starts with; also the cheaters, who may have been honest until now.
    pub history: u32,
    /// Every run with the same seed is the same.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            audit: AuditParams::default(),
            strategy: Strategy::Honest,
            share: 0.0,
            rate: 0.0,
            flaky: 0.1,
            crashes: 0.01,
            outage: 1_200,
            providers: 120,
            leases: 100_000,
            replicas: 1,
            history: 64,
            seed: 1,
        }
    }
}

impl Scenario {
    /// What one seat locks.
    #[must_use]
    pub fn lock(&self) -> u64 {
        bonds::lock(self.audit.lock_multiple, self.audit.expiry_bond_bps, PAY).expect("the simulated pay is small")
    }
}
