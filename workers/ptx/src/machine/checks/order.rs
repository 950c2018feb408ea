//! What happens before what among the threads of a block.
//!
//! The memory model of PTX orders accesses of different threads by barriers (`bar.sync`, `barrier.sync`) among the threads
//! that take part, and by `bar.warp.sync` among the lanes of its mask. It gives no order for shuffles, votes, matches,
//! reductions and `mma`: these exchange registers and wait for each other, but "do not imply a memory barrier" (CUDA's
//! guide), and code that hands memory from lane to lane is told to use `__syncwarp`, which is `bar.warp.sync`. So they
//! order nothing here. A thread that has left counts as one that has arrived, as it does for the barrier itself.
//!
//! Time is a counter of meetings. An access is ordered before all that a thread does now, if its time is before a bound
//! that the thread knows: one for the block, one for the warp, and tables for meetings of some threads only.

#[derive(Debug, Default)]
pub(super) struct Order {
    now: u64,
    /// Bound for everyone: the last meeting of the whole block.
    base: u64,
    /// When each thread last met another, unless the block did later.
    since: Vec<u64>,
    /// Bound for threads of the same warp: the last meeting of all its lanes.
    warps: Vec<u64>,
    /// Bounds of each thread for the lanes of its warp; empty until some lanes meet.
    near: Vec<u64>,
    /// Bounds of each thread for each thread; empty until some threads meet.
    far: Vec<u64>,
}

impl Order {
    pub fn new(threads: usize) -> Self {
        Self { since: vec![0; threads], warps: vec![0; threads.div_ceil(32)], ..Self::default() }
    }

    pub fn now(&self, thread: usize) -> u64 {
        self.since[thread].max(self.base)
    }

    /// Whether what `other` did at a time is ordered before what `thread` does now.
    pub fn ordered(&self, thread: usize, other: usize, time: u64) -> bool {
        thread == other || time < self.bound(thread, other)
    }

    fn bound(&self, thread: usize, other: usize) -> u64 {
        let mut bound = self.base;
        if thread / 32 == other / 32 {
            bound = bound.max(self.warps[thread / 32]);
            if !self.near.is_empty() {
                bound = bound.max(self.near[thread * 32 + other % 32]);
            }
        }
        if !self.far.is_empty() {
            bound = bound.max(self.far[thread * self.since.len() + other]);
        }
        bound
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    /// All threads meet, or a block starts.
    pub fn meet_all(&mut self) {
        self.now += 1;
        self.base = self.now;
    }

    /// Some threads of the block meet.
    pub fn meet(&mut self, threads: &[usize]) {
        let count = self.since.len();
        if self.far.is_empty() {
            self.far = vec![0; count * count];
        }
        self.now += 1;
        let row = self.joined(threads);
        for thread in threads {
            self.far[thread * count..][..count].copy_from_slice(&row);
            self.since[*thread] = self.now;
        }
    }

    /// What threads that meet now know together.
    fn joined(&self, threads: &[usize]) -> Vec<u64> {
        let known = |other| threads.iter().map(|thread| self.bound(*thread, other)).max().unwrap_or_default();
        let mut row: Vec<u64> = (0..self.since.len()).map(known).collect();
        threads.iter().for_each(|thread| row[*thread] = self.now);
        row
    }

    /// Lanes of the warp that starts with thread `first` meet; `all`: no other lane is left.
    pub fn meet_in_warp(&mut self, first: usize, lanes: u32, all: bool) {
        let threads: Vec<usize> = (0..32).filter(|lane| lanes >> lane & 1 != 0).map(|lane| first + lane).collect();
        if !self.far.is_empty() {
            return self.meet(&threads);
        }
        self.now += 1;
        if all {
            self.warps[first / 32] = self.now;
        } else {
            if self.near.is_empty() {
                self.near = vec![0; self.since.len() * 32];
            }
            let end = (first + 32).min(self.since.len());
            let known = |other| threads.iter().map(|thread| self.bound(*thread, other)).max().unwrap_or_default();
            let mut row: Vec<u64> = (first..end).map(known).collect();
            threads.iter().for_each(|thread| row[thread - first] = self.now);
            threads.iter().for_each(|thread| self.near[thread * 32..][..row.len()].copy_from_slice(&row));
        }
        threads.iter().for_each(|thread| self.since[*thread] = self.now);
    }
}
