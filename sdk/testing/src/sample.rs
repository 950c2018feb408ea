//! A job to post where it does not matter what is computed: the output of each unit is its number.

use bytes::Bytes;
use tessera_protocol::{
    cid::Cid,
    spec::{Arg, Buffer, BufferInit, FrontEnd, JobSpec, Launch, LaunchPlan, SPEC_VERSION, Visibility},
};
use tessera_sdk::JobTerms;

use crate::TOKEN;

/// The module: one thread writes the number of the unit, 8 bytes in little-endian order.
pub const MODULE: &str = "\
.version 7.0
.target sm_80
.address_size 64
.visible .entry number(.param .u64 out, .param .u64 unit)
{
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [unit];
    cvta.to.global.u64 %rd3, %rd1;
    st.global.u64 [%rd3], %rd2;
    ret;
}
";

/// Specification and blobs of a job of so many units.
#[must_use]
pub fn job(units: u64) -> (JobSpec, Vec<Bytes>) {
    let args = vec![Arg::Buffer { index: 0, offset: 0 }, Arg::Unit64];
    let spec = JobSpec {
        version: SPEC_VERSION,
        module: Cid::of(MODULE.as_bytes()),
        inputs: vec![],
        plan: LaunchPlan {
            buffers: vec![Buffer { len: 8, init: BufferInit::Zero }],
            launches: vec![Launch { kernel: "number".into(), grid: [1; 3], block: [1; 3], shared_len: 0, args }],
            repeats: vec![],
            output: 0,
        },
        units,
        unit_gas: 100_000,
        visibility: Visibility::Public,
        front_end: FrontEnd { name: "testing".into(), data: vec![] },
    };
    (spec, vec![Bytes::from_static(MODULE.as_bytes())])
}

/// Terms for it: a hundredth of a token for each unit, one replica, leases of two units, an hour for all.
#[must_use]
pub fn terms(store_url: &str) -> JobTerms {
    JobTerms {
        price_per_unit: TOKEN / 100,
        units_per_lease: 2,
        lease_seconds: 60,
        deadline_seconds: 3_600,
        store_url: store_url.to_owned(),
        ..JobTerms::default()
    }
}
