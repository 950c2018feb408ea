//! From a kernel's source to the text of a module.

use std::{fs, path::Path};

use tessera_protocol::spec::MAX_MODULE_LEN;

use crate::{KernelsError, Result, nvrtc::Nvrtc};

include!(concat!(env!("OUT_DIR"), "/compiler.rs"));

/// The text of a module: of a `.ptx` file as it is, of a `.cu` file compiled.
///
/// # Errors
/// If the file cannot be read, is neither, or does not compile.
pub fn module_text(path: &Path) -> Result<String> {
    let text = match path.extension().and_then(|extension| extension.to_str()) {
        Some("cu") => compile(path)?,
        Some("ptx") => read(path)?,
        _ => {
            let reason = "expected a name that ends in .cu (CUDA C++) or .ptx".into();
            return Err(KernelsError::Content { path: path.to_owned(), reason });
        }
    };
    check_len(path, text)
}

/// The text, unless it is too long for a module.
pub(crate) fn check_len(path: &Path, text: String) -> Result<String> {
    if text.len() as u64 > MAX_MODULE_LEN {
        let reason = format!("a module of {} bytes, at most {MAX_MODULE_LEN}", text.len());
        return Err(KernelsError::Content { path: path.to_owned(), reason });
    }
    Ok(text)
}

/// Compiles CUDA C++ to PTX with the options of the reproducible profile. Includes are looked for among the headers of
/// this crate ([`HEADERS`]) and beside the source.
///
/// # Errors
/// If there is no compiler on this machine, or it refuses the source.
pub fn compile(path: &Path) -> Result<String> {
    let source = read(path)?;
    let nvrtc = Nvrtc::load()?;
    // By its name alone, so that the folder it lies in changes nothing in the PTX.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut options: Vec<String> = OPTIONS.iter().map(|option| (*option).to_owned()).collect();
    options.push(format!("-I{}", folder.display()));
    nvrtc.compile(&name, &source, HEADERS, &options).map_err(|log| KernelsError::Compile { path: path.to_owned(), log })
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| KernelsError::File {
        what: "module".into(),
        path: path.to_owned(),
        source,
        remedy: "check the path".into(),
    })
}
