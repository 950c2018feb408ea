//! Whether GPUs may work now.

use std::collections::BTreeSet;

use super::Reading;
use crate::{
    config::{GpuSettings, PauseFor},
    hint,
};

/// A GPU that was too hot is cool enough so many degrees below the limit.
const COOLER: u32 = 5;
/// One that drew too much power draws little enough at this part of the limit.
const CALMER: f64 = 0.95;

/// Why nothing is claimed now.
#[derive(Clone, Debug, PartialEq)]
pub enum Pause {
    /// These are not the hours to work.
    Hours,
    /// A GPU is too hot: which, degrees, the limit.
    Hot(String, u32, u32),
    /// A GPU draws too much power: which, watts, the limit.
    Power(String, f64, u32),
    /// Somebody else uses a GPU: which, and the process.
    Used(String, u32),
    /// Every device is in quarantine.
    Quarantine,
    /// The disk is nearly full: MiB that are free, and that must be.
    Disk(u64, u64),
}

impl Pause {
    /// One word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Hot(..) => "heat",
            Self::Power(..) => "power",
            Self::Used(..) => "used",
            Self::Quarantine => "quarantine",
            Self::Disk(..) => "disk",
        }
    }

    /// All such words.
    pub const NAMES: [&'static str; 6] = ["hours", "heat", "power", "used", "quarantine", "disk"];
}

impl std::fmt::Display for Pause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hours => f.write_str("outside of work.hours"),
            Self::Hot(gpu, found, most) => write!(f, "{gpu} has {found} °C, gpu.max_celsius is {most}"),
            Self::Power(gpu, found, most) => write!(f, "{gpu} draws {found:.0} W, gpu.max_watts is {most}"),
            Self::Used(gpu, pid) => write!(f, "process {pid} uses {gpu}, see gpu.pause_for"),
            Self::Disk(free, wanted) => {
                write!(
                    f,
                    "{free} MiB are free on the disk of data.directory, of which {wanted} are kept for what is leased: make room"
                )
            }
            Self::Quarantine => {
                let (status, release) = (hint::command("status"), hint::command("release-device"));
                write!(f, "every device is in quarantine: {status} tells why, {release} has it tested again")
            }
        }
    }
}

/// Remembers what was too much, so that a limit is not crossed back and forth.
#[derive(Debug, Default)]
pub struct Guard {
    hot: BTreeSet<String>,
    strong: BTreeSet<String>,
}

impl Guard {
    /// What stands against working on the GPUs of `readings`; `own` are the worker's processes.
    pub fn look(&mut self, readings: &[Reading], settings: &GpuSettings, own: &[u32]) -> Vec<Pause> {
        let mut pauses = Vec::new();
        for reading in readings {
            let Reading { id, celsius, watts, users, .. } = reading;
            let limit = settings.max_celsius;
            let over =
                |celsius: u32| limit > 0 && celsius > limit - if self.hot.contains(id) { COOLER.min(limit) } else { 0 };
            match celsius.filter(|celsius| over(*celsius)) {
                Some(celsius) => {
                    self.hot.insert(id.clone());
                    pauses.push(Pause::Hot(id.clone(), celsius, limit));
                }
                None => drop(self.hot.remove(id)),
            }
            let limit = settings.max_watts;
            let part = if self.strong.contains(id) { CALMER } else { 1.0 };
            match watts.filter(|watts| limit > 0 && *watts > f64::from(limit) * part) {
                Some(watts) => {
                    self.strong.insert(id.clone());
                    pauses.push(Pause::Power(id.clone(), watts, limit));
                }
                None => drop(self.strong.remove(id)),
            }
            let disturbs = |computes: bool| match settings.pause_for {
                PauseFor::Nobody => false,
                PauseFor::Compute => computes,
                PauseFor::Anybody => true,
            };
            let other = users.iter().find(|user| disturbs(user.computes) && !own.contains(&user.pid));
            pauses.extend(other.map(|user| Pause::Used(id.clone(), user.pid)));
        }
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::User;

    fn gpu(celsius: u32, watts: f64) -> Reading {
        Reading { id: "a".into(), celsius: Some(celsius), watts: Some(watts), ..Reading::default() }
    }

    #[test]
    fn heat_and_power_have_to_fall_clearly() {
        let settings = GpuSettings { max_celsius: 80, max_watts: 300, ..GpuSettings::default() };
        let mut guard = Guard::default();
        let mut names = |celsius, watts| -> Vec<&str> {
            guard.look(&[gpu(celsius, watts)], &settings, &[]).iter().map(Pause::name).collect()
        };
        assert_eq!(names(80, 300.0), [""; 0]);
        assert_eq!(names(81, 301.0), ["heat", "power"]);
        assert_eq!(names(76, 290.0), ["heat", "power"]);
        assert_eq!(names(75, 285.0), [""; 0]);
        assert_eq!(names(79, 299.0), [""; 0]);
        let none = Guard::default().look(&[gpu(200, 9e3), Reading::default()], &GpuSettings::default(), &[]);
        assert_eq!(none, []);
    }

    #[test]
    fn others_on_the_gpu() {
        let user = |pid, computes| User { pid, computes };
        let reading = Reading { users: vec![user(7, true), user(8, false), user(9, true)], ..gpu(0, 0.0) };
        let pauses = |pause_for, own: &[u32]| {
            let settings = GpuSettings { pause_for, ..GpuSettings::default() };
            Guard::default().look(std::slice::from_ref(&reading), &settings, own)
        };
        assert_eq!(pauses(PauseFor::Nobody, &[]), []);
        assert_eq!(pauses(PauseFor::Compute, &[7]), [Pause::Used("a".into(), 9)]);
        assert_eq!(pauses(PauseFor::Compute, &[7, 9]), []);
        assert_eq!(pauses(PauseFor::Anybody, &[7, 9]), [Pause::Used("a".into(), 8)]);
    }
}
