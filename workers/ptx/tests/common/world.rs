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

/// The frame and the scene of a small picture, in the layout of the render module: a floor and two lights.
pub fn scene() -> (Vec<u8>, Vec<u8>) {
    let (mut frame, mut scene) = (Bytes::default(), Bytes::default());
    // Version, width, height, tile, tiles across and down, samples, samples of a unit, ranges, seed, bounces.
    frame.words(&[1, 16, 16, 16, 1, 1, 2, 2, 1, 7, 0, 4]).floats(&[10.0, 1.0]).words(&[0, 0]);
    // A camera that looks down at the floor.
    frame.floats(&[0.0, 2.0, 4.0]).words(&[0]).floats(&[0.5, 0.0, 0.0]).words(&[0]);
    frame.floats(&[0.0, 0.45, -0.22]).words(&[0]).floats(&[0.0, -0.44, -0.9]).words(&[0]);
    // Sections in 16 bytes: nodes, triangles, attributes, materials, textures, texels, lights, alias.
    scene.words(&[6, 13, 16, 20, 24, 25, 26, 34, 2, 35, 0, 0, 0]).floats(&[0.0, 1e-4, 0.0]);
    scene.floats(&[0.0; 3]).floats(&[2.0]).floats(&[0.0; 3]).words(&[0]);
    for (low, high) in [(-9.0, 9.0), (-0.01, 0.01), (-9.0, 9.0)] {
        scene.floats(&[low, 1e30, 1e30, 1e30]).floats(&[high, -1e30, -1e30, -1e30]);
    }
    scene.words(&[1 << 31, u32::MAX, u32::MAX, u32::MAX]);
    // The triangle (-9, 0, 9), (9, 0, 9), (0, 0, -9).
    scene
        .floats(&[1.0 / 18.0, 0.0, 1.0 / 36.0, 0.25])
        .floats(&[0.0, 0.0, -1.0 / 18.0, 0.5])
        .floats(&[0.0, 1.0, 0.0, 0.0]);
    scene.floats(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]).floats(&[0.0; 6]).words(&[0]);
    scene.floats(&[0.8, 0.7, 0.6, 1.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.4, 0.0]).words(&[0, 0, 0, 0, 0]);
    // No textures, no texels.
    scene.words(&[0; 8]);
    // A point and a direction.
    scene.floats(&[0.0, 3.0, 0.0]).words(&[1]).floats(&[0.0; 7]).words(&[u32::MAX]).floats(&[30.0, 30.0, 30.0, 0.5]);
    scene.floats(&[0.0, 1.0, 0.0]).words(&[3]).floats(&[0.0; 7]).words(&[u32::MAX]).floats(&[1.0, 2.0, 3.0, 0.5]);
    scene.floats(&[1.0]).words(&[0]).floats(&[1.0]).words(&[1]);
    scene.words(&[0; 4]);
    (frame.0, scene.0)
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn words(&mut self, words: &[u32]) -> &mut Self {
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self
    }

    fn floats(&mut self, floats: &[f32]) -> &mut Self {
        self.0.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
        self
    }
}
