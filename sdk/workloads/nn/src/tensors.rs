//! Weights in `safetensors` files: one file, or several with an index. Stored in 16 or 32 bits, they become floats of 32
//! bits, which holds each of their values exactly.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::{
    error::{NnError, Result},
    files,
};

/// Most files that an index names.
const MAX_FILES: usize = 1024;

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The weights of a folder, as bytes.
pub(crate) struct WeightFiles {
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl WeightFiles {
    /// Reads `model.safetensors`, or all files that `model.safetensors.index.json` names.
    pub fn read(folder: &Path) -> Result<Self> {
        let index_path = folder.join("model.safetensors.index.json");
        let whole = folder.join("model.safetensors");
        let index: Option<Index> = if whole.exists() { None } else { files::json_if_there(&index_path)? };
        let mut paths = vec![];
        match index {
            None => paths.push(whole),
            Some(index) => {
                let mut names: Vec<&String> = index.weight_map.values().collect();
                names.sort_unstable();
                names.dedup();
                if names.len() > MAX_FILES {
                    let reason = format!("names {} files, expected at most {MAX_FILES}", names.len());
                    return Err(NnError::Content { path: index_path, reason });
                }
                for name in names {
                    paths.push(files::beside(&index_path, name)?);
                }
            }
        }
        let read = |path: PathBuf| files::weights(&path).map(|bytes| (path, bytes));
        Ok(Self { files: paths.into_iter().map(read).collect::<Result<_>>()? })
    }

    /// The tensors in them. `prefixes` are what names may begin with: the first that a file uses is left out.
    pub fn tensors(&self, prefixes: &[&str]) -> Result<Tensors<'_>> {
        let mut tensors = BTreeMap::new();
        for (path, bytes) in &self.files {
            let parsed = SafeTensors::deserialize(bytes).map_err(|error| NnError::Content {
                path: path.clone(),
                reason: format!("not a whole safetensors file: {error}"),
            })?;
            for (name, view) in parsed.tensors() {
                let short = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_string();
                let found = Found { path, name, dtype: view.dtype(), shape: view.shape().to_vec(), data: view.data() };
                tensors.insert(short, found);
            }
        }
        let home = self.files.first().map(|(path, _)| path.as_path()).unwrap_or(Path::new(""));
        Ok(Tensors { home, tensors })
    }
}

struct Found<'a> {
    path: &'a Path,
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: &'a [u8],
}

/// Tensors by name.
pub(crate) struct Tensors<'a> {
    home: &'a Path,
    tensors: BTreeMap<String, Found<'a>>,
}

impl Tensors<'_> {
    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The values of a tensor in row-major order. Memory is taken only for a tensor that is there in this shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(found) = self.tensors.get(name) else {
            return Err(NnError::Tensor {
                path: self.home.into(),
                tensor: name.into(),
                expected: format!("shape {shape:?}"),
                found: "no such tensor".into(),
            });
        };
        let wrong = |expected: String, value: String| NnError::Tensor {
            path: found.path.into(),
            tensor: found.name.clone(),
            expected,
            found: value,
        };
        if found.shape != shape {
            return Err(wrong(format!("shape {shape:?}"), format!("shape {:?}", found.shape)));
        }
        let values: Vec<f32> = match found.dtype {
            Dtype::F32 => found.data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Dtype::F16 => found.data.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => found.data.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            other => return Err(wrong("values of type F32, F16 or BF16".into(), format!("type {other:?}"))),
        };
        let count = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
        if count != Some(values.len()) {
            return Err(wrong(format!("shape {shape:?}"), format!("{} values", values.len())));
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(wrong("finite values".into(), format!("{} in place {at}", values[at]))),
            None => Ok(values),
        }
    }
}
