//! The path tracer, as NVRTC compiled it, runs clean with all checks, and with the same bits and gas. (The kernels of the
//! library do so in the tests of `tessera-ptx`, which knows no workload.)

mod picture;

use tessera_kernel_tests::{
    Program,
    machine::{Engine, Loaded},
};

/// Its paths carry variables that only a state of another variable says to be set.
#[test]
fn render() {
    let program = Program::render(&picture::job());
    let loaded = Loaded::new(&program);
    let [plain, checked] = [Engine::Interpreter, Engine::Checked].map(|engine| loaded.run(engine, 0..1));
    assert!(plain.outputs[0].iter().any(|byte| *byte != 0), "nothing was computed");
    assert!(plain.outputs == checked.outputs, "the checks change bits");
    assert_eq!(plain.gas, checked.gas);
}
