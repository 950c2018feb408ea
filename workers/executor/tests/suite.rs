//! One suite for both backends. On a machine without a GPU the CUDA path runs on the stand-in driver `tessera-fakecuda`,
//! in a process of its own: that proves the host's code, not a GPU's bits.

mod common;

use std::time::Duration;

use common::stand_in::{StandIn, test_process, text};
use common::{MODULE, at, faults, launch, run_fault, sink_refuses, suite, zero};
use tessera_executor::{Backend, Checks, ExecError, Kind, Options, Program, open, open_with, outputs, probe};
use tessera_protocol::spec::{Arg, LaunchPlan};

/// How many CUDA devices the test `cuda` must find; without it, none is fine.
const EXPECTED_DEVICES: &str = "TESSERA_TEST_CUDA_DEVICES";
/// Which faulty kernel `one_fault` runs.
const FAULT: &str = "TESSERA_TEST_FAULT";

#[test]
fn cpu() {
    let cpu = open(Backend::Cpu).unwrap();
    assert_eq!((cpu.devices().len(), cpu.devices()[0].kind), (1, Kind::Cpu));
    assert!(cpu.devices()[0].memory > 0);
    suite(&*cpu);
    sink_refuses(&*cpu);
}

#[test]
fn cpu_faults() {
    let cpu = open(Backend::Cpu).unwrap();
    for fault in faults() {
        let error = run_fault(&*cpu, &fault);
        assert!(error.to_string().contains(fault.says[0]), "{}: {error}", fault.name);
        assert_eq!(error.blames_job(), fault.name != "for_ever", "{error}");
    }
}

/// With checks, units that race are found, and those that do not give the same bits and gas.
#[test]
fn cpu_checks() {
    let options = Options { checks: Checks::ALL, ..Options::default() };
    let checked = open_with(Backend::Auto, &options).unwrap();
    assert_eq!(checked.devices()[0].kind, Kind::Cpu);
    suite(&*checked);
    assert!(matches!(open_with(Backend::Cuda, &options), Err(ExecError::ChecksOnGpu)));
    // All threads write the same word.
    let module = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry meet(.param .u64 out)\n{\n.reg .b32 %r<2>;\n.reg .b64 %rd<2>;\n\
        ld.param.u64 %rd1, [out];\nmov.u32 %r1, %tid.x;\nst.global.u32 [%rd1], %r1;\nret;\n}\n";
    let plan = LaunchPlan {
        buffers: vec![zero(4)],
        launches: vec![launch("meet", 1, 32, vec![at(0)])],
        repeats: vec![],
        output: 0,
    };
    let program = Program { module, plan: &plan, inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(60) };
    assert!(outputs(&*open(Backend::Cpu).unwrap(), 0, &program, 0..1).is_ok());
    let error = outputs(&*checked, 0, &program, 0..1).unwrap_err();
    assert!(error.blames_job() && error.to_string().contains("race in global memory"), "{error}");
}

#[test]
fn cuda() {
    let expected = std::env::var(EXPECTED_DEVICES).ok().map(|count| count.parse::<usize>().unwrap());
    let cuda = match open(Backend::Cuda) {
        Ok(cuda) => cuda,
        Err(reason) => {
            println!("NO GPU HERE, so the CUDA backend was not run on one: {reason}");
            assert_eq!(expected, None, "{reason}");
            assert!(probe().iter().any(|finding| !finding.good));
            return;
        }
    };
    println!("CUDA devices: {:?}", cuda.devices());
    assert!(expected.is_none_or(|count| count == cuda.devices().len()));
    assert!(probe().iter().any(|finding| finding.good && finding.subject == "GPU"));
    assert!(cuda.devices().iter().all(|device| device.kind == Kind::Cuda && device.compute_capability >= Some((8, 0))));
    let mut names: Vec<_> = cuda.devices().iter().map(|device| device.uuid).collect();
    names.dedup();
    assert_eq!(names.len(), cuda.devices().len());
    suite(&*cuda);
    sink_refuses(&*cuda);
    // A fault leaves the driver unusable for its process, so each gets a process.
    for fault in faults() {
        let output = test_process("one_fault").env(FAULT, fault.name).output().unwrap();
        assert!(output.status.success(), "{}: {}", fault.name, text(&output));
    }
}

#[test]
#[ignore = "the test `cuda` runs it in a process of its own"]
fn one_fault() {
    let name = std::env::var(FAULT).expect("the name of a faulty kernel");
    let fault = faults().into_iter().find(|fault| fault.name == name).unwrap();
    let error = run_fault(&*open(Backend::Cuda).unwrap(), &fault);
    assert!(error.to_string().contains(fault.says[1]), "{error}");
    assert_eq!(error.blames_job(), fault.name != "for_ever", "{error}");
}

#[test]
fn stand_in_driver() {
    let driver = StandIn::new();
    let run = |devices: &str, version: &str| {
        driver.passes(
            "cuda",
            &[(EXPECTED_DEVICES, devices), ("FAKE_CUDA_DEVICES", devices), ("FAKE_CUDA_VERSION", version)],
        )
    };
    // Two devices; then a driver that only reads PTX 7.x, so that the header must be lowered.
    for (devices, version) in [("2", "13000"), ("1", "11080")] {
        let outcome = run(devices, version);
        assert!(outcome.text.contains("Fake GPU"), "{}", outcome.text);
    }
    // A driver without devices is an error, not a panic.
    let outcome = driver.passes("cuda", &[("FAKE_CUDA_DEVICES", "0")]);
    assert!(outcome.text.contains("CUDA_ERROR_NO_DEVICE"), "{}", outcome.text);
}

#[test]
fn gas_is_counted_and_limited() {
    let cpu = open(Backend::Cpu).unwrap();
    let plan = LaunchPlan {
        buffers: vec![zero(256)],
        launches: vec![launch("step", 1, 32, vec![Arg::Unit32, Arg::Unit64, at(0), at(0), Arg::Bits32(32)]); 2],
        repeats: vec![],
        output: 0,
    };
    let gas = |limit: u64| {
        let program =
            Program { module: MODULE, plan: &plan, inputs: &[], unit_gas: limit, unit_time: Duration::from_secs(60) };
        let mut found = 0;
        let done = cpu.prepare(0, &program).unwrap().run(0..1, &mut |_, output| {
            found = output.gas.unwrap();
            Ok(())
        });
        done.map(|()| found)
    };
    let all = gas(0).unwrap();
    assert!(all > 2 * 32 * 10);
    assert_eq!(gas(all).unwrap(), all);
    let error = gas(all - 1).unwrap_err();
    assert!(error.to_string().contains(&format!("more than {} gas", all - 1)), "{error}");
    assert!(error.blames_job());
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = open(Backend::Cpu).unwrap();
    let prepare = |module: &str, change: &dyn Fn(&mut LaunchPlan)| {
        let mut plan = LaunchPlan {
            buffers: vec![zero(4096)],
            launches: vec![launch("give_up", 1, 32, vec![at(0)])],
            repeats: vec![],
            output: 0,
        };
        change(&mut plan);
        let program = Program { module, plan: &plan, inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(1) };
        cpu.prepare(0, &program).map(|_| ()).unwrap_err()
    };
    let error = prepare(MODULE, &|plan| plan.launches[0].kernel = "missing".into());
    assert!(error.to_string().contains("no kernel missing"), "{error}");
    let error = prepare(MODULE, &|plan| plan.launches[0].args = vec![Arg::Bits32(1)]);
    assert!(error.to_string().contains("parameters of [8] bytes, not [4]"), "{error}");
    let error = prepare(MODULE, &|plan| plan.output = 1);
    assert!(matches!(&error, ExecError::Plan(_)) && error.blames_job(), "{error}");
    let error = prepare(MODULE, &|plan| {
        plan.launches[0] = launch("histogram", 1, 256, vec![at(0), Arg::Bits32(0), at(0), at(0)]);
        plan.launches[0].shared_len = 48 << 10;
    });
    assert!(error.to_string().contains("shared memory, at most 49152"), "{error}");
    let error = prepare("not ptx", &|_| {});
    assert!(matches!(&error, ExecError::Module(_)) && error.blames_job(), "{error}");
    let error = prepare(&MODULE.replacen("fma.rn.f32", "fma.rn.ftz.f32", 1), &|_| {});
    assert!(
        matches!(&error, ExecError::Refused(refusals) if refusals.len() == 1 && refusals[0].reason.contains("denormals")),
        "{error}"
    );
    let mut plan = LaunchPlan {
        buffers: vec![zero(1 << 60)],
        launches: vec![launch("give_up", 1, 32, vec![at(0)])],
        repeats: vec![],
        output: 0,
    };
    fn program(plan: &LaunchPlan) -> Program<'_> {
        Program { module: MODULE, plan, inputs: &[], unit_gas: 0, unit_time: Duration::from_secs(1) }
    }
    assert!(matches!(cpu.prepare(0, &program(&plan)).map(|_| ()), Err(ExecError::Memory { .. })));
    plan.buffers[0].len = 4096;
    assert!(matches!(
        cpu.prepare(1, &program(&plan)).map(|_| ()),
        Err(ExecError::UnknownDevice { device: 1, count: 1 })
    ));
    assert!(cpu.prepare(0, &program(&plan)).is_ok());
}
