//! Scenes from `.gltf` and `.glb` files (glTF 2.0).
//!
//! Read are: the default scene's node tree, triangles (lists, strips and fans, with or without indices), metallic-roughness
//! materials with their textures, emission, alpha modes, cameras and punctual lights. Morph targets, skins, animations,
//! vertex colours and second texture coordinate sets are not applied.

mod accessor;
mod images;
mod materials;
mod mesh;

use std::path::{Path, PathBuf};

use gltf::Document;

use crate::{
    error::{RenderError, Result},
    math::{Transform, vec3},
    scene::{Camera, Projection, PunctualLight, Scene},
};

/// Extensions that a file may require.
const SUPPORTED: [&str; 2] = ["KHR_lights_punctual", "KHR_materials_emissive_strength"];
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 30;

/// A glTF file being read.
struct Source<'a> {
    path: &'a Path,
    document: &'a Document,
    buffers: Vec<Vec<u8>>,
}

impl Source<'_> {
    fn broken(&self, reason: impl Into<String>) -> RenderError {
        RenderError::Scene { path: self.path.into(), reason: reason.into() }
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().map_or_else(PathBuf::new, Path::to_path_buf)
    }
}

impl Scene {
    /// Reads a `.gltf` or `.glb` file with all that it refers to.
    ///
    /// # Errors
    /// If a file cannot be read, breaks glTF, or requires an extension that is not supported.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_slice(&read_file(path)?, path)
    }

    /// Reads a scene from the bytes of a `.gltf` or `.glb` file. Relative references start from the folder of `path`,
    /// which also names the scene in errors.
    ///
    /// # Errors
    /// As [`Scene::load`].
    pub fn from_slice(bytes: &[u8], path: &Path) -> Result<Self> {
        let broken = |e: gltf::Error| RenderError::Scene { path: path.into(), reason: e.to_string() };
        // The crate's validation reports a required extension that it does not know without its name, so look first.
        let raw = gltf::Gltf::from_slice_without_validation(bytes).map_err(broken)?;
        if let Some(name) = raw.document.extensions_required().find(|name| !SUPPORTED.contains(name)) {
            return Err(RenderError::Unsupported { path: path.into(), feature: format!("glTF extension {name}") });
        }
        check_attributes(&raw.document, path)?;
        let gltf::Gltf { document, mut blob } = gltf::Gltf::from_slice(bytes).map_err(broken)?;
        let mut source = Source { path, document: &document, buffers: Vec::new() };
        source.buffers = document.buffers().map(|b| read_buffer(&source, &b, &mut blob)).collect::<Result<_>>()?;
        source.scene()
    }
}

/// The crate's validation indexes accessors by a primitive's attributes before it has checked these.
fn check_attributes(document: &Document, path: &Path) -> Result<()> {
    let json = document.as_json();
    let count = json.accessors.len();
    let primitives = json.meshes.iter().flat_map(|mesh| &mesh.primitives);
    match primitives.flat_map(|p| p.attributes.values()).find(|index| index.value() >= count) {
        Some(index) => {
            let reason = format!("a mesh names accessor {}, the file has {count}", index.value());
            Err(RenderError::Scene { path: path.into(), reason })
        }
        None => Ok(()),
    }
}

impl Source<'_> {
    fn scene(&self) -> Result<Scene> {
        let mut scene = Scene::default();
        materials::read(self, &mut scene)?;
        let root = self.document.default_scene().or_else(|| self.document.scenes().next());
        let root = root.ok_or_else(|| self.broken("the file has no scene"))?;
        let mut seen = vec![false; self.document.nodes().len()];
        let mut open: Vec<_> = root.nodes().map(|node| (node, Transform::IDENTITY)).collect();
        open.reverse();
        while let Some((node, parent)) = open.pop() {
            if std::mem::replace(&mut seen[node.index()], true) {
                return Err(self.broken(format!("node {} has two parents", node.index())));
            }
            let here = parent.after(&Transform::from_columns(node.transform().matrix()));
            if here.columns.iter().any(|c| !c.is_finite()) {
                return Err(self.broken(format!("the transform of node {} is not finite", node.index())));
            }
            if let Some(mesh) = node.mesh() {
                // A skinned mesh stays in its rest pose, in the space of the scene.
                let place = if node.skin().is_some() { Transform::IDENTITY } else { here };
                mesh::read(self, &mesh, &place, &mut scene)?;
            }
            if let Some(camera) = node.camera() {
                let name = node.name().or_else(|| camera.name()).map(String::from);
                scene.cameras.push((name, self.camera(&camera, &here, node.index())?));
            }
            if let Some(light) = node.light() {
                scene.lights.extend(self.light(&light, &here, node.index())?);
            }
            let children: Vec<_> = node.children().map(|child| (child, here)).collect();
            open.extend(children.into_iter().rev());
        }
        Ok(scene)
    }

    fn camera(&self, camera: &gltf::Camera<'_>, place: &Transform, node: usize) -> Result<Camera> {
        let axis = |v| place.direction(v).unit().ok_or_else(|| self.broken(format!("camera at node {node} is flat")));
        let forward = axis(vec3(0.0, 0.0, -1.0))?;
        let right = axis(vec3(1.0, 0.0, 0.0))?;
        let up = right.cross(forward).unit().ok_or_else(|| self.broken(format!("camera at node {node} is flat")))?;
        let projection = match camera.projection() {
            gltf::camera::Projection::Perspective(p) => Projection::Perspective(p.yfov()),
            gltf::camera::Projection::Orthographic(o) => {
                Projection::Orthographic(o.ymag().abs() * place.direction(up).length())
            }
        };
        let (value, most) = match projection {
            Projection::Perspective(angle) => (angle, std::f32::consts::PI),
            Projection::Orthographic(size) => (size, f32::MAX),
        };
        if !(value > 0.0 && value < most) {
            return Err(self.broken(format!("camera at node {node} has an angle or size of {value}")));
        }
        // A mirrored node shows a mirrored picture: `up` is taken from the node, not from the cross product.
        let up = if place.direction(vec3(0.0, 1.0, 0.0)).dot(up) < 0.0 { -up } else { up };
        Ok(Camera { position: place.columns[3], right, up, forward, projection })
    }

    fn light(
        &self,
        light: &gltf::khr_lights_punctual::Light<'_>,
        place: &Transform,
        node: usize,
    ) -> Result<Option<PunctualLight>> {
        use gltf::khr_lights_punctual::Kind;
        let position = place.columns[3];
        let power = crate::math::Vec3::from(light.color()) * light.intensity();
        if !power.is_finite() || power.to_array().iter().any(|c| *c < 0.0) {
            return Err(self.broken(format!("light at node {node} has a power of {power:?}")));
        }
        if power.largest() == 0.0 {
            return Ok(None);
        }
        let axis = || {
            let axis = place.direction(vec3(0.0, 0.0, -1.0)).unit();
            axis.ok_or_else(|| self.broken(format!("light at node {node} has no direction")))
        };
        let range = light.range().filter(|r| *r > 0.0 && r.is_finite());
        Ok(Some(match light.kind() {
            Kind::Directional => PunctualLight::Directional { towards: -axis()?, irradiance: power },
            Kind::Point => PunctualLight::Point { position, intensity: power, range },
            Kind::Spot { inner_cone_angle, outer_cone_angle } => PunctualLight::Spot {
                position,
                axis: axis()?,
                intensity: power,
                range,
                cos_inner: inner_cone_angle.min(outer_cone_angle).cos(),
                cos_outer: outer_cone_angle.cos(),
            },
        }))
    }
}

/// Reads a whole file of bounded size.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| RenderError::File { action: "read", path: path.into(), source };
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > MAX_FILE {
        return Err(RenderError::TooLarge(format!("{} has {len} bytes, at most {MAX_FILE}", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

fn read_buffer(source: &Source<'_>, buffer: &gltf::Buffer<'_>, blob: &mut Option<Vec<u8>>) -> Result<Vec<u8>> {
    let index = buffer.index();
    let data = match buffer.source() {
        gltf::buffer::Source::Bin => {
            blob.take().ok_or_else(|| source.broken(format!("buffer {index} has neither data nor a URI")))?
        }
        gltf::buffer::Source::Uri(uri) => read_uri(source, uri)?,
    };
    if data.len() < buffer.length() {
        return Err(source.broken(format!("buffer {index} has {} bytes, expected {}", data.len(), buffer.length())));
    }
    Ok(data)
}

/// The bytes behind a `data:` URI or a relative path.
fn read_uri(source: &Source<'_>, uri: &str) -> Result<Vec<u8>> {
    if uri.starts_with("data:") {
        let data = gltf::buffer::Data::from_source(gltf::buffer::Source::Uri(uri), None);
        return data.map(|d| d.0).map_err(|e| source.broken(format!("broken data URI: {e}")));
    }
    if uri.contains(':') {
        let shown: String = uri.chars().take(60).collect();
        return Err(source.broken(format!("URI {shown:?} is neither data nor a relative path")));
    }
    let name = percent_decode(uri).ok_or_else(|| source.broken(format!("broken URI {uri:?}")))?;
    read_file(&source.folder().join(name))
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
