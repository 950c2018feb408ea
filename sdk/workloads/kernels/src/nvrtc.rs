//! NVRTC, loaded from where it is found when it is needed.

use std::{
    error::Error as _,
    ffi::{CStr, CString, c_char, c_int},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    ptr,
    sync::OnceLock,
};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::{KernelsError, Result, compile::VERSION};

/// Names of the library, newest first. Older ones lack options of the profile or write other PTX.
const NAMES: [&str; 2] = ["libnvrtc.so.13", "libnvrtc.so.12"];
/// Names a folder with the library, or the library itself.
const VARIABLE: &str = "TESSERA_NVRTC";

/// A program of NVRTC.
type Program = *mut std::ffi::c_void;
type Texts = *const *const c_char;
type Size = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type Text = unsafe extern "C" fn(Program, *mut c_char) -> c_int;

/// The functions of NVRTC that are used here. The library stays loaded as long as the process lives.
pub(crate) struct Nvrtc {
    create: unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, Texts, Texts) -> c_int,
    compile: unsafe extern "C" fn(Program, c_int, Texts) -> c_int,
    log_size: Size,
    log: Text,
    ptx_size: Size,
    ptx: Text,
    destroy: unsafe extern "C" fn(*mut Program) -> c_int,
    error: unsafe extern "C" fn(c_int) -> *const c_char,
}

impl Nvrtc {
    /// The compiler of this machine.
    pub fn load() -> Result<&'static Self> {
        static LOADED: OnceLock<Nvrtc> = OnceLock::new();
        if let Some(loaded) = LOADED.get() {
            return Ok(loaded);
        }
        let mut looked = vec![];
        for place in places() {
            match Self::open(&place) {
                Ok(found) => return Ok(LOADED.get_or_init(|| found)),
                // What the loader says stands in the cause.
                Err(error) => looked.push(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
            }
        }
        Err(KernelsError::NoCompiler { looked: looked.join("; ") })
    }

    fn open(place: &Path) -> std::result::Result<Self, libloading::Error> {
        if let Some(folder) = place.parent().filter(|folder| folder.is_absolute()) {
            // NVRTC opens its builtins by name, which finds them only if they are loaded already.
            for builtins in files(folder).filter(|path| starts_with(path, "libnvrtc-builtins.so")) {
                // SAFETY: a library of the compiler; its start-up code is trusted as the compiler's own.
                std::mem::forget(unsafe { Library::open(Some(builtins), RTLD_NOW | RTLD_GLOBAL) }?);
            }
        }
        // SAFETY: as above.
        let library = unsafe { Library::open(Some(place), RTLD_NOW) }?;
        // SAFETY: the types are those of nvrtc.h, which have not changed since the first version.
        let loaded = unsafe {
            Self {
                create: *library.get(b"nvrtcCreateProgram")?,
                compile: *library.get(b"nvrtcCompileProgram")?,
                log_size: *library.get(b"nvrtcGetProgramLogSize")?,
                log: *library.get(b"nvrtcGetProgramLog")?,
                ptx_size: *library.get(b"nvrtcGetPTXSize")?,
                ptx: *library.get(b"nvrtcGetPTX")?,
                destroy: *library.get(b"nvrtcDestroyProgram")?,
                error: *library.get(b"nvrtcGetErrorString")?,
            }
        };
        // The functions must outlive every use of them.
        std::mem::forget(library);
        Ok(loaded)
    }

    /// Compiles a source to PTX; `Err` is what the compiler says. `headers` are names and texts.
    pub fn compile(
        &self,
        name: &str,
        source: &str,
        headers: &[(&str, &str)],
        options: &[String],
    ) -> std::result::Result<String, String> {
        let source = text(source)?;
        let name = text(name)?;
        let names: Vec<CString> = headers.iter().map(|(name, _)| text(name)).collect::<std::result::Result<_, _>>()?;
        let texts: Vec<CString> = headers.iter().map(|(_, body)| text(body)).collect::<std::result::Result<_, _>>()?;
        let options: Vec<CString> = options.iter().map(|option| text(option)).collect::<std::result::Result<_, _>>()?;
        let (names, texts, options) = (pointers(&names), pointers(&texts), pointers(&options));
        let count = |list: &[*const c_char]| c_int::try_from(list.len()).map_err(|_| "too many options".to_owned());
        let (headers, count) = (count(&names)?, count(&options)?);

        let mut program = ptr::null_mut();
        // SAFETY: all texts end in zero and live until the end of this function; the lists have the lengths given.
        let made = unsafe {
            let (source, name) = (source.as_ptr(), name.as_ptr());
            (self.create)(&mut program, source, name, headers, texts.as_ptr(), names.as_ptr())
        };
        if made != 0 {
            return Err(self.error(made));
        }
        // SAFETY: the program was made above.
        let status = unsafe { (self.compile)(program, count, options.as_ptr()) };
        let result = if status == 0 {
            self.text_of(program, self.ptx_size, self.ptx)
        } else {
            let log = self.text_of(program, self.log_size, self.log);
            log.and_then(|log| Err(if log.trim().is_empty() { self.error(status) } else { log.trim().to_owned() }))
        };
        // SAFETY: the program was made above and is not used again.
        unsafe { (self.destroy)(&mut program) };
        result
    }

    fn text_of(&self, program: Program, size: Size, get: Text) -> std::result::Result<String, String> {
        let mut len = 0;
        // SAFETY: writes one number.
        let status = unsafe { size(program, &mut len) };
        if status != 0 {
            return Err(self.error(status));
        }
        let mut bytes = vec![0u8; len];
        // SAFETY: writes as many bytes as it said before, the last of them zero.
        let status = unsafe { get(program, bytes.as_mut_ptr().cast()) };
        if status != 0 {
            return Err(self.error(status));
        }
        bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(len));
        String::from_utf8(bytes).map_err(|_| "the compiler's answer is not Unicode".into())
    }

    fn error(&self, status: c_int) -> String {
        // SAFETY: gives a constant text for every number.
        let text = unsafe { (self.error)(status) };
        if text.is_null() {
            return format!("the compiler gave error {status}");
        }
        // SAFETY: a constant text that ends in zero.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

/// Where the library may be, in the order in which it is looked for. What the user names is the only place then.
fn places() -> Vec<PathBuf> {
    if let Some(given) = std::env::var_os(VARIABLE).filter(|given| !given.is_empty()) {
        let given = PathBuf::from(given);
        let given = std::path::absolute(&given).unwrap_or(given);
        return if given.is_dir() { NAMES.map(|name| given.join(name)).into() } else { vec![given] };
    }
    let cache = directories::BaseDirs::new().map(|base| base.cache_dir().join(format!("tessera/nvrtc-{VERSION}")));
    let cached = cache.into_iter().flat_map(|folder| NAMES.map(|name| folder.join(name))).filter(|path| path.exists());
    cached.chain(NAMES.map(PathBuf::from)).collect()
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn starts_with(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(start.as_bytes()))
}

fn text(text: &str) -> std::result::Result<CString, String> {
    CString::new(text).map_err(|_| "the source has a zero byte in it; is it a text?".into())
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}
