//! Writing of binary glTF.

use super::mesh::{Mesh, V, cross, sub, unit};

/// A material.
#[derive(Clone, Copy)]
pub struct Look {
    pub base: [f64; 3],
    pub texture: Option<usize>,
    pub metallic: f64,
    pub roughness: f64,
}

impl Default for Look {
    fn default() -> Self {
        Self { base: [1.0; 3], texture: None, metallic: 0.0, roughness: 1.0 }
    }
}

/// A file in the making: the lists of its JSON part and its binary part.
#[derive(Default)]
pub struct Glb {
    data: Vec<u8>,
    views: Vec<String>,
    accessors: Vec<String>,
    materials: Vec<String>,
    meshes: Vec<String>,
    nodes: Vec<String>,
    images: Vec<String>,
    cameras: Vec<String>,
}

impl Glb {
    fn view(&mut self, bytes: &[u8]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        self.views.push(format!(r#"{{"buffer":0,"byteOffset":{},"byteLength":{}}}"#, self.data.len(), bytes.len()));
        self.data.extend_from_slice(bytes);
        self.views.len() - 1
    }

    fn floats<const N: usize>(&mut self, items: &[[f64; N]], bounds: bool) -> usize {
        let narrow: Vec<[f32; N]> = items.iter().map(|p| p.map(|c| c as f32)).collect();
        let bytes: Vec<u8> = narrow.iter().flatten().flat_map(|c| c.to_le_bytes()).collect();
        let view = self.view(&bytes);
        let limit = |pick: fn(f32, f32) -> f32| {
            let start = narrow.first().copied().unwrap_or([0.0; N]);
            let all = narrow.iter().fold(start, |a, p| std::array::from_fn(|k| pick(a[k], p[k])));
            format!("{all:?}")
        };
        let extent =
            if bounds { format!(r#","min":{},"max":{}"#, limit(f32::min), limit(f32::max)) } else { String::new() };
        self.accessors.push(format!(
            r#"{{"bufferView":{view},"componentType":5126,"count":{},"type":"VEC{N}"{extent}}}"#,
            items.len()
        ));
        self.accessors.len() - 1
    }

    /// Adds a PNG and returns the number of its texture.
    pub fn texture(&mut self, png: &[u8]) -> usize {
        let view = self.view(png);
        self.images.push(format!(r#"{{"bufferView":{view},"mimeType":"image/png"}}"#));
        self.images.len() - 1
    }

    /// Adds a mesh with its material as a node.
    pub fn add(&mut self, name: &str, mesh: Mesh, look: Look) {
        let mut attributes = vec![format!(r#""POSITION":{}"#, self.floats(&mesh.positions, true))];
        if !mesh.normals.is_empty() {
            attributes.push(format!(r#""NORMAL":{}"#, self.floats(&mesh.normals, false)));
        }
        if look.texture.is_some() {
            attributes.push(format!(r#""TEXCOORD_0":{}"#, self.floats(&mesh.uvs, false)));
        }
        let wide = mesh.positions.len() > 65_535;
        let bytes: Vec<u8> = if wide {
            mesh.indices.iter().flat_map(|i| i.to_le_bytes()).collect()
        } else {
            mesh.indices.iter().flat_map(|i| (*i as u16).to_le_bytes()).collect()
        };
        let view = self.view(&bytes);
        let kind = if wide { 5125 } else { 5123 };
        self.accessors.push(format!(
            r#"{{"bufferView":{view},"componentType":{kind},"count":{},"type":"SCALAR"}}"#,
            mesh.indices.len()
        ));
        let texture = look.texture.map_or(String::new(), |t| format!(r#""baseColorTexture":{{"index":{t}}},"#));
        let [r, g, b] = look.base;
        self.materials.push(format!(
            r#"{{"name":"{name}","pbrMetallicRoughness":{{{texture}"baseColorFactor":[{r},{g},{b},1],"metallicFactor":{},"roughnessFactor":{}}}}}"#,
            look.metallic, look.roughness
        ));
        self.meshes.push(format!(
            r#"{{"name":"{name}","primitives":[{{"attributes":{{{}}},"indices":{},"material":{}}}]}}"#,
            attributes.join(","),
            self.accessors.len() - 1,
            self.materials.len() - 1
        ));
        self.nodes.push(format!(r#"{{"name":"{name}","mesh":{}}}"#, self.meshes.len() - 1));
    }

    /// Adds a camera at `eye` that looks at `target`.
    pub fn camera(&mut self, name: &str, eye: V, target: V, yfov: f64) {
        let back = unit(sub(eye, target));
        let right = unit(cross([0.0, 1.0, 0.0], back));
        let up = cross(back, right);
        let columns: Vec<String> = [(right, 0), (up, 0), (back, 0), (eye, 1)]
            .iter()
            .map(|(c, w)| format!("{},{},{},{w}", c[0] as f32, c[1] as f32, c[2] as f32))
            .collect();
        self.cameras.push(format!(
            r#"{{"type":"perspective","perspective":{{"yfov":{yfov},"znear":0.05,"aspectRatio":1.7777778}}}}"#
        ));
        self.nodes.push(format!(
            r#"{{"name":"{name}","camera":{},"matrix":[{}]}}"#,
            self.cameras.len() - 1,
            columns.join(",")
        ));
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let textures: Vec<String> =
            (0..self.images.len()).map(|i| format!(r#"{{"source":{i},"sampler":0}}"#)).collect();
        let nodes: Vec<String> = (0..self.nodes.len()).map(|i| i.to_string()).collect();
        let lists = [
            ("nodes", &self.nodes),
            ("meshes", &self.meshes),
            ("materials", &self.materials),
            ("accessors", &self.accessors),
            ("bufferViews", &self.views),
            ("cameras", &self.cameras),
            ("images", &self.images),
            ("textures", &textures),
        ];
        let lists: Vec<String> =
            lists.iter().map(|(name, items)| format!(r#""{name}":[{}]"#, items.join(","))).collect();
        let mut json = format!(
            r#"{{"asset":{{"version":"2.0","generator":"make_demo_scene"}},"scene":0,"scenes":[{{"nodes":[{}]}}],"samplers":[{{"wrapS":10497,"wrapT":33071}}],"buffers":[{{"byteLength":{}}}],{}}}"#,
            nodes.join(","),
            self.data.len(),
            lists.join(",")
        )
        .into_bytes();
        json.resize(json.len().next_multiple_of(4), b' ');
        let total = 12 + 8 + json.len() + 8 + self.data.len();
        let mut out = b"glTF".to_vec();
        for word in [2, total as u32, json.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(b"JSON");
        out.extend(json);
        out.extend((self.data.len() as u32).to_le_bytes());
        out.extend(b"BIN\0");
        out.extend(self.data);
        out
    }
}
