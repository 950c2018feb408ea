//! Modules, the linker, and kernels.
//!
//! The "machine code" of this driver is the PTX text behind a header, which names the version of the driver that made
//! it, so that what one version linked is refused by another, as with a real one.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use tessera_ptx::Module;

use crate::status::{
    INVALID_HANDLE, INVALID_IMAGE, INVALID_PTX, INVALID_VALUE, NO_BINARY_FOR_GPU, NOT_FOUND, NOT_SUPPORTED, SUCCESS,
    Status, UNSUPPORTED_PTX_VERSION, status,
};
use crate::stream::{Job, KernelCall};
use crate::world::{Function, find, lock, world};
use crate::{put, settings};

/// First bytes of an image; those of a real one are `ELF` as well.
const MAGIC: &[u8; 12] = b"\x7fELFfakecuda";
/// Magic, version of the driver, length of the text.
const HEADER: usize = 12 + 4 + 8;

/// Reads PTX text; like an old driver, this one refuses a version above its own.
fn parse(text: &str) -> Result<Module, Status> {
    let parsed = Module::parse(text).map_err(|error| {
        eprintln!("fake CUDA driver: {error}");
        INVALID_PTX
    })?;
    if parsed.version() > settings::newest_ptx() { Err(UNSUPPORTED_PTX_VERSION) } else { Ok(parsed) }
}

fn image(text: &str) -> Vec<u8> {
    let (version, len) = (settings::version().to_le_bytes(), (text.len() as u64).to_le_bytes());
    [MAGIC.as_slice(), &version, &len, text.as_bytes()].concat()
}

/// The text of an image or of PTX.
///
/// # Safety
/// `at` points to a whole image or to text that ends with a zero.
unsafe fn text<'a>(at: *const u8) -> Result<(&'a str, &'static str), Status> {
    // SAFETY: text ends with a zero; one byte after the other is compared, so that nothing behind it is read.
    if unsafe { (0..MAGIC.len()).any(|i| *at.add(i) != MAGIC[i]) } {
        // SAFETY: it is text.
        let text = unsafe { CStr::from_ptr(at.cast()) };
        return text.to_str().map(|text| (text, "ptx")).map_err(|_| INVALID_IMAGE);
    }
    // SAFETY: it is an image, whose header is complete.
    let header = unsafe { std::slice::from_raw_parts(at, HEADER) };
    let (mut version, mut len) = ([0; 4], [0; 8]);
    version.copy_from_slice(&header[12..16]);
    len.copy_from_slice(&header[16..]);
    if i32::from_le_bytes(version) != settings::version() {
        return Err(NO_BINARY_FOR_GPU);
    }
    // SAFETY: it is a whole image.
    let text = unsafe { std::slice::from_raw_parts(at.add(HEADER), u64::from_le_bytes(len) as usize) };
    std::str::from_utf8(text).map(|text| (text, "image")).map_err(|_| INVALID_IMAGE)
}

/// The parameters of a kernel as one block of bytes.
///
/// # Safety
/// There is one pointer for each parameter, valid for its bytes.
pub unsafe fn params(function: &Function, pointers: *const *const u8) -> Result<Vec<u8>, Status> {
    let kernel = function.module.kernel(&function.kernel).ok_or(NOT_FOUND)?;
    let mut bytes = vec![0; kernel.params_len()];
    for (i, param) in kernel.params().iter().enumerate() {
        // SAFETY: as the caller vouches.
        let value = unsafe { std::slice::from_raw_parts(*pointers.add(i), param.len) };
        bytes[param.offset..param.offset + param.len].copy_from_slice(value);
    }
    Ok(bytes)
}

driver! {
    /// Loads a module of PTX text, or an image that the linker made.
    fn cuModuleLoadData(module: *mut usize, from: *const u8) {
        let load = || {
            // SAFETY: valid by the contract of the API.
            let (text, what) = unsafe { text(from) }?;
            settings::log(&format!("load {what}"));
            let device = world().healthy()?.ordinal;
            Ok((Arc::new(parse(text)?), device))
        };
        match load() {
            // SAFETY: valid by the contract of the API.
            Ok(loaded) => unsafe { put(module, world().add(&world().modules, loaded)) },
            Err(error) => error,
        }
    }

    /// Forgets a module.
    fn cuModuleUnload(module: usize) {
        if lock(&world().modules).remove(&module).is_some() { SUCCESS } else { INVALID_HANDLE }
    }

    /// A kernel of a module.
    fn cuModuleGetFunction(function: *mut usize, module: usize, name: *const c_char) {
        // SAFETY: names end with a zero.
        let Ok(kernel) = unsafe { CStr::from_ptr(name) }.to_str() else { return INVALID_VALUE };
        let Ok((module, device)) = find(&world().modules, module) else { return INVALID_HANDLE };
        if module.kernel(kernel).is_none() {
            return NOT_FOUND;
        }
        let found = Function { module, kernel: kernel.to_string(), device };
        // SAFETY: valid by the contract of the API.
        unsafe { put(function, world().add(&world().functions, found)) }
    }

    /// Starts to link.
    fn cuLinkCreate_v2(_count: c_uint, _options: *mut c_int, _values: *mut *mut c_void, state: *mut usize) {
        if settings::fails("link") {
            return NOT_SUPPORTED;
        }
        // SAFETY: valid by the contract of the API.
        unsafe { put(state, world().add(&world().links, Vec::new())) }
    }

    /// Gives PTX text to the linker.
    fn cuLinkAddData_v2(
        state: usize, _kind: c_int, data: *const u8, len: usize, _name: *const c_char,
        _count: c_uint, _options: *mut c_int, _values: *mut *mut c_void,
    ) {
        // SAFETY: valid by the contract of the API.
        let bytes = unsafe { std::slice::from_raw_parts(data, len) };
        let add = || {
            let text = CStr::from_bytes_until_nul(bytes).map_err(|_| INVALID_PTX)?.to_str().map_err(|_| INVALID_PTX)?;
            parse(text)?;
            *lock(&world().links).get_mut(&state).ok_or(INVALID_HANDLE)? = image(text);
            Ok(())
        };
        status(add())
    }

    /// The linked image, which lives as long as the link state.
    fn cuLinkComplete(state: usize, to: *mut *mut c_void, len: *mut usize) {
        settings::log("link");
        let mut links = lock(&world().links);
        let Some(image) = links.get_mut(&state) else { return INVALID_HANDLE };
        // SAFETY: valid by the contract of the API.
        unsafe {
            put(len, image.len());
            put(to, image.as_mut_ptr().cast())
        }
    }

    /// Forgets what was linked.
    fn cuLinkDestroy(state: usize) {
        if lock(&world().links).remove(&state).is_some() { SUCCESS } else { INVALID_HANDLE }
    }

    /// Runs a kernel in a stream.
    fn cuLaunchKernel(
        function: usize,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared_len: c_uint, stream: usize, pointers: *const *const u8, _extra: *const c_void,
    ) {
        let launch = || {
            let function = find(&world().functions, function)?;
            let stream = find(&world().streams, stream)?;
            stream.takes(&function)?;
            // SAFETY: valid by the contract of the API.
            let params = unsafe { params(&function, pointers) }?;
            settings::log(&format!("launch {}", function.kernel));
            let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
            stream.push(Job::Launch(KernelCall { function, grid, block, shared_len, params }))
        };
        status(launch())
    }
}
