//! What decides about audits, votes and turns, in the words of the shared rules.

use tessera_protocol::{
    audit::AuditParams,
    capability,
    chance::Chance,
    reputation::Reputation,
    routing::{Capabilities, Requirements, Standing, Threshold},
};

use crate::{Job, accounts, types};

impl From<types::AuditParams> for AuditParams {
    fn from(params: types::AuditParams) -> Self {
        Self {
            p_min_bps: params.p_min_bps,
            saving_bps: params.saving_bps,
            collusion_bps: params.collusion_bps,
            lock_multiple: params.lock_multiple,
            lead: params.lead,
            seat_limit: params.seat_limit,
            reserve_bps: params.reserve_bps,
            expiry_bond_bps: params.expiry_bond_bps,
            probation: params.probation,
        }
    }
}

impl From<AuditParams> for types::AuditParams {
    fn from(params: AuditParams) -> Self {
        Self {
            p_min_bps: params.p_min_bps,
            saving_bps: params.saving_bps,
            collusion_bps: params.collusion_bps,
            lock_multiple: params.lock_multiple,
            lead: params.lead,
            seat_limit: params.seat_limit,
            reserve_bps: params.reserve_bps,
            expiry_bond_bps: params.expiry_bond_bps,
            probation: params.probation,
        }
    }
}

impl accounts::Market {
    /// How results of jobs posted now are audited.
    #[must_use]
    pub fn audit_params(&self) -> AuditParams {
        self.params.audit.into()
    }
}

impl accounts::Provider {
    /// What is remembered of it.
    #[must_use]
    pub fn reputation(&self) -> Reputation {
        Reputation {
            consecutive: self.consecutive,
            faults: self.faults,
            expiries: self.expiries,
            success: self.success,
            failure: self.failure,
            at: self.reputation_at,
            fault_slot: self.fault_slot,
        }
    }

    /// What routing has to know of it at `now` (Unix seconds) beside its capabilities.
    #[must_use]
    pub fn standing(&self, now: i64) -> Standing {
        Standing {
            score: self.reputation().score(now),
            stake: self.stake,
            locked: self.locked,
            staked_slot: self.staked_slot,
        }
    }

    /// What it says of itself.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities { memory_mib: self.memory_mib, class: self.class, region: self.region }
    }

    /// What routing believes of it at `now` (Unix seconds) in a market whose proofs count for `proof_seconds`: of memory only what
    /// it has shown, see [`tessera_protocol::capability`].
    #[must_use]
    pub fn qualities(&self, proof_seconds: u32, now: i64) -> Capabilities {
        let Self { memory_mib: told, proven_mib, proven_at, .. } = *self;
        Capabilities {
            memory_mib: capability::memory_mib(told, proven_mib, proven_at, proof_seconds, now),
            ..self.capabilities()
        }
    }
}

impl Job {
    /// What it asks of a provider's machine.
    #[must_use]
    pub fn requirements(&self) -> Requirements {
        Requirements { memory_mib: self.memory_mib, class: self.class, regions: self.regions }
    }

    /// What it asks of a provider's standing.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        Threshold { score: Chance::from_units(self.min_score), stake: self.min_stake }
    }

    /// The audit parameters that it was posted with, as far as the chain keeps them: the others are in `deterring`.
    #[must_use]
    pub fn audit_params(&self) -> AuditParams {
        AuditParams {
            lock_multiple: self.lock_multiple,
            lead: self.lead,
            seat_limit: self.seat_limit,
            reserve_bps: self.reserve_bps,
            expiry_bond_bps: self.expiry_bond_bps,
            probation: self.probation,
            ..AuditParams::default()
        }
    }
}
