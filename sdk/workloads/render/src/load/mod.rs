//! Scenes from `.gltf` and `.glb` files (glTF 2.0).
//!
//! Read are: the default scene's node tree, triangles (lists, strips and fans, with or without indices, sparse or
//! quantised), two sets of texture coordinates, vertex colours, morph targets, skins, animations, cameras, lights, and
//! materials with the ratified extensions but those of dispersion and volume scattering. Missing normals and tangents are
//! made. A file that requires an extension that is not read is refused; occlusion maps are not read, for light that is
//! traced needs none.
//!
//! Files come from anywhere: every offset, index and number is checked, and memory is bounded.

mod accessor;
mod animation;
mod extensions;
mod file;
mod fixtures;
mod images;
mod materials;
mod mesh;
mod nodes;
mod pose;
mod shape;
mod tangents;

use std::path::{Path, PathBuf};

pub use self::animation::Animation;
pub(crate) use self::file::read_file;
use self::{
    animation::Clip,
    file::Source,
    fixtures::{Lamp, Lens},
    mesh::Mesh,
    nodes::Tree,
    pose::Plan,
};
use crate::{
    error::{RenderError, Result},
    scene::{Material, Scene, Texture},
};

/// Memory that a scene may take unless the caller says otherwise, in bytes.
const MEMORY: u64 = 8 << 30;

/// A scene file, read and checked once, out of which come scenes at any moment. They share its textures.
pub struct SceneFile {
    path: PathBuf,
    tree: Tree,
    meshes: Vec<Mesh>,
    plan: Plan,
    materials: Vec<Material>,
    textures: Vec<Texture>,
    lenses: Vec<Lens>,
    lamps: Vec<Lamp>,
    clips: Vec<Clip>,
}

impl SceneFile {
    /// Reads a `.gltf` or `.glb` file with all that it refers to.
    ///
    /// # Errors
    /// If a file cannot be read, breaks glTF, requires an extension that is not supported, or is too large.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_slice(&read_file(path)?, path)
    }

    /// Reads a scene from the bytes of a `.gltf` or `.glb` file. Relative references start from the folder of `path`,
    /// which also names the scene in errors.
    ///
    /// # Errors
    /// As [`SceneFile::open`].
    pub fn from_slice(bytes: &[u8], path: &Path) -> Result<Self> {
        Self::from_slice_within(bytes, path, MEMORY)
    }

    /// As [`SceneFile::from_slice`], with another bound on the memory that the file and a pose of it take together, in
    /// bytes. The JSON part is not counted.
    ///
    /// # Errors
    /// As [`SceneFile::open`].
    pub fn from_slice_within(bytes: &[u8], path: &Path, memory: u64) -> Result<Self> {
        let source = Source::read(bytes, path, memory)?;
        let materials = materials::read(&source)?;
        let meshes = mesh::read(&source, &materials.needs)?;
        let tree = Tree::read(&source, &meshes)?;
        let clips = animation::read(&source, &tree.nodes, &meshes)?;
        let plan = Plan::new(&source, &tree, &meshes, &materials.materials)?;
        let (lenses, lamps) = (fixtures::lenses(&source)?, fixtures::lamps(&source)?);
        let (materials, textures) = (materials.materials, materials.textures);
        Ok(Self { path: path.into(), tree, meshes, plan, materials, textures, lenses, lamps, clips })
    }

    /// The file's animations, in the order in which [`SceneFile::pose`] counts them.
    #[must_use]
    pub fn animations(&self) -> Vec<&Animation> {
        self.clips.iter().map(|clip| &clip.about).collect()
    }

    fn broken(&self, reason: String) -> RenderError {
        RenderError::Scene { path: self.path.clone(), reason }
    }
}

impl Scene {
    /// Reads a `.gltf` or `.glb` file as it stands without animation.
    ///
    /// # Errors
    /// As [`SceneFile::open`].
    pub fn load(path: &Path) -> Result<Self> {
        SceneFile::open(path)?.pose(None, 0.0)
    }

    /// As [`SceneFile::from_slice`], without animation.
    ///
    /// # Errors
    /// As [`SceneFile::open`].
    pub fn from_slice(bytes: &[u8], path: &Path) -> Result<Self> {
        SceneFile::from_slice(bytes, path)?.pose(None, 0.0)
    }
}
