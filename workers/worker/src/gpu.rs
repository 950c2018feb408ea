//! What NVIDIA's management library (NVML) says about GPUs: heat, power, errors, and who uses them.

mod guard;
mod sensors;

pub use guard::{Guard, Pause};
pub use sensors::{Sensors, read_once};

/// A process on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its process id.
    pub pid: u32,
    /// Whether it computes; others draw.
    pub computes: bool,
}

/// A GPU at one moment. What the library does not tell is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// As [`crate::device::id`].
    pub id: String,
    /// Its name.
    pub name: String,
    /// Degrees Celsius.
    pub celsius: Option<u32>,
    /// Power in watts.
    pub watts: Option<f64>,
    /// Percent of the time in which it did anything.
    pub busy: Option<u32>,
    /// Bytes of memory in use, and all.
    pub memory: Option<(u64, u64)>,
    /// Errors of its memory that could not be corrected, since the driver was loaded.
    pub uncorrected: Option<u64>,
    /// Errors that the driver has reported since the last reading (NVIDIA's "Xid" numbers).
    pub xids: Vec<u64>,
    /// Who uses it.
    pub users: Vec<User>,
}

/// Driver errors that speak of broken hardware. Others (13, 31, 43, 45) are what a faulty kernel leaves.
const OF_HARDWARE: [u64; 12] = [48, 54, 62, 64, 74, 79, 92, 94, 95, 119, 120, 140];

impl Reading {
    /// What of it speaks against the GPU, `before` being an earlier reading.
    #[must_use]
    pub fn accuses(&self, before: Option<&Self>) -> Option<String> {
        if let Some(xid) = self.xids.iter().find(|xid| OF_HARDWARE.contains(xid)) {
            return Some(format!("the driver has reported Xid {xid}"));
        }
        let (now, then) = (self.uncorrected?, before?.uncorrected?);
        (now > then).then(|| format!("{} errors of its memory could not be corrected", now - then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_is_accused_by_its_errors() {
        let calm = Reading { uncorrected: Some(3), ..Reading::default() };
        assert_eq!(calm.accuses(None), None);
        assert_eq!(calm.accuses(Some(&calm)), None);
        let worse = Reading { uncorrected: Some(5), ..Reading::default() };
        assert!(worse.accuses(Some(&calm)).unwrap().starts_with("2 errors"));
        // A driver that was loaded anew counts from zero.
        assert_eq!(calm.accuses(Some(&worse)), None);
        let xid = |number| Reading { xids: vec![number], ..calm.clone() };
        assert_eq!(xid(31).accuses(Some(&calm)), None);
        assert!(xid(79).accuses(None).unwrap().contains("Xid 79"));
    }
}
