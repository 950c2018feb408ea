//! Meshes as the file holds them: vertices, triangles, morph targets.

use gltf::json::{
    self,
    mesh::{Mode, Semantic},
    validation::Checked,
};

use super::{
    accessor::Numbers,
    file::Source,
    materials::{MAX_COORDINATE, Needs},
    shape::Shape,
    tangents,
};
use crate::{error::Result, scene::TextureUse};

/// Largest coordinate of a position. Squares of areas still have room in floats.
pub(super) const MAX_POSITION: f32 = 1e9;
/// Most sets of joints that a vertex has.
const MAX_JOINT_SETS: u32 = 16;

/// A mesh.
pub(super) struct Mesh {
    pub primitives: Vec<Primitive>,
    /// Weights of the morph targets where nothing else gives them.
    pub weights: Vec<f32>,
    /// How many targets its primitives have.
    pub targets: usize,
}

/// Triangles with one material.
pub(super) struct Primitive {
    /// Vertices of each triangle.
    pub triangles: Vec<[u32; 3]>,
    /// Index of the material in the scene.
    pub material: u32,
    pub positions: Numbers<3>,
    pub normals: Option<Numbers<3>>,
    pub tangents: Tangents,
    pub uvs: [Option<Numbers<2>>; 2],
    pub colors: Option<Numbers<4>>,
    /// Sets of four joints with their weights.
    pub joints: Vec<(Numbers<4>, Numbers<4>)>,
    pub targets: Vec<Target>,
}

/// Where the tangents of a primitive come from.
pub(super) enum Tangents {
    /// Nothing needs them.
    None,
    /// The file, by vertex.
    File(Numbers<4>),
    /// Made once, by corner.
    Made(Vec<[[f32; 4]; 3]>),
    /// To be made for each pose, along this texture's coordinates.
    Later(TextureUse),
}

/// What a morph target adds to vertices.
pub(super) struct Target {
    pub positions: Option<Numbers<3>>,
    pub normals: Option<Numbers<3>>,
    pub tangents: Option<Numbers<3>>,
}

/// Reads all meshes.
pub(super) fn read(source: &Source<'_>, needs: &[Needs]) -> Result<Vec<Mesh>> {
    let mut meshes = Vec::with_capacity(source.root.meshes.len());
    for (index, mesh) in source.root.meshes.iter().enumerate() {
        let mut primitives = Vec::new();
        let mut targets = None;
        for (i, primitive) in mesh.primitives.iter().enumerate() {
            let reader = Reader { source, primitive, name: format!("mesh {index} primitive {i}") };
            let Some(primitive) = reader.read(needs)? else { continue };
            let count = primitive.targets.len();
            if *targets.get_or_insert(count) != count {
                return Err(source.broken(format!("{} has {count} morph targets, others have not", reader.name)));
            }
            primitives.push(primitive);
        }
        let targets = targets.unwrap_or(0);
        let weights = mesh.weights.clone().unwrap_or_default();
        source.check_weights(&weights, targets, &format!("mesh {index}"))?;
        meshes.push(Mesh { primitives, weights, targets });
    }
    Ok(meshes)
}

impl Source<'_> {
    /// Weights must be as many as there are targets, or none.
    pub(super) fn check_weights(&self, weights: &[f32], targets: usize, owner: &str) -> Result<()> {
        if !weights.is_empty() && weights.len() != targets {
            return Err(self.broken(format!("{owner} has {} weights for {targets} morph targets", weights.len())));
        }
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(self.broken(format!("{owner} has a weight that is not finite")));
        }
        Ok(())
    }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    primitive: &'a json::mesh::Primitive,
    name: String,
}

impl Reader<'_> {
    /// The primitive; `None` for points and lines, which have no surface.
    fn read(&self, needs: &[Needs]) -> Result<Option<Primitive>> {
        let Checked::Valid(mode @ (Mode::Triangles | Mode::TriangleStrip | Mode::TriangleFan)) = self.primitive.mode
        else {
            return Ok(None);
        };
        let Some(positions) = self.attribute(Semantic::Positions) else { return Ok(None) };
        let positions = self.source.floats::<3>(positions)?;
        self.check(&positions, MAX_POSITION, "position")?;
        let count = positions.len();
        let triangles = self.triangles(mode, count)?;
        // Materials start with the default one.
        let material = self.primitive.material.map_or(0, |m| m.value() + 1);
        let needs = needs.get(material).ok_or_else(|| self.broken("names a material that does not exist"))?;
        // Normals and tangents without a direction are replaced later, so they may be anything.
        let normals = self.attribute(Semantic::Normals).map(|i| self.source.raw_floats::<3>(i)).transpose()?;
        self.count(normals.as_deref(), count, "normals")?;
        let uvs = [self.uvs(needs.sets[0], count)?, self.uvs(needs.sets[1], count)?];
        let targets = self.targets(count)?;
        let mut primitive = Primitive {
            triangles,
            material: material as u32,
            positions,
            normals,
            tangents: Tangents::None,
            uvs,
            colors: self.colors(count)?,
            joints: self.joints(count)?,
            targets,
        };
        if let Some(texture) = needs.tangents {
            // Tangents without normals mean nothing (section 3.7.2.1 of glTF).
            let file = self.attribute(Semantic::Tangents).filter(|_| primitive.normals.is_some());
            let file = file.map(|i| self.source.raw_floats::<4>(i)).transpose()?;
            self.count(file.as_deref(), count, "tangents")?;
            primitive.tangents = match file {
                Some(tangents) => Tangents::File(tangents),
                None => {
                    let memory = tangents::MEMORY + size_of::<[[f32; 4]; 3]>();
                    self.source.budget.take(primitive.triangles.len(), memory, &self.name)?;
                    if primitive.targets.is_empty() {
                        Tangents::Made(tangents::generate(&Shape::rest(&primitive).faces(&primitive, &texture)))
                    } else {
                        Tangents::Later(texture)
                    }
                }
            };
        }
        Ok(Some(primitive))
    }

    fn attribute(&self, semantic: Semantic) -> Option<usize> {
        self.primitive.attributes.get(&Checked::Valid(semantic)).map(|accessor| accessor.value())
    }

    fn broken(&self, reason: &str) -> crate::error::RenderError {
        self.source.broken(format!("{} {reason}", self.name))
    }

    fn count<const N: usize>(&self, values: Option<&[[f32; N]]>, count: usize, what: &str) -> Result<()> {
        match values.map(<[_]>::len).filter(|len| *len != count) {
            Some(len) => Err(self.broken(&format!("has {count} positions but {len} {what}"))),
            None => Ok(()),
        }
    }

    fn check<const N: usize>(&self, values: &[[f32; N]], most: f32, what: &str) -> Result<()> {
        if values.iter().flatten().any(|v| v.abs() > most) {
            return Err(self.broken(&format!("has a {what} beyond {most:e}")));
        }
        Ok(())
    }

    fn uvs(&self, set: u32, count: usize) -> Result<Option<Numbers<2>>> {
        let Some(accessor) = self.attribute(Semantic::TexCoords(set)) else { return Ok(None) };
        let uvs = self.source.floats::<2>(accessor)?;
        self.count(Some(&uvs), count, "texture coordinates")?;
        self.check(&uvs, MAX_COORDINATE, "texture coordinate")?;
        Ok(Some(uvs))
    }

    fn colors(&self, count: usize) -> Result<Option<Numbers<4>>> {
        let Some(accessor) = self.attribute(Semantic::Colors(0)) else { return Ok(None) };
        let share = |v: f32| v.clamp(0.0, 1.0);
        let rgba = if self.source.components(accessor)? == 3 {
            let rgb = self.source.floats::<3>(accessor)?;
            rgb.iter().map(|[r, g, b]| [share(*r), share(*g), share(*b), 1.0]).collect::<Numbers<4>>()
        } else {
            self.source.floats::<4>(accessor)?.iter().map(|c| c.map(share)).collect()
        };
        self.source.budget.take(rgba.len(), 2 * size_of::<[f32; 4]>(), &self.name)?;
        self.count(Some(&rgba), count, "colours")?;
        Ok(Some(rgba))
    }

    fn joints(&self, count: usize) -> Result<Vec<(Numbers<4>, Numbers<4>)>> {
        let mut sets = Vec::new();
        for set in 0..MAX_JOINT_SETS {
            let (Some(joints), Some(weights)) =
                (self.attribute(Semantic::Joints(set)), self.attribute(Semantic::Weights(set)))
            else {
                break;
            };
            let (joints, weights) = (self.source.floats::<4>(joints)?, self.source.floats::<4>(weights)?);
            self.count(Some(&joints), count, "joints")?;
            self.count(Some(&weights), count, "weights")?;
            if joints.iter().flatten().chain(weights.iter().flatten()).any(|v| *v < 0.0) {
                return Err(self.broken("has a negative joint or weight"));
            }
            sets.push((joints, weights));
        }
        Ok(sets)
    }

    fn targets(&self, count: usize) -> Result<Vec<Target>> {
        let mut targets = Vec::new();
        for target in self.primitive.targets.iter().flatten() {
            // What a pose computes for a target, though targets may share accessors.
            self.source.budget.take(count, size_of::<[f32; 3]>(), &self.name)?;
            let read = |index: Option<json::Index<json::Accessor>>| -> Result<_> {
                let Some(index) = index else { return Ok(None) };
                let values = self.source.floats::<3>(index.value())?;
                self.count(Some(&values), count, "displacements")?;
                self.check(&values, MAX_POSITION, "displacement")?;
                Ok(Some(values))
            };
            targets.push(Target {
                positions: read(target.positions)?,
                normals: read(target.normals)?,
                tangents: read(target.tangents)?,
            });
        }
        Ok(targets)
    }

    fn triangles(&self, mode: Mode, count: usize) -> Result<Vec<[u32; 3]>> {
        let indices = match self.primitive.indices {
            Some(accessor) => self.source.indices(accessor.value())?,
            None => {
                self.source.budget.take(count, 4, &self.name)?;
                (0..count as u32).collect()
            }
        };
        if let Some(index) = indices.iter().find(|i| **i as usize >= count) {
            return Err(self.broken(&format!("has index {index} but {count} vertices")));
        }
        self.source.budget.take(indices.len(), size_of::<[u32; 3]>(), &self.name)?;
        Ok(corners(mode, &indices))
    }
}

/// The corners of each triangle of a primitive.
fn corners(mode: Mode, indices: &[u32]) -> Vec<[u32; 3]> {
    match mode {
        Mode::TriangleStrip => {
            let turn = |(i, w): (usize, &[u32])| if i % 2 == 0 { [w[0], w[1], w[2]] } else { [w[1], w[0], w[2]] };
            indices.windows(3).enumerate().map(turn).collect()
        }
        Mode::TriangleFan => {
            let first = indices.first().copied().unwrap_or(0);
            indices.get(1..).unwrap_or(&[]).windows(2).map(|w| [first, w[0], w[1]]).collect()
        }
        _ => indices.as_chunks().0.to_vec(),
    }
}
