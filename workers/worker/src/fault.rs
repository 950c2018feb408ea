//! Faults on demand, for the end-to-end tests.
//!
//! Nothing here acts unless a program calls [`install`] first. The worker itself never does; `faulty-worker` in the
//! tests is the same program with that one call in front.

mod plan;

use std::{path::Path, str::FromStr, sync::OnceLock};

use tessera_protocol::spec::JobSpec;

static INSTALLED: OnceLock<Fault> = OnceLock::new();

/// What to do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `flip-bit`: one bit of every lease's outputs is flipped before they are hashed.
    FlipBit,
    /// `random-output`: other random bytes every time, instead of what was computed.
    RandomOutput,
    /// `skip-steps`: what a unit repeats is done half as often.
    SkipSteps,
    /// `stale-weights`: the last of the changes that a job's weights have gone through is left out.
    StaleWeights,
    /// `copied-update`: all units deliver the output of unit 0.
    CopiedUpdate,
    /// `no-reveal`: what was committed is never revealed.
    NoReveal,
    /// `late-reveal`: it is revealed only once the window for that has passed.
    LateReveal,
    /// `withhold-output`: the sealed outputs are not put into the store, and no chunk of them is shown.
    WithholdOutput,
    /// `withhold-key`: the key to the sealed outputs is never shown.
    WithholdKey,
    /// `stop-after:PHASE`: the worker is killed when it first gets to `leased`, `executed`, `committed` or `revealed`.
    StopAfter(String),
}

/// The faults that are one word.
const NAMES: [(&str, Fault); 9] = [
    ("flip-bit", Fault::FlipBit),
    ("random-output", Fault::RandomOutput),
    ("skip-steps", Fault::SkipSteps),
    ("stale-weights", Fault::StaleWeights),
    ("copied-update", Fault::CopiedUpdate),
    ("no-reveal", Fault::NoReveal),
    ("late-reveal", Fault::LateReveal),
    ("withhold-output", Fault::WithholdOutput),
    ("withhold-key", Fault::WithholdKey),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, fault)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(fault.clone());
        }
        match text.split_once(':') {
            Some(("stop-after", phase @ ("leased" | "executed" | "committed" | "revealed"))) => {
                Ok(Self::StopAfter(phase.to_owned()))
            }
            _ => {
                let names = NAMES.map(|(name, _)| name).join(", ");
                Err(format!("expected {names} or stop-after:{{leased,executed,committed,revealed}}, found {text:?}"))
            }
        }
    }
}

/// Makes this process misbehave from now on. The first call counts.
pub fn install(fault: Fault) {
    let _ = INSTALLED.set(fault);
}

fn is(fault: &Fault) -> bool {
    INSTALLED.get() == Some(fault)
}

/// Spoils the first output of a lease if that is the fault.
pub(crate) fn spoil(output: &mut [u8]) {
    if is(&Fault::FlipBit)
        && let Some(byte) = output.first_mut()
    {
        *byte ^= 1;
    }
    if is(&Fault::RandomOutput)
        && let Err(e) = getrandom::fill(output)
    {
        tracing::error!(error = %e, "no random numbers, so the injected fault does not happen");
    }
}

/// The specification by which a job is computed: another one, still encoded, if that is the fault.
pub(crate) fn instead_of(encoded: Vec<u8>, spec: &JobSpec) -> Vec<u8> {
    let Some(cheat) = INSTALLED.get().and_then(|fault| plan::cheat(fault, spec)) else { return encoded };
    cheat.encode().unwrap_or_else(|e| {
        tracing::error!(error = %e, "no such specification, so the injected fault does not happen");
        encoded
    })
}

/// Whether a reveal that is asked for at `now` does not take place; `by`: end of the window.
pub(crate) fn keeps_silent(now: i64, by: i64) -> bool {
    is(&Fault::NoReveal) || (is(&Fault::LateReveal) && (by == 0 || now <= by))
}

/// Whether outputs do not get into the store, nor to whoever demands them.
pub(crate) fn withholds_output() -> bool {
    is(&Fault::WithholdOutput)
}

/// Whether the key is not shown.
pub(crate) fn withholds_key() -> bool {
    is(&Fault::WithholdKey)
}

/// Kills this process if the fault is to stop at `phase` and it has not done so before; `directory` remembers.
pub(crate) fn reached(phase: &str, directory: &Path) {
    let marker = directory.join(format!("stopped-after-{phase}"));
    if INSTALLED.get() != Some(&Fault::StopAfter(phase.to_owned())) || marker.exists() {
        return;
    }
    if let Err(e) = std::fs::write(&marker, "") {
        tracing::error!(error = %e, "cannot remember the injected fault, so it does not happen");
        return;
    }
    tracing::warn!(phase, "injected fault: killing this process");
    let own = std::process::id().to_string();
    let killed = std::process::Command::new("kill").args(["-KILL", &own]).status();
    tracing::error!(?killed, "still alive, aborting");
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named() {
        for (name, fault) in NAMES {
            assert_eq!(name.parse(), Ok(fault));
        }
        assert_eq!("stop-after:leased".parse(), Ok(Fault::StopAfter("leased".into())));
        assert!("stop-after:lunch".parse::<Fault>().is_err());
    }
}
