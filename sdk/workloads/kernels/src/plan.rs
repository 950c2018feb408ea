//! From a plan file to a job.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use tessera_front_end::{Blob, Inputs, PreparedJob};
use tessera_protocol::spec::{
    Buffer, BufferInit, FrontEnd, Input, JobSpec, Launch, LaunchPlan, MAX_BUFFERS, MAX_LAUNCHES, MAX_STEPS, Repeat,
};
use toml::Spanned;

use crate::{
    KernelsError, Result,
    args::arg,
    compile::{check_len, module_text},
    file::{BufferEntry, LaunchEntry, PlanFile},
};

/// Name of this front end in job specifications; the plan's name stands in its data.
pub const FRONT_END: &str = "kernels";

/// The name of the plan that a job was made of.
#[must_use]
pub fn name_of(spec: &JobSpec) -> String {
    String::from_utf8_lossy(&spec.front_end.data).into_owned()
}

/// A plan that was read from a file. Modules and inputs are read by [`Plan::prepare`].
pub struct Plan {
    path: PathBuf,
    text: String,
    file: PlanFile,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("path", &self.path).field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Plan {
    /// Reads a plan file.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or a key is missing, unknown, or of another type. Says in which line.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|source| KernelsError::File {
            what: "plan".into(),
            path: path.to_owned(),
            source,
            remedy: "check the path".into(),
        })?;
        Self::parse(path, text)
    }

    /// As [`Plan::load`], of a text; `path` is where it stands, from which the files that it names are looked for.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let file = toml::from_str(&text).map_err(|error| KernelsError::Plan {
            path: path.to_owned(),
            line: line(&text, error.span().unwrap_or_default()),
            reason: format!("{}; docs/kernels.md lists the keys of a plan", error.message().replace('\n', " ")),
        })?;
        Ok(Self { path: path.to_owned(), text, file })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.file.name.as_ref()
    }

    /// The file of its module.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        self.beside(&self.file.module)
    }

    /// Compiles the module, reads the inputs, and makes the job. `replaced` gives other files for inputs, by name.
    ///
    /// # Errors
    /// If a name is not declared, a number is out of range, or a file cannot be read or compiled. Says in which line.
    pub fn prepare(&self, replaced: &BTreeMap<String, PathBuf>) -> Result<PreparedJob> {
        self.job(replaced, || module_text(&self.module()))
    }

    /// As [`Plan::prepare`], with this PTX in place of the plan's module: for a `.cu` file that was compiled before, so that
    /// no compiler is needed.
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn prepare_with(&self, module: String, replaced: &BTreeMap<String, PathBuf>) -> Result<PreparedJob> {
        self.job(replaced, || check_len(&self.module(), module))
    }

    fn job(
        &self,
        replaced: &BTreeMap<String, PathBuf>,
        module: impl FnOnce() -> Result<String>,
    ) -> Result<PreparedJob> {
        // First what costs nothing.
        self.check_header()?;
        let buffers = self.buffer_names()?;
        self.check_inputs(replaced)?;
        let inputs = self.read_inputs(replaced)?;
        let plan = self.launch_plan(&buffers, &inputs.declared())?;
        let front_end = FrontEnd { name: FRONT_END.into(), data: self.name().as_bytes().to_vec() };
        let job = inputs.job(module()?, plan, *self.file.units.as_ref(), front_end);
        let mut job = job.map_err(|error| KernelsError::Spec { path: self.path.clone(), reason: error.to_string() })?;
        job.spec.unit_gas = self.file.unit_gas;
        Ok(job)
    }

    fn refuse(&self, at: Range<usize>, reason: impl Into<String>) -> KernelsError {
        KernelsError::Plan { path: self.path.clone(), line: line(&self.text, at), reason: reason.into() }
    }

    fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    fn check_header(&self) -> Result<()> {
        let name = &self.file.name;
        if !(1..=64).contains(&name.as_ref().len()) {
            let len = name.as_ref().len();
            return Err(self.refuse(name.span(), format!("name: expected 1 to 64 bytes, found {len}")));
        }
        if *self.file.units.as_ref() == 0 {
            return Err(self.refuse(self.file.units.span(), "units: expected at least 1, found 0"));
        }
        Ok(())
    }

    /// The buffers' numbers by name.
    fn buffer_names(&self) -> Result<HashMap<&str, u16>> {
        let mut names = HashMap::new();
        for (index, buffer) in self.file.buffers.iter().enumerate() {
            let name = buffer.as_ref().name.as_str();
            let Some(index) = u16::try_from(index).ok().filter(|index| usize::from(*index) < MAX_BUFFERS) else {
                return Err(
                    self.refuse(buffer.span(), format!("buffer {name:?} is one too many: at most {MAX_BUFFERS}"))
                );
            };
            if names.insert(name, index).is_some() {
                return Err(self.refuse(buffer.span(), format!("buffer {name:?} is there twice; rename one")));
            }
        }
        Ok(names)
    }

    /// Whether buffers and inputs name each other.
    fn check_inputs(&self, replaced: &BTreeMap<String, PathBuf>) -> Result<()> {
        let declared = || names(self.file.inputs.keys().map(String::as_str));
        for buffer in &self.file.buffers {
            let BufferEntry { name, input, copy, len } = buffer.as_ref();
            let count = usize::from(input.is_some()) + usize::from(copy.is_some()) + usize::from(len.is_some());
            if count != 1 {
                let reason =
                    format!("buffer {name:?}: expected exactly one of input, copy and len, found {count} of them");
                return Err(self.refuse(buffer.span(), reason));
            }
            if *len == Some(0) {
                return Err(
                    self.refuse(buffer.span(), format!("buffer {name:?}: expected a len of at least 1, found 0"))
                );
            }
            if let Some(source) = input.as_ref().or(copy.as_ref()).filter(|name| !self.file.inputs.contains_key(*name))
            {
                let reason = format!(
                    "buffer {name:?} is filled from input {source:?}, which [inputs] does not have; it has {}",
                    declared()
                );
                return Err(self.refuse(buffer.span(), reason));
            }
        }
        for (name, file) in &self.file.inputs {
            let uses = |buffer: &Spanned<BufferEntry>| {
                let BufferEntry { input, copy, .. } = buffer.as_ref();
                input.as_ref().or(copy.as_ref()) == Some(name)
            };
            if !self.file.buffers.iter().any(uses) {
                let reason = format!(
                    "input {name:?} is used by no buffer; remove it, or add a [[buffer]] with input = {name:?}"
                );
                return Err(self.refuse(file.span(), reason));
            }
        }
        if let Some(unknown) = replaced.keys().find(|name| !self.file.inputs.contains_key(*name)) {
            let reason = format!("there is no input {unknown:?} to be given another file; [inputs] has {}", declared());
            return Err(KernelsError::Content { path: self.path.clone(), reason });
        }
        Ok(())
    }

    fn read_inputs(&self, replaced: &BTreeMap<String, PathBuf>) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        for (name, file) in &self.file.inputs {
            let path = replaced.get(name).cloned().unwrap_or_else(|| self.beside(file.as_ref()));
            let bytes = fs::read(&path).map_err(|source| KernelsError::File {
                what: format!("input {name}"),
                path: path.clone(),
                source,
                remedy: format!("check the path, or give another file with --in {name}=FILE"),
            })?;
            if bytes.is_empty() {
                return Err(KernelsError::Content {
                    path,
                    reason: format!("input {name}: expected bytes, found none"),
                });
            }
            inputs.add(name, Blob::of(&bytes.into()));
        }
        Ok(inputs)
    }

    fn launch_plan(&self, names_of: &HashMap<&str, u16>, inputs: &[Input]) -> Result<LaunchPlan> {
        let number = |name: &String| inputs.iter().position(|input| input.name == *name).unwrap_or(0) as u16;
        let buffers: Vec<Buffer> = self
            .file
            .buffers
            .iter()
            .map(|buffer| match buffer.as_ref() {
                BufferEntry { input: Some(name), .. } => (BufferInit::Input(number(name)), None),
                BufferEntry { copy: Some(name), .. } => (BufferInit::Copy(number(name)), None),
                BufferEntry { len, .. } => (BufferInit::Zero, *len),
            })
            .map(|(init, len)| match init {
                BufferInit::Input(n) | BufferInit::Copy(n) => Buffer { len: inputs[usize::from(n)].len, init },
                BufferInit::Zero => Buffer { len: len.unwrap_or(0), init },
            })
            .collect();
        let output = self.file.output.as_ref();
        let Some(output) = names_of.get(output.as_str()).copied() else {
            let reason =
                format!("output: there is no buffer {output:?}; there are {}", names(names_of.keys().copied()));
            return Err(self.refuse(self.file.output.span(), reason));
        };
        if matches!(buffers[usize::from(output)].init, BufferInit::Input(_)) {
            let reason = "output: this buffer is a read-only input; take `copy` instead of `input`, or another buffer";
            return Err(self.refuse(self.file.output.span(), reason));
        }
        let (mut launches, mut repeats, mut steps) = (vec![], vec![], 0u64);
        for step in &self.file.steps {
            let (times, body) = (step.as_ref().times, &step.as_ref().launches);
            if times == 0 || body.is_empty() {
                let reason = "a step needs at least one [[step.launch]] and times of at least 1; remove it, or fill it";
                return Err(self.refuse(step.span(), reason));
            }
            let first = launches.len();
            for launch in body {
                launches.push(self.launch(launch, names_of, &buffers, inputs)?);
            }
            steps = times.saturating_mul(body.len() as u64).saturating_add(steps);
            if launches.len() > MAX_LAUNCHES || steps > MAX_STEPS {
                let total = launches.len();
                let reason = format!(
                    "with this step a unit has {total} launches, at most {MAX_LAUNCHES}, and {steps} with repetitions, at most {MAX_STEPS}; put a loop into a kernel, or less into a unit"
                );
                return Err(self.refuse(step.span(), reason));
            }
            if times > 1 {
                // In range: both counts were just checked.
                repeats.push(Repeat { first: first as u16, count: body.len() as u16, times: times as u32 });
            }
        }
        if launches.is_empty() {
            let reason = "a plan needs at least one [[step]] with a [[step.launch]], found none".into();
            return Err(KernelsError::Spec { path: self.path.clone(), reason });
        }
        Ok(LaunchPlan { buffers, launches, repeats, output })
    }

    fn launch(
        &self,
        launch: &Spanned<LaunchEntry>,
        names_of: &HashMap<&str, u16>,
        buffers: &[Buffer],
        inputs: &[Input],
    ) -> Result<Launch> {
        let LaunchEntry { kernel, grid, block, shared, args } = launch.as_ref();
        let buffer = |name: &str| {
            let found = names_of.get(name).copied();
            found.ok_or_else(|| format!("there is no buffer {name:?}; there are {}", names(names_of.keys().copied())))
        };
        let args = args.iter().enumerate().map(|(n, entry)| {
            let made = arg(entry.as_ref(), &self.text, *self.file.units.as_ref(), buffer);
            made.map_err(|reason| self.refuse(entry.span(), format!("kernel {kernel}, argument {n}: {reason}")))
        });
        let made = Launch {
            kernel: kernel.clone(),
            grid: self.extent("grid", grid)?,
            block: self.extent("block", block)?,
            shared_len: *shared,
            args: args.collect::<Result<_>>()?,
        };
        // By itself, so that what is refused has a line.
        let output = buffers.iter().position(|buffer| !matches!(buffer.init, BufferInit::Input(_))).unwrap_or(0) as u16;
        let alone = LaunchPlan { buffers: buffers.to_vec(), launches: vec![made.clone()], repeats: vec![], output };
        alone.validate(inputs).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.strip_prefix("launch 0: ").unwrap_or(&reason);
            self.refuse(launch.span(), format!("kernel {kernel}: {reason}"))
        })?;
        Ok(made)
    }

    fn extent(&self, key: &str, value: &Spanned<Vec<u32>>) -> Result<[u32; 3]> {
        match *value.as_ref().as_slice() {
            [x] => Ok([x, 1, 1]),
            [x, y] => Ok([x, y, 1]),
            [x, y, z] => Ok([x, y, z]),
            ref other => {
                let reason = format!("{key}: expected 1 to 3 numbers such as [64] or [8, 8], found {}", other.len());
                Err(self.refuse(value.span(), reason))
            }
        }
    }
}

/// The line, from 1, in which a part of a text begins.
fn line(text: &str, at: Range<usize>) -> usize {
    text.bytes().take(at.start).filter(|byte| *byte == b'\n').count() + 1
}

/// Names for a message.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
