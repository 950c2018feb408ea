//! Compiled code: a program becomes one function of the host's machine code that runs a range of threads, one after the
//! other, and does what the interpreter does: the same bits, the same gas, the same faults.
//!
//! Slots become values of Cranelift (`translate.rs`, `values.rs`); what is known of each is worked out for the whole
//! program before (`kinds.rs`, `addresses.rs`). An address that comes from a parameter counts from the start of its
//! buffer, so that an access costs one comparison (`access.rs`). What is rare, faults above all, is left to functions that
//! the interpreter uses too (`context.rs`). A thread that waits keeps what it will still need in its frame (`control.rs`).
//! Four operations in a row that do the same, as in products of matrices, are one on a vector (`packs.rs`, `vectors.rs`).

mod access;
mod addresses;
mod arithmetic;
mod bitfield;
mod context;
mod control;
mod float;
mod flow;
mod kinds;
mod loops;
mod packs;
mod prepare;
mod slots;
#[cfg(test)]
mod tests;
mod translate;
mod values;
mod vectors;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use cranelift_codegen::Context as Compilation;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, UserFuncName};
use cranelift_codegen::isa::CallConv;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};

use crate::ir::Program;
use crate::machine::{Engine, Host, Shape, Stopped, Threads};
use crate::memory::Memory;
use context::{Context, Entry, Regions, status};
use kinds::{Kinds, Root};
use packs::Packs;
use prepare::Prepared;
use translate::{Callees, Features, Translator};

/// Most operations of a program that is compiled; larger ones run in the interpreter.
const MAX_OPERATIONS: usize = 1 << 16;
/// Most bits of the sets of live slots.
const MAX_LIVENESS: usize = 1 << 31;

/// A program as machine code.
pub(crate) struct Compiled {
    entry: Entry,
    /// The program as its code sees it: with slots for what frames hold.
    program: Program,
    roots: Vec<Root>,
    /// Owns the code; `None` only while it is dropped.
    module: Mutex<Option<JITModule>>,
}

impl Drop for Compiled {
    fn drop(&mut self) {
        let module = self.module.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(module) = module {
            // SAFETY: engines borrow `self`, so none is left that could run the code.
            unsafe { module.free_memory() }
        }
    }
}

impl Compiled {
    /// Compiles a program; `None` if it is too large or this machine is not known.
    pub fn new(program: &Program, params_len: usize) -> Option<Self> {
        let liveness = program.blocks.len().saturating_mul(program.slots.len() + program.ops.len());
        if program.ops.len() > MAX_OPERATIONS || liveness > MAX_LIVENESS {
            return None;
        }
        let mut module = module()?;
        let features = features(&module);
        let prepared = Prepared::new(program);
        let kinds = Kinds::new(&prepared, params_len);
        let entry = Compiler { module: &mut module, features }.program(&prepared, &kinds, params_len)?;
        module.finalize_definitions().ok()?;
        let code = module.get_finalized_function(entry);
        // SAFETY: `Compiler::program` declared the function with this signature, in the host's calling convention.
        let entry = unsafe { core::mem::transmute::<*const u8, Entry>(code) };
        let mut program = prepared.program;
        let kept = prepared.kept;
        program.slots.truncate(kept);
        program.constants.retain(|(slot, _)| (*slot as usize) < kept);
        Some(Self { entry, program, roots: kinds.roots, module: Mutex::new(Some(module)) })
    }

    /// The program whose blocks and frames the code uses.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What engines of one launch share.
    pub fn launch<'a>(&'a self, memory: &Memory, params: &[u8]) -> Launched<'a> {
        Launched { compiled: self, regions: Regions::new(memory, &self.roots, params) }
    }
}

/// Compiled code with the memory of a launch.
pub(crate) struct Launched<'a> {
    compiled: &'a Compiled,
    regions: Regions,
}

/// Runs threads through compiled code.
pub(crate) struct Native<'a>(pub &'a Launched<'a>);

impl Engine for Native<'_> {
    fn resume(
        &mut self,
        host: &mut Host<'_>,
        threads: &mut Threads,
        range: Range<usize>,
        shape: &Shape,
    ) -> Result<(), Stopped> {
        let Launched { compiled, regions } = self.0;
        let mut context = Context::new(&compiled.program, regions, host, threads, shape);
        // SAFETY: the code was made for this program, the context points to what this function borrows, and `threads` has
        // room for every thread of the range.
        let done = unsafe { (compiled.entry)(&raw mut context, range.start as u32, range.end as u32) };
        if done == status::DONE { Ok(()) } else { Err(context.stopped()) }
    }
}

/// An empty module for this machine.
fn module() -> Option<JITModule> {
    let mut flags = settings::builder();
    flags.set("opt_level", "speed").ok()?;
    flags.set("use_colocated_libcalls", "false").ok()?;
    flags.set("is_pic", "false").ok()?;
    flags.set("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }).ok()?;
    flags.set("unwind_info", "false").ok()?;
    let isa = cranelift_native::builder().ok()?.finish(settings::Flags::new(flags)).ok()?;
    let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
    builder.symbol("access", context::access as *const u8).symbol("look", context::look as *const u8);
    Some(JITModule::new(builder))
}

fn features(module: &JITModule) -> Features {
    if cfg!(not(target_arch = "x86_64")) {
        return Features { fma: true, round: true, vectors: cfg!(target_arch = "aarch64") };
    }
    let has =
        |name: &str| module.isa().isa_flags().iter().any(|flag| flag.name == name && flag.as_bool() == Some(true));
    Features { fma: has("has_fma") && has("has_avx"), round: has("has_sse41"), vectors: has("has_sse41") }
}

struct Compiler<'a> {
    module: &'a mut JITModule,
    features: Features,
}

impl Compiler<'_> {
    fn signature(&self, params: &[cranelift_codegen::ir::Type], results: &[cranelift_codegen::ir::Type]) -> Signature {
        let mut signature = self.module.make_signature();
        signature.params.extend(params.iter().map(|ty| AbiParam::new(*ty)));
        signature.returns.extend(results.iter().map(|ty| AbiParam::new(*ty)));
        signature
    }

    /// A function that calls one of ours and keeps all registers, so that code around calls that are rare needs not save any.
    fn keeper(&mut self, name: &str) -> Option<FuncId> {
        let outer = self.signature(&[I64, I32, I64], &[]);
        let callee = self.module.declare_function(name, Linkage::Import, &outer).ok()?;
        let mut kept = outer;
        kept.call_conv = CallConv::PreserveAll;
        let keeper = self.module.declare_function(&format!("keep_{name}"), Linkage::Local, &kept).ok()?;
        let mut compilation = self.module.make_context();
        compilation.func.signature = kept;
        compilation.func.name = UserFuncName::user(0, keeper.as_u32());
        let mut building = FunctionBuilderContext::new();
        let mut b = FunctionBuilder::new(&mut compilation.func, &mut building);
        let block = b.create_block();
        b.append_block_params_for_function_params(block);
        b.switch_to_block(block);
        b.seal_block(block);
        let callee = self.module.declare_func_in_func(callee, b.func);
        let arguments = b.block_params(block).to_vec();
        b.ins().call(callee, &arguments);
        b.ins().return_(&[]);
        b.finalize(self.module.isa().frontend_config());
        self.module.define_function(keeper, &mut compilation).ok()?;
        Some(keeper)
    }

    fn program(&mut self, prepared: &Prepared, kinds: &Kinds, params_len: usize) -> Option<FuncId> {
        let (access, look) = (self.keeper("access")?, self.keeper("look")?);
        let signature = self.signature(&[I64, I32, I32], &[I32]);
        let entry = self.module.declare_function("threads", Linkage::Local, &signature).ok()?;
        let mut compilation: Compilation = self.module.make_context();
        compilation.func.signature = signature;
        compilation.func.name = UserFuncName::user(0, entry.as_u32());
        let mut building = FunctionBuilderContext::new();
        let mut b = FunctionBuilder::new(&mut compilation.func, &mut building);
        let callees = Callees {
            access: self.module.declare_func_in_func(access, b.func),
            look: self.module.declare_func_in_func(look, b.func),
            scalar: b.import_signature(self.signature(&[I64, I64, I64, I32], &[I64])),
            zero: b.import_signature(self.signature(&[I64, I64], &[])),
        };
        let config = self.module.isa().frontend_config();
        let packs = Packs::new(prepared, kinds, self.features, config);
        Translator::new(b, prepared, kinds, &packs, params_len, self.features, callees).program(config);
        self.module.define_function(entry, &mut compilation).ok()?;
        Some(entry)
    }
}
