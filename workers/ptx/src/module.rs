//! A module: parsed, checked, its kernels lowered.

#[cfg(jit)]
use std::sync::OnceLock;

use crate::ast::Ast;
use crate::check::{self, Refusal};
use crate::error::Error;
use crate::ir::Program;
use crate::lower::{self, Layout};
use crate::parser;

/// One parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Where it starts among the bytes of all parameters.
    pub offset: usize,
    /// Its bytes.
    pub len: usize,
}

/// A kernel of a module.
pub struct Kernel {
    name: String,
    params: Vec<Param>,
    params_len: usize,
    max_threads: Option<[u32; 3]>,
    required_threads: Option<[u32; 3]>,
    program: Result<Program, Error>,
    /// Machine code, once somebody asked for it.
    #[cfg(jit)]
    compiled: OnceLock<Option<crate::jit::Compiled>>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("name", &self.name).field("params", &self.params).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Its name, as launches use it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters in order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// Bytes of all parameters with the gaps between them.
    #[must_use]
    pub fn params_len(&self) -> usize {
        self.params_len
    }

    /// Lays out the values of the parameters, each at its offset.
    ///
    /// # Errors
    /// If their number or a length is not what the kernel takes; the text says which.
    pub fn pack(&self, values: &[&[u8]]) -> Result<Vec<u8>, String> {
        if values.len() != self.params.len() {
            return Err(format!("kernel {} takes {} parameters, not {}", self.name, self.params.len(), values.len()));
        }
        let mut bytes = vec![0; self.params_len];
        for (i, (param, value)) in self.params.iter().zip(values).enumerate() {
            if value.len() != param.len {
                return Err(format!(
                    "parameter {i} of kernel {} has {} bytes, not {}",
                    self.name,
                    param.len,
                    value.len()
                ));
            }
            bytes[param.offset..param.offset + param.len].copy_from_slice(value);
        }
        Ok(bytes)
    }

    /// Most threads of a block in x, y and z, if the kernel says so.
    #[must_use]
    pub fn max_threads(&self) -> Option<[u32; 3]> {
        self.max_threads
    }

    /// The threads of a block in x, y and z, if the kernel fixes them.
    #[must_use]
    pub fn required_threads(&self) -> Option<[u32; 3]> {
        self.required_threads
    }

    /// Static shared memory of a block in bytes; 0 if the kernel cannot run.
    #[must_use]
    pub fn shared_len(&self) -> usize {
        self.program.as_ref().map_or(0, |program| program.shared_len)
    }

    /// Local memory of a thread in bytes; 0 if the kernel cannot run.
    #[must_use]
    pub fn local_len(&self) -> usize {
        self.program.as_ref().map_or(0, |program| program.local_len)
    }

    /// Compiles the kernel, which its first launch would do otherwise. Whether it is machine code now: where there is no
    /// compiler that takes it, it runs in the interpreter.
    pub fn compile(&self) -> bool {
        #[cfg(jit)]
        return self.compiled().is_some();
        #[cfg(not(jit))]
        false
    }

    pub(crate) fn program(&self) -> Result<&Program, &Error> {
        self.program.as_ref()
    }

    /// The kernel as machine code, if there is a compiler that takes it. The first call compiles it.
    #[cfg(jit)]
    pub(crate) fn compiled(&self) -> Option<&crate::jit::Compiled> {
        let program = self.program.as_ref().ok()?;
        self.compiled.get_or_init(|| crate::jit::Compiled::new(program, self.params_len)).as_ref()
    }
}

/// A module of PTX.
pub struct Module {
    ast: Ast,
    layout: Layout,
    kernels: Vec<Kernel>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("version", &self.ast.version)
            .field("kernels", &self.kernels)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Reads a module. Instructions that this machine does not know are no error yet: [`Module::check`] names them, and
    /// only the kernels that use them cannot run.
    ///
    /// # Errors
    /// If the text is not PTX, a name is not declared, or something is too large.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let ast = parser::parse(text)?;
        let layout = Layout::new(&ast)?;
        let (mut kernels, mut effort) = (Vec::new(), lower::EFFORT);
        for function in ast.functions.iter().filter(|function| function.entry) {
            let (mut params, mut end) = (Vec::new(), 0usize);
            for id in &function.params {
                let variable = ast.variable(*id);
                let offset = end.next_multiple_of(variable.align.max(1) as usize);
                params.push(Param { offset, len: variable.len as usize });
                end = offset + variable.len as usize;
            }
            kernels.push(Kernel {
                name: function.name.clone(),
                params,
                params_len: end,
                max_threads: function.max_threads,
                required_threads: function.required_threads,
                program: lower::lower(&ast, &layout, function, &mut effort),
                #[cfg(jit)]
                compiled: OnceLock::new(),
            });
        }
        Ok(Self { ast, layout, kernels })
    }

    /// What in the module is not in the reproducible profile; nothing, if it may run.
    #[must_use]
    pub fn check(&self) -> Vec<Refusal> {
        check::check(&self.ast, self.kernels.iter().filter_map(|kernel| kernel.program.as_ref().err()))
    }

    /// The kernel with this name.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }

    /// All kernels in the order of the text.
    #[must_use]
    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The PTX version of the header.
    #[must_use]
    pub fn version(&self) -> (u32, u32) {
        self.ast.version
    }

    /// The target of the header, for example `sm_80`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.ast.target
    }

    /// Bytes of the module's variables when a unit starts.
    pub(crate) fn image(&self) -> &[u8] {
        &self.layout.image
    }
}
