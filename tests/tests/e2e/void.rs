//! A module that no machine can compute: who finds that out is paid for it, and nobody loses anything.

use std::fs;

use tessera_protocol::verdict::VOID_ROOT;
use tessera_sdk::{Event, JobFilter};

use crate::{
    faults::network,
    history::settlements,
    process::{PATIENCE, Process, answer, until, wait_for},
};

/// Every unit writes its number into 64 words; the last one writes them a mebibyte beyond its buffer.
const MODULE: &str = r"
.version 7.0
.target sm_80
.address_size 64
.visible .entry fill(.param .u64 out, .param .u32 unit)
{
    .reg .pred %p<2>;
    .reg .b32 %r<3>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [out];
    ld.param.u32 %r1, [unit];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r2, 4;
    add.s64 %rd4, %rd2, %rd3;
    setp.ne.u32 %p1, %r1, 3;
    @%p1 bra WRITE;
    add.s64 %rd4, %rd4, 1048576;
WRITE:
    st.global.u32 [%rd4], %r1;
    ret;
}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_leaves_its_buffers_is_paid_for_as_void() {
    let (network, _workers) = network(2, 1..=2, &[]);
    let tessera = network.connect().await;
    let plan = network.plan("void", MODULE);
    let out = network.path("outputs");
    let command = || {
        let mut command = network.tessera();
        command.args(["--json", "run", "--price", "0.5", "--units-per-lease", "2", "--lease-seconds", "60", "--yes"]);
        command.arg("--out").arg(&out).arg(&plan);
        command
    };
    // Stopped as soon as the job is there: it would end the job when it hears of the lease that is void.
    let mut stopped = Process::start("run", command(), &network.path("run.log"));
    let noted = || fs::read_to_string(out.join("job.json")).is_ok_and(|note| !note.contains("\"job\": null"));
    wait_for("the job", PATIENCE, || {
        let is_there = noted();
        if !is_there {
            stopped.assert_running();
        }
        is_there
    });
    stopped.stop();

    // The other lease goes on all the same, and both replicas of both are paid.
    let market = network.market();
    let job = until("the pay of all replicas", PATIENCE, async || {
        let job = tessera.jobs(&market, JobFilter::All).await.unwrap().pop().unwrap();
        (job.is_complete() && job.owed == 0).then_some(job)
    })
    .await;
    // The same command says so, ends the job, and would post another.
    let (good, _, said) = answer(&mut command());
    assert!(!good && said.contains("cannot be computed") && said.contains("all units again"), "{said}");
    assert!(!out.join("job.json").exists() && tessera.job(&job.address).await.unwrap().is_none(), "{said}");

    let history = tessera.job_history(&job.address).await.unwrap();
    let seats = settlements(&history);
    assert_eq!(seats.len(), 4, "{seats:?}");
    for seat in &seats {
        assert_eq!((seat.pay, seat.root == VOID_ROOT), (2 * job.price_per_unit, seat.lease == 1), "{seat:?}");
    }
    let nothing_is_sealed = |event: &Event| matches!(event, Event::LeaseSettled(e) if e.sealed == [0; 32]);
    assert_eq!(history.iter().filter(|recorded| nothing_is_sealed(&recorded.event)).count(), 2);

    // A void lease costs what any other does: docs/protocol.md, "Money".
    let part = |amount: u64, bps: u16| amount * u64::from(bps) / 10_000;
    let work = 2 * 4 * job.price_per_unit;
    let deposited = work + job.audit_reserve + part(work + job.audit_reserve, job.fee_bps);
    let fee = part(work, job.fee_bps);
    let ledger = tessera.ledger(&job.address).await.unwrap();
    assert!(ledger.closed && ledger.balances(), "{ledger:?}");
    assert_eq!((ledger.deposited, ledger.paid_sum()), (deposited, work));
    assert_eq!((ledger.treasury, ledger.fee()), (part(fee, job.treasury_bps), fee));
    assert_eq!((ledger.refunded, ledger.slashed, ledger.surplus), (deposited - work - fee, 0, 0));
    for n in 1..=2 {
        let provider = tessera.provider(&network.provider(n)).await.unwrap().unwrap();
        assert_eq!((provider.earned, provider.leases_settled), (work / 2, 2));
        assert_eq!((provider.faults, provider.expiries, provider.lost, provider.locked), (0, 0, 0, 0));
    }
}
