//! Files of samples and of text. Nothing in them is trusted.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use npyz::{DType, NpyFile, TypeChar};
use safetensors::{Dtype, SafeTensors};

use super::{Content, MAX_COUNT};
use crate::{
    error::{Result, TrainError, setting},
    plan::Data,
};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 30;
/// Most values of a sample, and most classes.
const MAX_WIDTH: usize = 1 << 20;
const MAX_CLASSES: usize = 65_536;

/// The content of each file.
pub(super) fn read(data: &Data) -> Result<Vec<Content>> {
    let contents: Vec<Content> = match data {
        Data::Text { files, .. } => files.iter().map(|path| Ok(Content::Text(bytes(path)?))).collect::<Result<_>>()?,
        Data::Samples { files, labels, scale, .. } => samples(files, labels, *scale)?,
    };
    match contents.iter().map(Content::count).sum::<usize>() {
        0 => setting("data.files: there is no data"),
        found if found > MAX_COUNT => setting(format!("data.files: {found} samples or bytes, at most {MAX_COUNT}")),
        _ => Ok(contents),
    }
}

/// The samples of each file; those of `labels` are for `.npy` files.
pub(super) fn samples(files: &[PathBuf], labels: &[PathBuf], scale: f32) -> Result<Vec<Content>> {
    let mut labels = labels.iter();
    let mut contents = vec![];
    for path in files {
        let (mut features, labels) = match path.extension().and_then(|end| end.to_str()) {
            Some("npy") => {
                let of_path = labels.next().map(|labels| whole(labels, npy(labels)?));
                let missing = || setting(format!("{}: data.labels names no file for it", path.display()));
                (npy(path)?, of_path.unwrap_or_else(missing)?)
            }
            Some("csv") => csv(path)?,
            Some("safetensors") => tensors(path)?,
            _ => return setting(format!("{}: expected .npy, .csv or .safetensors", path.display())),
        };
        features.iter_mut().for_each(|value| *value *= scale);
        if labels.is_empty() || features.len() % labels.len() != 0 {
            let reason = format!("{} values for {} labels", features.len(), labels.len());
            return Err(content(path, reason));
        }
        match features.iter().find(|value| !value.is_finite()) {
            Some(value) => return Err(content(path, format!("expected finite values, found {value}"))),
            None => contents.push(Content::Samples { features, labels }),
        }
    }
    Ok(contents)
}

/// Values of a sample and the number of classes, which must be the same in all files.
pub(super) fn shape<'a>(contents: impl Iterator<Item = &'a Content>) -> Result<(usize, usize)> {
    let (mut width, mut classes) = (None, 0);
    for content in contents {
        let Content::Samples { features, labels } = content else { return setting("expected samples, found text") };
        let found = features.len() / labels.len();
        if *width.get_or_insert(found) != found {
            return setting(format!("data.files: samples of {} and of {found} values", width.unwrap_or(0)));
        }
        classes = classes.max(labels.iter().max().map_or(0, |label| *label as usize + 1));
    }
    let width = width.unwrap_or(0);
    if !(1..=MAX_WIDTH).contains(&width) || !(1..=MAX_CLASSES).contains(&classes) {
        return setting(format!("data.files: samples of {width} values, and {classes} classes"));
    }
    Ok((width, classes))
}

fn content(path: &Path, reason: impl Into<String>) -> TrainError {
    TrainError::Content { path: path.into(), reason: reason.into() }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let remedy = "data.files are seen from the folder of the plan";
    let failed = |source| TrainError::File { action: "read", path: PathBuf::from(path), source, remedy };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > MAX_FILE {
        return Err(content(path, format!("expected at most {MAX_FILE} bytes, found {len}")));
    }
    let mut bytes = vec![];
    file.take(len).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Labels are whole numbers from 0 up.
fn whole(path: &Path, values: Vec<f32>) -> Result<Vec<u32>> {
    let label = |value: &f32| value.fract() == 0.0 && (0.0..MAX_CLASSES as f32).contains(value);
    match values.iter().find(|value| !label(value)) {
        Some(value) => Err(content(path, format!("expected labels of 0 to {}, found {value}", MAX_CLASSES - 1))),
        None => Ok(values.iter().map(|value| *value as u32).collect()),
    }
}

/// The values of a NumPy array, row by row.
fn npy(path: &Path) -> Result<Vec<f32>> {
    let bytes = bytes(path)?;
    let array = NpyFile::new(&bytes[..]).map_err(|error| content(path, format!("not a NumPy array: {error}")))?;
    if array.order() != npyz::Order::C {
        return Err(content(path, "expected an array in C order"));
    }
    let DType::Plain(of) = array.dtype() else { return Err(content(path, "expected numbers, found records")) };
    let data = bytes.len() as u64;
    if array.len().saturating_mul(of.size_field()) > data {
        return Err(content(path, "the array is longer than its file"));
    }
    let failed = |error: std::io::Error| content(path, format!("a damaged array: {error}"));
    macro_rules! read {
        ($type:ty) => {
            array.into_vec::<$type>().map_err(failed)?.into_iter().map(|value| value as f32).collect()
        };
    }
    Ok(match (of.type_char(), of.size_field()) {
        (TypeChar::Float, 4) => array.into_vec::<f32>().map_err(failed)?,
        (TypeChar::Float, 8) => read!(f64),
        (TypeChar::Uint, 1) => read!(u8),
        (TypeChar::Int, 4) => read!(i32),
        (TypeChar::Int, 8) => read!(i64),
        _ => return Err(content(path, "expected numbers of type f4, f8, u1, i4 or i8")),
    })
}

/// Lines of numbers, the label last. A first line that holds no numbers is a heading.
fn csv(path: &Path) -> Result<(Vec<f32>, Vec<u32>)> {
    let text = String::from_utf8(bytes(path)?).map_err(|_| content(path, "expected text in UTF-8"))?;
    let (mut features, mut labels, mut width) = (vec![], vec![], None);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parsed: std::result::Result<Vec<f32>, _> = line.split(',').map(|field| field.trim().parse()).collect();
        let mut values = match parsed {
            Ok(values) => values,
            Err(_) if number == 0 => continue,
            Err(error) => return Err(content(path, format!("line {}: expected numbers: {error}", number + 1))),
        };
        if *width.get_or_insert(values.len()) != values.len() {
            let reason = format!("line {}: {} fields, the first line has {width:?}", number + 1, values.len());
            return Err(content(path, reason));
        }
        labels.extend(values.pop());
        features.extend(values);
    }
    Ok((features, whole(path, labels)?))
}

fn tensors(path: &Path) -> Result<(Vec<f32>, Vec<u32>)> {
    let bytes = bytes(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| content(path, format!("not a whole safetensors file: {error}")))?;
    let values = |name: &str| -> Result<Vec<f32>> {
        let tensor = file.tensor(name).map_err(|_| content(path, format!("there is no tensor {name:?}")))?;
        let data = tensor.data();
        Ok(match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Dtype::U8 => data.iter().map(|byte| f32::from(*byte)).collect(),
            Dtype::I64 => data.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes) as f32).collect(),
            other => return Err(content(path, format!("tensor {name:?}: expected F32, U8 or I64, found {other:?}"))),
        })
    };
    Ok((values("features")?, whole(path, values("labels")?)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_do_not_fit_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            let data =
                Data::Samples { files: vec![path.clone()], labels: vec![], scale: 0.5, held_out: 0.0, test: vec![] };
            super::read(&data).map_err(|error| error.to_string())
        };
        let whole = Content::Samples { features: vec![0.5, 1.0, 1.5, 2.0], labels: vec![0, 1] };
        assert_eq!(read("a,b,label\n1,2,0\n3, 4,1\n\n"), Ok(vec![whole]));
        for (text, part) in [
            ("1,2,0\n3,1\n", "line 2: 2 fields"),
            ("1,2,0\nx,2,1\n", "line 2: expected numbers"),
            ("1,2,0.5\n", "expected labels"),
            ("1,nan,0\n", "finite"),
            ("", "0 labels"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("x.csv") && error.contains(part), "{text:?}: {error}");
        }
    }
}
