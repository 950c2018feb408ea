//! How many units are on their way at once.
//!
//! A unit that fills the GPU computes alone, and what overlaps is the copy of the output of the one before: two slots,
//! which share all buffers but the output. Units that leave most of the GPU idle compute at the same time, as many as
//! fit: each slot then has its own of every buffer that changes. Inputs are shared by all.
//!
//! How much of the GPU a launch takes is what part its blocks are of those that the GPU holds at once, which the driver
//! knows from registers and shared memory of the kernel; the launch that takes most decides.

use std::collections::BTreeSet;

use tessera_protocol::spec::{BufferInit, Launch, LaunchPlan};

use super::pool::class;

/// Most units on their way at once.
const MOST: usize = 8;
/// Further slots leave this part of the memory alone, for local memory of kernels and the driver's own needs.
const SPARE: u64 = 8;

/// What a plan needs of the device's memory, in blocks of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Inputs, and originals of what is copied anew for each unit.
    shared: u64,
    /// Buffers that change, the output excepted.
    working: u64,
    output: u64,
}

impl Needs {
    pub fn of(plan: &LaunchPlan) -> Self {
        let block = |len: u64| usize::try_from(len).map_or(u64::MAX, |len| class(len) as u64);
        let mut needs = Self { shared: 0, working: 0, output: 0 };
        let mut inputs = BTreeSet::new();
        for (i, buffer) in plan.buffers.iter().enumerate() {
            let len = block(buffer.len);
            if let BufferInit::Input(n) | BufferInit::Copy(n) = buffer.init
                && inputs.insert(n)
            {
                needs.shared = needs.shared.saturating_add(len);
            }
            match buffer.init {
                BufferInit::Input(_) => {}
                _ if i == usize::from(plan.output) => needs.output = len,
                _ => needs.working = needs.working.saturating_add(len),
            }
        }
        needs
    }

    /// What one unit at a time needs.
    pub fn least(&self) -> u64 {
        self.shared.saturating_add(self.working).saturating_add(self.output)
    }
}

/// How units share the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    pub count: usize,
    /// Whether the units compute at the same time.
    pub concurrent: bool,
}

/// Chooses for a GPU that has `available` bytes, at least what one unit needs. `held` are the blocks that it holds at
/// once, for each launch. `most` slots are allowed.
pub(super) fn choose(plan: &LaunchPlan, held: &[u64], available: u64, most: usize) -> Slots {
    let needs = Needs::of(plan);
    let most = most.clamp(1, MOST) as u64;
    let left = (available - available / SPARE).saturating_sub(needs.least());
    let further = |of_each: u64| left / of_each.max(1) + 1;
    let fit = plan.launches.iter().zip(held).map(|(launch, held)| held / blocks(launch)).min().unwrap_or(0);
    let concurrent = fit.min(most).min(further(needs.working.saturating_add(needs.output)));
    if concurrent >= 2 {
        return Slots { count: concurrent as usize, concurrent: true };
    }
    Slots { count: most.min(2).min(further(needs.output)) as usize, concurrent: false }
}

fn blocks(launch: &Launch) -> u64 {
    launch.grid.iter().fold(1u64, |product, n| product.saturating_mul(u64::from(*n))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::spec::Buffer;

    const MIB: u64 = 1 << 20;

    /// An input of 8 MiB that is read and copied, 4 MiB to work in, an output of 2 MiB.
    fn plan(blocks: u32) -> LaunchPlan {
        let buffer = |mib, init| Buffer { len: mib * MIB, init };
        let launch = |blocks| Launch {
            kernel: "k".into(),
            grid: [blocks, 1, 1],
            block: [16, 8, 1],
            shared_len: 0,
            args: Vec::new(),
        };
        LaunchPlan {
            buffers: vec![
                buffer(8, BufferInit::Input(0)),
                buffer(8, BufferInit::Copy(0)),
                buffer(4, BufferInit::Zero),
                buffer(2, BufferInit::Zero),
            ],
            launches: vec![launch(1), launch(blocks), launch(2)],
            repeats: vec![],
            output: 3,
        }
    }

    /// For a GPU that holds 800 blocks of each launch.
    fn chosen(plan: &LaunchPlan, available: u64, most: usize) -> Slots {
        choose(plan, &[800; 3], available, most)
    }

    #[test]
    fn the_widest_launch_decides_whether_units_share_the_gpu() {
        let choose = |blocks| chosen(&plan(blocks), 1 << 40, 8);
        assert_eq!(choose(10), Slots { count: 8, concurrent: true });
        assert_eq!(choose(200), Slots { count: 4, concurrent: true });
        assert_eq!(choose(400), Slots { count: 2, concurrent: true });
        assert_eq!(choose(401), Slots { count: 2, concurrent: false });
        assert_eq!(choose(u32::MAX), Slots { count: 2, concurrent: false });
        // So does one of which the GPU holds few blocks, or it is not known how many.
        for (held, count) in [(6, 3), (4, 2)] {
            let slots = super::choose(&plan(200), &[800, 800, held], 1 << 40, 8);
            assert_eq!(slots, Slots { count, concurrent: true });
        }
        for held in [&[800, 800, 3][..], &[0; 3], &[]] {
            let slots = super::choose(&plan(200), held, 1 << 40, 8);
            assert_eq!(slots, Slots { count: 2, concurrent: false });
        }
    }

    #[test]
    fn memory_decides_how_many() {
        assert_eq!(Needs::of(&plan(1)), Needs { shared: 8 * MIB, working: 12 * MIB, output: 2 * MIB });
        let choose = |mib| chosen(&plan(1), mib * MIB, 8);
        // 22 MiB for one, 14 for each one more, 2 for one more output; an eighth is left alone.
        assert_eq!(choose(64), Slots { count: 3, concurrent: true });
        assert_eq!(choose(42), Slots { count: 2, concurrent: true });
        assert_eq!(choose(41), Slots { count: 2, concurrent: false });
        assert_eq!(choose(26), Slots { count: 1, concurrent: false });
        assert_eq!(choose(22), Slots { count: 1, concurrent: false });
    }

    #[test]
    fn fewer_can_be_asked_for() {
        let choose = |blocks, most| chosen(&plan(blocks), 1 << 40, most);
        assert_eq!(choose(10, 3), Slots { count: 3, concurrent: true });
        assert_eq!(choose(10, 1), Slots { count: 1, concurrent: false });
        assert_eq!(choose(10, 0), Slots { count: 1, concurrent: false });
        assert_eq!(choose(9999, 1), Slots { count: 1, concurrent: false });
    }
}
