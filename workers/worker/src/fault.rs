//! Faults on demand, for the end-to-end tests.
//!
//! Nothing here acts unless a program calls [`install`] first. The worker itself never does; `faulty-worker` in the
//! tests is the same program with that one call in front.

use std::{path::Path, str::FromStr, sync::OnceLock};

static INSTALLED: OnceLock<Fault> = OnceLock::new();

/// What to do wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `flip-bit`: one bit of every lease's outputs is flipped before they are hashed.
    FlipBit,
    /// `stop-after:PHASE`: the worker is killed when it first gets to `leased`, `executed`, `committed` or `revealed`.
    StopAfter(String),
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "flip-bit" => Ok(Self::FlipBit),
            Some(("stop-after", phase @ ("leased" | "executed" | "committed" | "revealed"))) => {
                Ok(Self::StopAfter(phase.to_owned()))
            }
            _ => Err(format!("expected flip-bit or stop-after:{{leased,executed,committed,revealed}}, found {text:?}")),
        }
    }
}

/// Makes this process misbehave from now on. The first call counts.
pub fn install(fault: Fault) {
    let _ = INSTALLED.set(fault);
}

/// Flips a bit of a lease's outputs if that is the fault.
pub(crate) fn flip(outputs: &mut [u8]) {
    if INSTALLED.get() == Some(&Fault::FlipBit)
        && let Some(byte) = outputs.first_mut()
    {
        *byte ^= 1;
    }
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
        assert_eq!("flip-bit".parse(), Ok(Fault::FlipBit));
        assert_eq!("stop-after:leased".parse(), Ok(Fault::StopAfter("leased".into())));
        assert!("stop-after:lunch".parse::<Fault>().is_err());
    }
}
