//! Work of known length: one thread turns a number round and round. Where there is no GPU it keeps one core busy, and leaves the
//! others to node, store and worker, which are on other machines in a real network.

use std::{collections::BTreeMap, fs, ops::Range, path::Path, time::Duration};

use tessera_executor::{Backend, Program, open};
use tessera_kernels::{Plan, PreparedJob};
use tokio::time::Instant;

/// The module.
pub const MODULE: &str = r"
.version 7.0
.target sm_80
.address_size 64
.visible .entry spin(.param .u64 out, .param .u32 unit, .param .u32 rounds)
{
    .reg .pred %p<2>;
    .reg .b32 %r<3>;
    .reg .b64 %rd<3>;
    ld.param.u64 %rd1, [out];
    ld.param.u32 %r1, [unit];
    ld.param.u32 %r2, [rounds];
    cvta.to.global.u64 %rd2, %rd1;
TURN:
    mad.lo.s32 %r1, %r1, 1664525, 1013904223;
    add.s32 %r2, %r2, -1;
    setp.ne.s32 %p1, %r2, 0;
    @%p1 bra TURN;
    st.global.u32 [%rd2], %r1;
    ret;
}
";
/// Rounds by which the speed of this machine is found.
const TRIAL: u32 = 20_000_000;

/// A plan of `units` that turn so many rounds, for a folder in which the module is `spin.ptx`.
pub fn plan(units: u64, rounds: u32) -> String {
    format!(
        r#"
        name = "spin"
        module = "spin.ptx"
        units = {units}
        output = "out"

        [[buffer]]
        name = "out"
        len = 4

        [[step]]
        [[step.launch]]
        kernel = "spin"
        grid = [1]
        block = [1]
        args = [{{ buffer = "out" }}, {{ unit = "u32" }}, {{ u32 = {rounds} }}]
        "#
    )
}

/// What a unit of it computes.
pub fn output(unit: u64, rounds: u32) -> [u8; 4] {
    let turned = (0..rounds).fold(unit as u32, |x, _| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    turned.to_le_bytes()
}

/// A job of `units` that turn so many rounds; its files go to `dir`.
pub fn job(dir: &Path, units: u64, rounds: u32) -> PreparedJob {
    fs::write(dir.join("spin.ptx"), MODULE).unwrap();
    let job = Plan::parse(&dir.join("spin.toml"), plan(units, rounds)).unwrap().prepare(&BTreeMap::new()).unwrap();
    assert_eq!(job.spec.output_len(), 4);
    job
}

/// How long the executor takes for some units of a job, by itself, once the module is compiled.
pub fn bare(job: &PreparedJob, units: Range<u64>) -> Duration {
    let program = Program {
        module: job.module(),
        plan: &job.spec.plan,
        inputs: &job.inputs().unwrap(),
        unit_gas: job.spec.unit_gas,
        unit_time: Duration::from_secs(120),
    };
    let mut session = open(Backend::Cpu).unwrap().prepare(0, &program).unwrap();
    let began = Instant::now();
    session.run(units, &mut |_, _| Ok(())).unwrap();
    began.elapsed()
}

/// How many rounds take so many seconds here.
pub fn rounds(dir: &Path, seconds: f64) -> u32 {
    let trial = bare(&job(dir, 5, TRIAL), 0..5).as_secs_f64() / 5.0;
    (f64::from(TRIAL) * seconds / trial) as u32
}
