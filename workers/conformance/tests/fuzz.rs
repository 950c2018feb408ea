//! A few of the inputs that `tessera-conformance fuzz` reads.

use tessera_conformance::fuzz::{fuzz, input};

#[test]
fn broken_modules_never_panic() {
    const INPUTS: u64 = 20_000;
    let report = fuzz(0..INPUTS, |_| {});
    for failure in &report.failures {
        println!("{failure}");
    }
    assert!(report.failures.is_empty(), "see above");
    println!("{INPUTS} inputs, {} of them modules, {} allowed", report.modules, report.allowed);
    assert!(report.modules > INPUTS / 20 && report.allowed > INPUTS / 100, "the mutations break too much");
}

#[test]
fn a_number_is_an_input() {
    for number in [0, 7, 4096, u64::MAX] {
        assert_eq!(input(number), input(number));
    }
}
