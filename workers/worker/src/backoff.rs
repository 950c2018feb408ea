//! Waiting longer after every failure, and never in step with others.

use std::time::Duration;

/// A factor between 0.75 and 1.25.
#[must_use]
pub fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    0.75 + f64::from(random) / f64::from(u32::MAX) / 2.0
}

/// How long to wait after `failures` failures in a row: from a second to a minute, each time a little different.
#[must_use]
pub fn after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(Duration::from_secs(60)).mul_f64(jitter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_bound() {
        for (failures, seconds) in [(0, 1.0), (1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)] {
            let ratio = after(failures).as_secs_f64() / seconds;
            assert!((0.74..1.26).contains(&ratio), "{failures}: {ratio}");
        }
    }
}
