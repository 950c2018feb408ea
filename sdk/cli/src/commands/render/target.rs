//! Where pictures go.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use tessera_render::{Exposure, Layers};

/// Files of frames, each with a place for the number.
#[derive(Clone, Debug)]
pub struct Target {
    files: Vec<Template>,
}

/// A path in whose file name the number of the frame stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    folder: PathBuf,
    before: String,
    /// Least digits of the number; `None`: there is none.
    digits: Option<usize>,
    after: String,
    exr: bool,
}

impl Template {
    fn parse(path: &Path) -> Result<Self> {
        let shown = path.display();
        let exr =
            match path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
                Some("exr") => true,
                Some("png") => false,
                _ => bail!("--out {shown}: give a name that ends in .png or .exr"),
            };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if folder.to_string_lossy().contains('%') {
            bail!(
                "--out {shown}: the number of the frame can stand in the name of the file only, not in that of a folder"
            );
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("--out {shown}: the name is not text"))?;
        let Some((before, rest)) = name.split_once('%') else {
            return Ok(Self { folder, before: name.into(), digits: None, after: String::new(), exr });
        };
        let number = rest.split_once('d').filter(|(digits, after)| {
            digits.chars().all(|c| c.is_ascii_digit()) && digits.len() <= 2 && !after.contains('%')
        });
        let Some((digits, after)) = number else {
            bail!("--out {shown}: expected one number such as %04d in the name");
        };
        let digits = if digits.is_empty() { 1 } else { digits.parse().unwrap_or(1) };
        Ok(Self { folder, before: before.into(), digits: Some(digits), after: after.into(), exr })
    }

    fn path(&self, frame: u32) -> PathBuf {
        let name = match self.digits {
            Some(digits) => format!("{}{frame:0digits$}{}", self.before, self.after),
            None => self.before.clone(),
        };
        self.folder.join(name)
    }
}

impl Target {
    /// The files that `--out` names, for so many frames.
    pub fn new(out: &[PathBuf], frames: usize, aovs: bool) -> Result<Self> {
        let files: Vec<Template> = out.iter().map(|path| Template::parse(path)).collect::<Result<_>>()?;
        if frames > 1
            && let Some(path) = out.iter().zip(&files).find(|(_, file)| file.digits.is_none()).map(|(path, _)| path)
        {
            bail!("--out {}: {frames} frames need a number in the name, such as frames/%04d.png", path.display());
        }
        if aovs && !files.iter().any(|file| file.exr) {
            bail!("--aovs are layers of an .exr file; give an --out that ends in .exr");
        }
        Ok(Self { files })
    }

    /// Makes the folders.
    pub fn create(&self) -> Result<()> {
        for folder in self.files.iter().map(|file| &file.folder).filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        Ok(())
    }

    /// The files of a frame.
    pub fn paths(&self, frame: u32) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path(frame)).collect()
    }

    /// The file of a frame that is best shown on a screen.
    pub fn shown(&self, frame: u32) -> Option<PathBuf> {
        let file = self.files.iter().find(|file| !file.exr).or(self.files.first());
        file.map(|file| file.path(frame))
    }

    /// Whether any file is tone mapped, so that brightness has to be chosen.
    pub fn is_mapped(&self) -> bool {
        self.files.iter().any(|file| !file.exr)
    }

    /// The picture that is refined while the work goes on.
    pub fn preview(&self) -> PathBuf {
        self.files.first().map_or_else(
            || "preview.png".into(),
            |file| match file.digits {
                Some(_) => {
                    let after = Path::new(&file.after).with_extension("png");
                    // An extension of its own is no extension to the path.
                    let after =
                        if file.after.starts_with('.') { ".png".into() } else { after.to_string_lossy().into_owned() };
                    file.folder.join(format!("{}preview{after}", file.before))
                }
                None => {
                    let stem = Path::new(&file.before).file_stem().unwrap_or_default().to_string_lossy();
                    file.folder.join(format!("{stem}-preview.png"))
                }
            },
        )
    }

    /// Where the command keeps what it must know when it is started again.
    pub fn state(&self) -> PathBuf {
        let first = self.files.first();
        let name = first.map_or_else(String::new, |file| match file.digits {
            Some(_) => format!("{}%d{}", file.before, file.after),
            None => file.before.clone(),
        });
        first.map_or_else(PathBuf::new, |file| file.folder.clone()).join(".tessera-render").join(name)
    }

    /// Writes a frame. Each file appears whole or not at all.
    pub fn write(&self, frame: u32, layers: &Layers, aovs: bool, exposure: Exposure) -> Result<Vec<PathBuf>> {
        let paths = self.paths(frame);
        for (file, path) in self.files.iter().zip(&paths) {
            if file.exr && aovs { layers.save(path)? } else { layers.image.save(path, exposure)? }
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(out: &[&str], frames: usize) -> Result<Target> {
        Target::new(&out.iter().map(PathBuf::from).collect::<Vec<_>>(), frames, false)
    }

    #[test]
    fn numbers_stand_where_the_template_says() {
        for (out, file, preview, state) in [
            ("frames/%04d.exr", "frames/0007.exr", "frames/preview.png", "frames/.tessera-render/%d.exr"),
            ("a/b-%d-c.png", "a/b-7-c.png", "a/b-preview-c.png", "a/.tessera-render/b-%d-c.png"),
            ("shot%02d.v2.PNG", "shot07.v2.PNG", "shotpreview.png", ".tessera-render/shot%d.v2.PNG"),
            ("one.png", "one.png", "one-preview.png", ".tessera-render/one.png"),
        ] {
            let target = target(&[out], 1).unwrap();
            assert_eq!(target.paths(7), [PathBuf::from(file)]);
            assert_eq!(target.preview(), PathBuf::from(preview));
            assert_eq!(target.state(), PathBuf::from(state));
        }
        assert_eq!(target(&["%04d.png"], 2).unwrap().paths(123_456), [PathBuf::from("123456.png")]);
        let both = target(&["%d.exr", "p/%d.png"], 2).unwrap();
        assert_eq!(both.paths(3).len(), 2);
        assert_eq!(both.shown(3), Some("p/3.png".into()));
        assert_eq!(target(&["%d.exr"], 2).unwrap().shown(3), Some("3.exr".into()));
    }

    #[test]
    fn what_cannot_be_a_picture_is_refused() {
        for (out, frames, word) in [
            ("picture", 1, ".png or .exr"),
            ("picture.jpg", 1, ".png or .exr"),
            ("picture.png", 2, "%04d"),
            ("%s.png", 1, "%04d"),
            ("%d-%d.png", 2, "%04d"),
            ("%.png", 2, "%04d"),
            ("%d/a.png", 2, "folder"),
        ] {
            let error = target(&[out], frames).unwrap_err().to_string();
            assert!(error.contains(word), "{out}: {error}");
        }
        let error = Target::new(&["a.png".into()], 1, true).unwrap_err().to_string();
        assert!(error.contains(".exr"), "{error}");
    }
}
