//! The bytes of a glTF file and of what it refers to. Nothing in them is trusted.

use std::{borrow::Cow, cell::Cell, fs::File, io::Read, path::Path};

use gltf::json::{self, validation::Validate};

use super::accessor::Cache;
use crate::error::{RenderError, Result};

/// Extensions that a file may require.
const SUPPORTED: [&str; 15] = [
    "EXT_mesh_gpu_instancing",
    "EXT_texture_webp",
    "KHR_lights_punctual",
    "KHR_materials_anisotropy",
    "KHR_materials_clearcoat",
    "KHR_materials_emissive_strength",
    "KHR_materials_ior",
    "KHR_materials_iridescence",
    "KHR_materials_sheen",
    "KHR_materials_specular",
    "KHR_materials_transmission",
    "KHR_materials_unlit",
    "KHR_materials_volume",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
];
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 30;
/// Most values in the JSON part. In memory each takes up to some hundreds of bytes.
const MAX_VALUES: u64 = 4 << 20;

/// A glTF file being read.
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub root: json::Root,
    pub buffers: Vec<Cow<'a, [u8]>>,
    pub budget: Budget,
    pub cache: Cache,
}

/// Memory that a scene may still take. What is taken is not given back: this bounds what a file can ask for, and need
/// not be exact.
pub(super) struct Budget {
    whole: u64,
    left: Cell<u64>,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Self { whole: bytes, left: Cell::new(bytes) }
    }

    /// Takes memory for `count` things of `size` bytes.
    pub(super) fn take(&self, count: usize, size: usize, what: &str) -> Result<()> {
        let bytes = (count as u64).saturating_mul(size as u64);
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            let (left, whole) = (self.left.get(), self.whole);
            RenderError::TooLarge(format!("{what} would take {bytes} bytes, {left} of {whole} are left"))
        })?;
        self.left.set(left);
        Ok(())
    }
}

impl<'a> Source<'a> {
    /// Parses and checks the JSON part and reads all buffers.
    pub(super) fn read(bytes: &'a [u8], path: &'a Path, memory: u64) -> Result<Self> {
        let broken = |reason: String| RenderError::Scene { path: path.into(), reason };
        let (text, mut binary) = split(bytes).map_err(broken)?;
        let values = text.iter().filter(|b| matches!(b, b',' | b'{' | b'[')).count() as u64;
        if values > MAX_VALUES {
            return Err(RenderError::TooLarge(format!("{values} values in the JSON part, at most {MAX_VALUES}")));
        }
        let mut root: json::Root = json::deserialize::from_slice(text).map_err(|e| broken(e.to_string()))?;
        if let Some(name) = root.extensions_required.iter().find(|name| !SUPPORTED.contains(&name.as_str())) {
            return Err(RenderError::Unsupported { path: path.into(), feature: format!("glTF extension {name}") });
        }
        // What remains of this list would only be refused by the crate, which knows fewer extensions.
        root.extensions_required.clear();
        validate(&root).map_err(broken)?;
        let mut source = Self { path, root, buffers: Vec::new(), budget: Budget::new(memory), cache: Cache::default() };
        source.budget.take(bytes.len(), 1, "the scene file")?;
        for index in 0..source.root.buffers.len() {
            let data = source.buffer(index, &mut binary)?;
            source.buffers.push(data);
        }
        Ok(source)
    }

    pub(super) fn broken(&self, reason: impl Into<String>) -> RenderError {
        RenderError::Scene { path: self.path.into(), reason: reason.into() }
    }

    fn buffer(&self, index: usize, binary: &mut Option<&'a [u8]>) -> Result<Cow<'a, [u8]>> {
        let buffer = &self.root.buffers[index];
        let data = match &buffer.uri {
            Some(uri) => Cow::Owned(self.uri(uri)?),
            None => {
                binary.take().ok_or_else(|| self.broken(format!("buffer {index} has neither data nor a URI")))?.into()
            }
        };
        let expected = buffer.byte_length.0;
        if (data.len() as u64) < expected {
            return Err(self.broken(format!("buffer {index} has {} bytes, expected {expected}", data.len())));
        }
        Ok(data)
    }

    /// The bytes behind a `data:` URI, or of a file in the scene's folder or below it.
    pub(super) fn uri(&self, uri: &str) -> Result<Vec<u8>> {
        let shown = || uri.chars().take(60).collect::<String>();
        if uri.starts_with("data:") {
            self.budget.take(uri.len(), 1, "a data URI")?;
            let data = gltf::buffer::Data::from_source(gltf::buffer::Source::Uri(uri), None);
            return data.map(|d| d.0).map_err(|e| self.broken(format!("broken data URI: {e}")));
        }
        if uri.contains(':') {
            return Err(self.broken(format!("URI {:?} is neither data nor a relative path", shown())));
        }
        let name = percent_decode(uri).ok_or_else(|| self.broken(format!("broken URI {:?}", shown())))?;
        // What a scene names goes to workers with it, so it names nothing but its own files.
        let inside = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
        if !Path::new(&name).components().all(inside) {
            return Err(self.broken(format!("URI {:?} lies outside of the scene's folder", shown())));
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let bytes = read_file(&folder.join(name))?;
        self.budget.take(bytes.len(), 1, "a file of the scene")?;
        Ok(bytes)
    }
}

/// The crate's checks: all indices lie in range, all enumerations are known. Reports what it finds first.
fn validate(root: &json::Root) -> std::result::Result<(), String> {
    // The crate indexes accessors by a primitive's attributes before it has checked these.
    let count = root.accessors.len();
    let primitives = root.meshes.iter().flat_map(|mesh| &mesh.primitives);
    if let Some(index) = primitives.flat_map(|p| p.attributes.values()).find(|index| index.value() >= count) {
        return Err(format!("a mesh names accessor {}, the file has {count}", index.value()));
    }
    let mut first = None;
    root.validate(root, json::Path::new, &mut |path, error| {
        first.get_or_insert_with(|| format!("{}: {error}", path()));
    });
    first.map_or(Ok(()), Err)
}

/// The JSON part of a file and, of a `.glb`, the binary part.
fn split(bytes: &[u8]) -> std::result::Result<(&[u8], Option<&[u8]>), String> {
    if !bytes.starts_with(b"glTF") {
        return Ok((bytes, None));
    }
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        word.ok_or_else(|| "the file ends within a header".to_string())
    };
    let (version, length) = (word(bytes, 4)?, word(bytes, 8)? as usize);
    if version != 2 {
        return Err(format!("the container has version {version}, expected 2"));
    }
    let mut rest = bytes.get(12..length).ok_or_else(|| format!("the file has {} bytes of {length}", bytes.len()))?;
    let mut parts = [None; 2];
    for (part, kind) in parts.iter_mut().zip([b"JSON", b"BIN\0"]) {
        if rest.is_empty() || rest.get(4..8).is_some_and(|found| found != kind) {
            break;
        }
        let size = word(rest, 0)? as usize;
        *part = Some(rest.get(8..8 + size).ok_or("a chunk ends outside of the file")?);
        rest = rest.get((8 + size).next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok((parts[0].ok_or("the file does not start with JSON")?, parts[1]))
}

/// Reads a whole file of bounded size.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| RenderError::File { action: "read", path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(failed(std::io::Error::other("not a regular file")));
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read.
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(RenderError::TooLarge(format!("{} has more than {MAX_FILE} bytes", path.display())));
    }
    Ok(bytes)
}

fn percent_decode(uri: &str) -> Option<String> {
    let (mut out, mut bytes) = (Vec::with_capacity(uri.len()), uri.bytes());
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let digit = |b: u8| char::from(b).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            (high * 16 + low) as u8
        } else {
            byte
        });
    }
    String::from_utf8(out).ok()
}
