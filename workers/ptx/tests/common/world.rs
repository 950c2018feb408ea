//! Launches of real kernels one after the other.

use tessera_ptx::{Access, Checks, Interpreter, Launch, Limits, Memory, Module};

/// An argument: an offset in a buffer, inputs first, or a number.
#[derive(Clone, Copy)]
pub enum Buffer {
    At(usize, u64),
    Word(u32),
    Long(u64),
    Single(f32),
}

pub struct Step {
    pub kernel: &'static str,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub args: Vec<Buffer>,
}

/// A unit of a job.
pub struct World {
    pub text: &'static str,
    pub inputs: Vec<Vec<u8>>,
    /// Bytes of the buffers that start as zero.
    pub lens: Vec<u64>,
    pub steps: Vec<Step>,
}

impl World {
    /// The buffers after all steps, and their gas.
    pub fn run(&self, checks: Checks) -> (Vec<Vec<u8>>, u64) {
        let module = Module::parse(self.text).unwrap();
        assert!(module.check().is_empty(), "{:?}", module.check());
        let mut memory = Memory::new(&module);
        let mut addresses = Vec::new();
        for input in &self.inputs {
            let address = memory.alloc(input.len() as u64, Access::Read).unwrap();
            memory.write(address, input).unwrap();
            addresses.push(address);
        }
        addresses.extend(self.lens.iter().map(|len| memory.alloc(*len, Access::ReadWrite).unwrap()));
        let mut gas = 0;
        for step in &self.steps {
            let kernel = module.kernel(step.kernel).unwrap();
            let bytes: Vec<Vec<u8>> = step
                .args
                .iter()
                .map(|arg| match *arg {
                    Buffer::At(buffer, offset) => (addresses[buffer] + offset).to_le_bytes().to_vec(),
                    Buffer::Word(word) => word.to_le_bytes().to_vec(),
                    Buffer::Long(long) => long.to_le_bytes().to_vec(),
                    Buffer::Single(single) => single.to_le_bytes().to_vec(),
                })
                .collect();
            let params = kernel.pack(&bytes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            let launch = Launch { grid: step.grid, block: step.block, shared_len: 0, params: &params };
            let interpreter = Interpreter::new().with_checks(checks);
            let stats = interpreter.launch(&mut memory, kernel, &launch, Limits::default());
            gas += stats.unwrap_or_else(|fault| panic!("{fault}")).gas;
        }
        let read = |(address, len): (&u64, &u64)| {
            let mut bytes = vec![0; *len as usize];
            memory.read(*address, &mut bytes).unwrap();
            bytes
        };
        (addresses[self.inputs.len()..].iter().zip(&self.lens).map(read).collect(), gas)
    }

    /// With all checks it does what it does without, and that is something.
    pub fn runs_clean(&self) {
        let (buffers, gas) = self.run(Checks::NONE);
        assert!(buffers.last().unwrap().iter().any(|byte| *byte != 0), "nothing was computed");
        let (checked, checked_gas) = self.run(Checks::ALL);
        assert!(buffers == checked, "the checks change bits");
        assert_eq!(gas, checked_gas);
    }
}
