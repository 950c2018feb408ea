//! Asking NVML, which is loaded at run time: a machine without it has no readings.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use nvml_wrapper::{
    Nvml,
    bitmasks::event::EventTypes,
    enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor},
    enums::event::XidError,
    error::NvmlError,
    event::EventSet,
};
use tokio::sync::watch;

use super::{Reading, User};
use crate::device;

/// How often the GPUs are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Readings as they come, from a thread of their own: the driver may take its time. The thread ends with this value.
pub struct Sensors {
    readings: watch::Receiver<Arc<Vec<Reading>>>,
    /// Closed when this value goes.
    _stop: mpsc::Sender<()>,
}

impl Sensors {
    /// Starts to look.
    #[must_use]
    pub fn start() -> Self {
        let (to, readings) = watch::channel(Arc::default());
        let (stop, stopped) = mpsc::channel();
        std::thread::spawn(move || {
            let nvml = match Nvml::init() {
                Ok(nvml) => nvml,
                Err(error) => return tracing::info!(%error, "GPUs are not watched: NVML is not to be had"),
            };
            let mut events = subscribe(&nvml).inspect_err(|error| tracing::info!(%error, "no events of GPUs")).ok();
            loop {
                let xids = events.as_mut().map(collect).unwrap_or_default();
                match read(&nvml, &xids) {
                    Ok(readings) => drop(to.send(Arc::new(readings))),
                    Err(error) => tracing::debug!(%error, "cannot look at the GPUs"),
                }
                if stopped.recv_timeout(EVERY) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { readings, _stop: stop }
    }

    /// The newest readings; none where NVML is not to be had.
    #[must_use]
    pub fn latest(&self) -> Arc<Vec<Reading>> {
        self.readings.borrow().clone()
    }

    /// The newest readings, if they are newer than those that were taken last.
    pub fn take_new(&mut self) -> Option<Arc<Vec<Reading>>> {
        self.readings.has_changed().unwrap_or(false).then(|| self.readings.borrow_and_update().clone())
    }
}

/// Readings of this moment, or why there are none.
///
/// # Errors
/// If NVML is not to be had.
pub fn read_once() -> Result<Vec<Reading>, String> {
    let nvml = Nvml::init().map_err(|e| e.to_string())?;
    read(&nvml, &[]).map_err(|e| e.to_string())
}

fn subscribe(nvml: &Nvml) -> Result<EventSet<'_>, NvmlError> {
    let mut set = nvml.create_event_set()?;
    for number in 0..nvml.device_count()? {
        set =
            nvml.device_by_index(number)?.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|e| e.error)?;
    }
    Ok(set)
}

/// Errors that were reported meanwhile: which GPU, and the number.
fn collect(events: &mut EventSet<'_>) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    // A flood of events is the same news many times.
    while found.len() < 64
        && let Ok(event) = events.wait(1)
    {
        if let (Ok(uuid), Some(XidError::Value(xid))) = (event.device.uuid(), event.event_data) {
            found.push((uuid, xid));
        }
    }
    found
}

fn read(nvml: &Nvml, xids: &[(String, u64)]) -> Result<Vec<Reading>, NvmlError> {
    (0..nvml.device_count()?)
        .map(|number| {
            let gpu = nvml.device_by_index(number)?;
            let uuid = gpu.uuid()?;
            let users = |found: Result<Vec<nvml_wrapper::struct_wrappers::device::ProcessInfo>, NvmlError>,
                         computes| {
                found.unwrap_or_default().into_iter().map(move |process| User { pid: process.pid, computes })
            };
            let computing = users(gpu.running_compute_processes(), true);
            let drawing = users(gpu.running_graphics_processes(), false);
            Ok(Reading {
                name: gpu.name().unwrap_or_default(),
                celsius: gpu.temperature(TemperatureSensor::Gpu).ok(),
                watts: gpu.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
                busy: gpu.utilization_rates().ok().map(|rates| rates.gpu),
                memory: gpu.memory_info().ok().map(|memory| (memory.used, memory.total)),
                uncorrected: gpu.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile).ok(),
                xids: xids.iter().filter(|(of, _)| *of == uuid).map(|(_, xid)| *xid).collect(),
                users: computing.chain(drawing).collect(),
                // The same writing as elsewhere.
                id: device::read_id(&uuid).map_or(uuid, |uuid| device::id(&uuid)),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_has_names_and_ids() {
        match read_once() {
            Ok(readings) => assert!(readings.iter().all(|found| device::read_id(&found.id).is_ok()), "{readings:?}"),
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
