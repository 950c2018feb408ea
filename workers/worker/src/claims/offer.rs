//! Which jobs a worker takes.

use tessera_protocol::{
    constants::MAX_JUROR_CHALLENGE_SECONDS,
    outputs::Layout,
    payout,
    routing::{Capabilities, Requirements},
    spec::JobSpec,
};

/// What a worker takes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Lowest price of a unit.
    pub min_price_per_unit: u64,
    /// Most that a seat locks, in pays.
    pub max_lock_multiple: u16,
    /// Most votes by which a root has to lead in a dispute.
    pub max_lead: u8,
    /// Longest time for demands, before which outputs are not paid.
    pub max_challenge_seconds: u32,
    /// Most bytes of one lease's outputs.
    pub max_output: u64,
    /// Most bytes of one job's module and inputs.
    pub max_input: u64,
    /// Regions of which a job must name one, a bit each; 0: jobs of all regions are taken.
    pub regions: u64,
    /// What counts of what this provider announced.
    pub has: Capabilities,
    /// Device memory that there is, in MiB, shown or not.
    pub memory_mib: u32,
}

/// What a job offers and asks.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// What one unit pays.
    pub price_per_unit: u64,
    /// Units of all leases but the last.
    pub units_per_lease: u32,
    /// All units.
    pub units: u64,
    /// What it asks of providers.
    pub asks: Requirements,
    /// What a seat locks, in pays.
    pub lock_multiple: u16,
    /// Votes by which a root has to lead in a dispute.
    pub lead: u8,
    /// Time for demands, before which outputs are not paid.
    pub challenge_seconds: u32,
}

impl Terms {
    /// Checks an offer for those replicas that the client asks for.
    ///
    /// # Errors
    /// With the reason why this worker leaves it to others.
    pub fn check(&self, offer: &Offer) -> Result<(), String> {
        if !offer.asks.met_by(&self.has) {
            return Err(format!("asks for {:?}, of this provider counts {:?}", offer.asks, self.has));
        }
        if self.regions != 0 && offer.asks.regions & self.regions == 0 {
            return Err("names none of the regions in work.regions".into());
        }
        self.check_time(offer.challenge_seconds)?;
        self.check_call(offer)
    }

    fn check_time(&self, seconds: u32) -> Result<(), String> {
        if seconds > self.max_challenge_seconds {
            return Err(format!(
                "pays {seconds} s after its outputs are opened, work.max_challenge_seconds is {}",
                self.max_challenge_seconds
            ));
        }
        Ok(())
    }

    /// Checks an offer for audit and dispute seats: class and region do not count for those, only what the work needs.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_call(&self, offer: &Offer) -> Result<(), String> {
        if offer.price_per_unit < self.min_price_per_unit {
            return Err(format!(
                "pays {} for a unit, work.min_price_per_unit is {}",
                offer.price_per_unit, self.min_price_per_unit
            ));
        }
        if offer.lock_multiple > self.max_lock_multiple {
            return Err(format!(
                "a seat locks {} times its pay, work.max_lock_multiple is {}",
                offer.lock_multiple, self.max_lock_multiple
            ));
        }
        if offer.lead > self.max_lead {
            return Err(format!(
                "disputes are decided by a lead of {}, work.max_lead is {}",
                offer.lead, self.max_lead
            ));
        }
        self.check_time(offer.challenge_seconds.min(MAX_JUROR_CHALLENGE_SECONDS))?;
        if offer.asks.memory_mib > self.has.memory_mib {
            return Err(format!("asks for {:?}, of this provider counts {:?}", offer.asks, self.has));
        }
        if payout::lease_pay(offer.price_per_unit, offer.units_per_lease).is_none() {
            return Err("pays more than a number can hold".into());
        }
        Ok(())
    }

    /// Checks a specification against its offer.
    ///
    /// # Errors
    /// With the reason why this worker leaves it to others.
    pub fn check_spec(&self, spec: &JobSpec, offer: &Offer) -> Result<(), String> {
        if spec.units != offer.units {
            return Err(format!("the job has {} units, its specification {}", offer.units, spec.units));
        }
        let units = u64::from(offer.units_per_lease).min(offer.units);
        let layout = Layout { units: u32::try_from(units).unwrap_or(u32::MAX), output_len: spec.output_len() };
        // With what fills up the last chunk of every unit.
        let output = layout.len().unwrap_or(u64::MAX);
        if output > self.max_output {
            return Err(format!(
                "a lease has {output} bytes of outputs, work.max_output_mib allows {}",
                self.max_output
            ));
        }
        let input = spec.inputs.iter().fold(0u64, |sum, input| sum.saturating_add(input.len));
        if input > self.max_input {
            return Err(format!("the job has {input} bytes of inputs, work.max_input_mib allows {}", self.max_input));
        }
        let memory = spec.device_memory();
        if memory > u64::from(self.memory_mib) << 20 {
            return Err(format!(
                "a unit needs {memory} bytes of device memory, this provider announced {} MiB",
                self.memory_mib
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAS: Capabilities = Capabilities { memory_mib: 1024, class: 80, region: 0 };

    const OFFER: Offer = Offer {
        price_per_unit: 5,
        units_per_lease: 4,
        units: 40,
        asks: Requirements { memory_mib: 0, class: 0, regions: 0 },
        lock_multiple: 117,
        lead: 16,
        challenge_seconds: 600,
    };

    fn terms() -> Terms {
        Terms {
            min_price_per_unit: 5,
            max_lock_multiple: 117,
            max_lead: 16,
            max_challenge_seconds: 600,
            max_output: 4 << 10,
            max_input: 10,
            regions: 0,
            has: HAS,
            memory_mib: HAS.memory_mib,
        }
    }

    #[test]
    fn terms_of_trust_are_checked() {
        let refused = |offer: Offer, what: &str| {
            let [base, call] = [terms().check(&offer), terms().check_call(&offer)].map(Result::unwrap_err);
            assert!(base.contains(what) && call.contains(what), "{base}; {call}");
        };
        refused(Offer { lock_multiple: 118, ..OFFER }, "118 times its pay, work.max_lock_multiple is 117");
        refused(Offer { lead: 17, ..OFFER }, "a lead of 17, work.max_lead is 16");
        refused(Offer { challenge_seconds: 601, ..OFFER }, "pays 601 s after");
        // Auditors and jurors wait an hour at most.
        let days = Offer { challenge_seconds: 200_000, ..OFFER };
        let patient = Terms { max_challenge_seconds: 3_600, ..terms() };
        assert!(patient.check(&days).unwrap_err().contains("200000"));
        patient.check_call(&days).unwrap();
    }

    #[test]
    fn terms_are_checked() {
        let (terms, offer) = (terms(), OFFER);
        terms.check(&offer).unwrap();
        assert!(terms.check(&Offer { price_per_unit: 4, ..offer }).unwrap_err().contains("min_price"));
        assert!(terms.check(&Offer { price_per_unit: u64::MAX, ..offer }).unwrap_err().contains("more than"));
        let asks = Requirements { memory_mib: 4096, ..Requirements::default() };
        assert!(terms.check(&Offer { asks, ..offer }).unwrap_err().contains("4096"));
        assert!(terms.check_call(&Offer { asks, ..offer }).unwrap_err().contains("4096"));
        let asks = Requirements { class: 90, ..Requirements::default() };
        assert!(terms.check(&Offer { asks, ..offer }).is_err());
        terms.check_call(&Offer { asks, ..offer }).unwrap();
        // Audits and disputes are of no region.
        let picky = Terms { regions: 1 << 3 | 1 << 5, has: Capabilities { region: 3, ..HAS }, ..terms };
        let of = |regions| Offer { asks: Requirements { regions, ..Requirements::default() }, ..offer };
        picky.check(&of(1 << 3)).unwrap();
        assert!(picky.check(&of(0)).unwrap_err().contains("work.regions"));
        picky.check_call(&of(0)).unwrap();
    }

    #[test]
    fn specifications_are_checked() {
        use tessera_protocol::{
            cid::Cid,
            spec::{Buffer, BufferInit, FrontEnd, Input, JobSpec, LaunchPlan, SPEC_VERSION, Visibility},
        };
        let buffer = |len| Buffer { len, init: BufferInit::Zero };
        let spec = JobSpec {
            version: SPEC_VERSION,
            module: Cid::of(b"m"),
            inputs: vec![Input { name: "a".into(), cid: Cid::of(b"a"), len: 10 }],
            plan: LaunchPlan { buffers: vec![buffer(25)], launches: vec![], repeats: vec![], output: 0 },
            units: 40,
            unit_gas: 0,
            visibility: Visibility::Public,
            front_end: FrontEnd::default(),
        };
        let (terms, offer) = (terms(), OFFER);
        terms.check_spec(&spec, &offer).unwrap();
        // Memory that was not shown is there all the same, for jobs that ask for none.
        let unproven = Terms { has: Capabilities { memory_mib: 0, ..HAS }, ..terms };
        unproven.check(&offer).and_then(|()| unproven.check_spec(&spec, &offer)).unwrap();
        let asks = Requirements { memory_mib: 1, ..offer.asks };
        assert!(unproven.check(&Offer { asks, ..offer }).unwrap_err().contains("memory_mib: 0"));
        assert!(terms.check_spec(&spec, &Offer { units: 41, ..offer }).unwrap_err().contains("41"));
        assert!(terms.check_spec(&spec, &Offer { units_per_lease: 5, ..offer }).unwrap_err().contains("5120"));
        let mut other = spec.clone();
        other.inputs[0].len = 11;
        assert!(terms.check_spec(&other, &offer).unwrap_err().contains("11"));
        other = spec;
        other.plan.buffers.push(buffer(1 << 30));
        assert!(terms.check_spec(&other, &offer).unwrap_err().contains("device memory"));
    }
}
