//! The parameters of a market, each named once: as a settings file has them, as the chain does, and for showing what differs.

use serde::Deserialize;
use tessera_protocol::{
    audit::{self, Bound},
    capability::PROOF_SECONDS,
    constants::{
        BPS, GRACE_SECONDS, MAX_FEE_BPS, MAX_OPEN_LEASES, RETURNS_SECONDS, REVEAL_SECONDS, STEP_SECONDS,
        UNSTAKE_SECONDS,
    },
};
use tessera_sdk::types::{AuditParams, MarketParams};

use crate::{Error, amount::base_units};

/// Declares the settings of a market and of its audits from one list of the parameters: those that are tokens stand in a
/// file as text, those of audits in a table of their own, where every one has a default.
macro_rules! parameters {
    (
        numbers { $($(#[doc = $number_doc:literal])+ $number:ident: $number_type:ty,)+ }
        tokens { $($(#[doc = $token_doc:literal])+ $token:ident,)+ }
        audit { $($(#[doc = $audit_doc:literal])+ $audit:ident: $audit_type:ty,)+ }
    ) => {
        /// The market's number and parameters.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct MarketSettings {
            /// Number of the market among those of its creator.
            #[serde(default)]
            pub id: u16,
            $($(#[doc = $number_doc])+ pub $number: $number_type,)+
            $($(#[doc = $token_doc])+ pub $token: String,)+
            /// How results are audited.
            #[serde(default)]
            pub audit: AuditSettings,
        }

        /// How results are audited; see `tessera_protocol::audit`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct AuditSettings {
            $($(#[doc = $audit_doc])+ pub $audit: $audit_type,)+
        }

        impl Default for AuditSettings {
            fn default() -> Self {
                let audit::AuditParams { $($audit),+ } = audit::AuditParams::default();
                Self { $($audit),+ }
            }
        }

        impl From<AuditSettings> for audit::AuditParams {
            fn from(settings: AuditSettings) -> Self {
                let AuditSettings { $($audit),+ } = settings;
                Self { $($audit),+ }
            }
        }

        impl MarketSettings {
            /// The parameters as the chain takes them; `decimals` are those of the market's mint.
            ///
            /// # Errors
            /// If an amount of tokens is none.
            pub fn params(&self, decimals: u8) -> Result<MarketParams, Error> {
                let AuditSettings { $($audit),+ } = self.audit;
                Ok(MarketParams {
                    $($number: self.$number,)+
                    $($token: base_units(&self.$token, decimals)?,)+
                    audit: AuditParams { $($audit),+ },
                })
            }
        }

        /// Name and value of every parameter, amounts in base units.
        #[must_use]
        pub fn fields(params: &MarketParams) -> Vec<(&'static str, u64)> {
            vec![
                $((stringify!($number), params.$number.into()),)+
                $((stringify!($token), params.$token),)+
                $((concat!("audit.", stringify!($audit)), params.audit.$audit.into()),)+
            ]
        }
    };
}

parameters! {
    numbers {
        /// Fee on top of what providers earn, in basis points.
        fee_bps: u16,
        /// The treasury's share of the fee, in basis points; the rest is burned.
        treasury_bps: u16,
        /// Most leases that a provider may hold at once.
        max_open_leases: u32,
        /// Wait between asking for stake back and taking it.
        unstake_seconds: u32,
        /// Window for revealing results, and again for opening them.
        reveal_seconds: u32,
        /// Time after a job's deadline during which only settlement happens.
        grace_seconds: u32,
        /// Seats that a provider may return for nothing within `returns_seconds`.
        free_returns: u32,
        /// Time in which all free returns come back.
        returns_seconds: u32,
        /// Time after which twice as many providers may take a seat.
        step_seconds: u32,
        /// Most device memory that a job may ask for, in MiB: what most of the stake has.
        max_memory_mib: u32,
        /// How long a proof of capability counts; 0: providers are believed what they say of their memory.
        proof_seconds: u32,
    }
    tokens {
        /// Stake, in tokens, below which a provider may not claim.
        min_stake,
        /// Stake, in tokens, that gives full weight in the routing of seats.
        stake_cap,
        /// Burned fee, in tokens, that earns a result the whole credit for its provider's reputation.
        credit_fee,
        /// Bond, in tokens, for which a client may demand a chunk of outputs.
        demand_bond,
    }
    audit {
        /// Least chance of an audit, in basis points.
        p_min_bps: u16,
        /// What cheating saves, in basis points of the pay.
        saving_bps: u16,
        /// Share of the market's stake that is assumed to collude, in basis points.
        collusion_bps: u16,
        /// Stake that a seat locks, in multiples of its pay.
        lock_multiple: u16,
        /// Votes by which a root must lead in a dispute.
        lead: u8,
        /// Most seats of a lease that may count in a dispute.
        seat_limit: u8,
        /// Chance, in basis points, up to which a job's reserve pays an audit.
        reserve_bps: u16,
        /// Bond that a late seat burns, in basis points of its pay.
        expiry_bond_bps: u16,
        /// Results to be confirmed before the chance of an audit falls below one; 0: the history does not count.
        probation: u16,
    }
}

/// The settings for nodes of one's own: those of `migrations/localnet.toml`, which says why.
const LOCALNET: &str = include_str!("../localnet.toml");

impl MarketSettings {
    /// The settings of markets on nodes of one's own.
    ///
    /// # Errors
    /// If the file that holds them is broken, which a test rules out.
    pub fn localnet() -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            market: MarketSettings,
        }
        let broken = |e: toml::de::Error| Error::Value(format!("the settings for a localnet are broken: {e}"));
        toml::from_str::<File>(LOCALNET).map(|file| file.market).map_err(broken)
    }

    /// Checks every parameter against the bounds that the program enforces.
    ///
    /// # Errors
    /// Names the first that is out of bounds.
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            ("fee_bps", u64::from(self.fee_bps), 0, u64::from(MAX_FEE_BPS)),
            ("treasury_bps", u64::from(self.treasury_bps), 0, BPS),
            ("max_open_leases", u64::from(self.max_open_leases), 1, u64::from(MAX_OPEN_LEASES)),
            bounded("unstake_seconds", self.unstake_seconds, UNSTAKE_SECONDS),
            bounded("reveal_seconds", self.reveal_seconds, REVEAL_SECONDS),
            bounded("grace_seconds", self.grace_seconds, GRACE_SECONDS),
            bounded("returns_seconds", self.returns_seconds, RETURNS_SECONDS),
            bounded("step_seconds", self.step_seconds, STEP_SECONDS),
        ];
        let proofs =
            Some(bounded("proof_seconds", self.proof_seconds, PROOF_SECONDS)).filter(|_| self.proof_seconds != 0);
        for (name, value, low, high) in bounds.into_iter().chain(proofs) {
            if !(low..=high).contains(&value) {
                return Err(Error::Value(format!("market.{name} is {value}, expected {low} to {high}")));
            }
        }
        check_audits(&self.audit.into()).map_err(|text| Error::Value(format!("market.audit.{text}")))
    }
}

fn bounded(name: &'static str, value: u32, (low, high): (u32, u32)) -> (&'static str, u64, u64, u64) {
    (name, value.into(), low.into(), high.into())
}

/// Checks audit parameters against the bounds that the program enforces.
///
/// # Errors
/// Names the first that is out of bounds, and what is expected of it.
pub fn check_audits(params: &audit::AuditParams) -> Result<(), String> {
    let Err(bound) = params.check() else { return Ok(()) };
    let wrong = |name: &str, value: u16, expected: &str| Err(format!("{name} is {value}, expected {expected}"));
    match bound {
        Bound::LeastChance => wrong("p_min_bps", params.p_min_bps, "1 to 10000"),
        Bound::Saving => wrong("saving_bps", params.saving_bps, "1 to 10000"),
        Bound::Collusion => wrong("collusion_bps", params.collusion_bps, "0 to 4500"),
        Bound::LockMultiple => wrong("lock_multiple", params.lock_multiple, "8 to 10000, and more than lead + 1"),
        Bound::Lead => wrong("lead", params.lead.into(), "1 to 32"),
        Bound::SeatLimit => wrong("seat_limit", params.seat_limit.into(), "3 to 96, and at least twice the lead"),
        Bound::Reserve => wrong("reserve_bps", params.reserve_bps, "1 to 5000, and at least p_min_bps"),
        Bound::ExpiryBond => wrong("expiry_bond_bps", params.expiry_bond_bps, "1 to 10000"),
        Bound::Probation => wrong("probation", params.probation, "0 to 1000"),
        Bound::Deterrence => {
            let expected = "so much that an audit deters: raise it, or lower saving_bps, collusion_bps or lead";
            wrong("lock_multiple", params.lock_multiple, expected)
        }
    }
}

/// A market's parameters, which are equal if every field is.
#[derive(Clone, Copy, Debug)]
pub struct Params(pub MarketParams);

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        fields(&self.0) == fields(&other.0)
    }
}

impl Eq for Params {}

impl Params {
    /// What has to change to make these the other ones: name, value now, value then.
    #[must_use]
    pub fn changes(&self, then: &Self) -> Vec<(&'static str, u64, u64)> {
        let pairs = fields(&self.0).into_iter().zip(fields(&then.0));
        pairs.filter(|(now, then)| now != then).map(|((name, now), (_, then))| (name, now, then)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_their_names_and_values() {
        let settings = MarketSettings::localnet().unwrap();
        settings.check().unwrap();
        let params = settings.params(8).unwrap();
        let fields = fields(&params);
        let value = |name: &str| fields.iter().find(|(field, _)| *field == name).unwrap().1;
        assert_eq!(value("fee_bps"), u64::from(settings.fee_bps));
        assert_eq!(value("min_stake"), base_units(&settings.min_stake, 8).unwrap());
        assert_eq!(value("audit.lead"), u64::from(settings.audit.lead));
        // Every field of the account is among them.
        let mut other = params;
        (other.step_seconds, other.audit.probation) = (other.step_seconds + 1, other.audit.probation + 1);
        let changes: Vec<_> = Params(params).changes(&Params(other)).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(changes, ["step_seconds", "audit.probation"]);
        assert!(Params(params) != Params(other) && Params(params) == Params(params));
    }

    #[test]
    fn each_bound_of_audits_has_words() {
        let good = audit::AuditParams::default();
        check_audits(&good).unwrap();
        for (wrong, name) in [
            (audit::AuditParams { p_min_bps: 0, ..good }, "p_min_bps is 0"),
            (audit::AuditParams { collusion_bps: 4_501, ..good }, "collusion_bps"),
            (audit::AuditParams { lead: 0, ..good }, "lead is 0"),
            (audit::AuditParams { lock_multiple: 17, ..good }, "lock_multiple is 17"),
            (audit::AuditParams { seat_limit: 31, ..good }, "seat_limit"),
            (audit::AuditParams { reserve_bps: 99, ..good }, "reserve_bps"),
            (audit::AuditParams { probation: 1_001, ..good }, "probation"),
            (audit::AuditParams { lock_multiple: 18, collusion_bps: 4_500, ..good }, "deters"),
        ] {
            let text = check_audits(&wrong).unwrap_err();
            assert!(text.contains(name), "{text}");
        }
    }
}
