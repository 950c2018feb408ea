//! Faults on demand, for the end-to-end tests. Compiled in with the feature `fault-injection` only.
//!
//! `TESSERA_FAULT=flip-bit` flips one bit of every lease's outputs before they are hashed;
//! `TESSERA_FAULT=stop-after:{leased,executed,committed,revealed}` kills the worker once when it gets there.

#[cfg(feature = "fault-injection")]
mod injected {
    use std::path::Path;

    fn wanted() -> Option<String> {
        std::env::var("TESSERA_FAULT").ok()
    }

    /// Changes the first byte of a lease's outputs if that is wanted.
    pub fn flip(outputs: &mut [u8]) {
        if wanted().as_deref() == Some("flip-bit")
            && let Some(byte) = outputs.first_mut()
        {
            *byte ^= 1;
        }
    }

    /// Kills this process if it is to stop at `phase` and has not done so before; `directory` remembers.
    pub fn reached(phase: &str, directory: &Path) {
        let marker = directory.join(format!("stopped-after-{phase}"));
        if wanted().as_deref() != Some(&format!("stop-after:{phase}")) || marker.exists() {
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
}

#[cfg(not(feature = "fault-injection"))]
mod injected {
    /// Nothing in this build.
    pub const fn flip(_outputs: &mut [u8]) {}

    /// Nothing in this build.
    pub const fn reached(_phase: &str, _directory: &std::path::Path) {}
}

pub use injected::{flip, reached};
