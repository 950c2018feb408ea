//! What processes take of the machine.

use std::{collections::HashMap, fs, path::Path};

use procfs_core::{
    FromRead as _,
    process::{Stat, Status},
};

/// What a second is in the times of processes: Linux promises this to all programs.
const TICKS: f64 = 100.0;

/// What a process and all that it has started take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of processor time since they started.
    pub cpu: f64,
    /// Bytes in memory.
    pub memory: u64,
    /// Open files and connections.
    pub handles: u64,
    pub threads: u64,
}

impl Usage {
    /// Of process `id`, and unless it is looked at `alone`, of its descendants.
    pub fn of(id: u32, alone: bool) -> Self {
        let mut sum = Self::default();
        let children = children();
        let mut todo = vec![id.cast_signed()];
        while let Some(id) = todo.pop() {
            let dir = Path::new("/proc").join(id.to_string());
            // One that ended meanwhile takes nothing.
            let (Ok(stat), Ok(status)) = (Stat::from_file(dir.join("stat")), Status::from_file(dir.join("status")))
            else {
                continue;
            };
            sum.cpu += (stat.utime + stat.stime) as f64 / TICKS;
            sum.memory += status.vmrss.unwrap_or(0) << 10;
            sum.threads += status.threads;
            sum.handles += fs::read_dir(dir.join("fd")).map_or(0, |entries| entries.count() as u64);
            if !alone {
                todo.extend(children.get(&id).into_iter().flatten().map(|child| child.pid));
            }
        }
        sum
    }
}

/// All processes by the one that has started them.
fn children() -> HashMap<i32, Vec<Stat>> {
    let mut children: HashMap<i32, Vec<Stat>> = HashMap::new();
    for entry in fs::read_dir("/proc").expect("Linux").filter_map(Result::ok) {
        if let Ok(stat) = Stat::from_file(entry.path().join("stat")) {
            children.entry(stat.ppid).or_default().push(stat);
        }
    }
    children
}

/// The first process of that name among the descendants of process `id`.
pub fn descendant(id: u32, name: &str) -> Option<u32> {
    let children = children();
    let mut todo = vec![id.cast_signed()];
    while let Some(parent) = todo.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            // The kernel keeps fifteen letters of a name.
            if child.comm == name[..name.len().min(15)] {
                return Some(child.pid.cast_unsigned());
            }
            todo.push(child.pid);
        }
    }
    None
}

/// Bytes of the files in a directory.
pub fn disk(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
