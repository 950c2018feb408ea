//! glTF files made piece by piece.

use serde_json::{Value, json};

/// A `.glb` file that grows: its JSON, and the data behind its one buffer.
pub struct File {
    pub json: Value,
    pub data: Vec<u8>,
}

impl File {
    /// A file whose scene shows `nodes`, a JSON array of which the first `roots` are its roots.
    pub fn new(nodes: Value, roots: usize) -> Self {
        let json = json!({
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": (0..roots).collect::<Vec<_>>()}],
            "nodes": nodes,
            "accessors": [], "bufferViews": [], "buffers": [{"byteLength": 0}],
        });
        Self { json, data: Vec::new() }
    }

    /// Adds to a list of the file and returns the place.
    pub fn push(&mut self, list: &str, item: Value) -> usize {
        if self.json[list].is_null() {
            self.json[list] = json!([]);
        }
        let list = self.json[list].as_array_mut().unwrap();
        list.push(item);
        list.len() - 1
    }

    /// Adds bytes as a buffer view.
    pub fn view(&mut self, bytes: &[u8]) -> usize {
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let offset = self.data.len();
        self.data.extend(bytes);
        self.json["buffers"][0]["byteLength"] = json!(self.data.len());
        self.push("bufferViews", json!({"buffer": 0, "byteOffset": offset, "byteLength": bytes.len()}))
    }

    /// Adds an accessor of a component type over bytes of its own.
    pub fn accessor(&mut self, component: u32, shape: &str, count: usize, bytes: &[u8]) -> usize {
        let view = self.view(bytes);
        let accessor = json!({
            "bufferView": view, "componentType": component, "type": shape, "count": count,
            "min": [-1, -1, -1], "max": [1, 1, 1],
        });
        self.push("accessors", accessor)
    }

    /// Adds an accessor of floats.
    pub fn floats(&mut self, shape: &str, values: &[f32]) -> usize {
        let width = match shape {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            "VEC4" => 4,
            "MAT4" => 16,
            other => panic!("{other}"),
        };
        self.accessor(5126, shape, values.len() / width, &super::floats(values))
    }

    /// Adds a texture out of an encoded image.
    pub fn texture(&mut self, mime: &str, bytes: &[u8]) -> usize {
        let view = self.view(bytes);
        let image = self.push("images", json!({"bufferView": view, "mimeType": mime}));
        self.push("textures", json!({"source": image}))
    }

    pub fn glb(&self) -> Vec<u8> {
        super::glb(&self.json.to_string(), &self.data)
    }

    /// The same as JSON with the buffer in a URI.
    pub fn gltf(&self) -> Vec<u8> {
        let mut json = self.json.clone();
        json["buffers"][0]["uri"] = json!(format!("data:application/octet-stream;base64,{}", base64(&self.data)));
        json.to_string().into_bytes()
    }
}

/// An image of one colour.
pub fn pixel(rgba: [u8; 4], format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbaImage::from_fn(5, 3, |x, _| image::Rgba(if x == 4 { [0, 0, 0, 255] } else { rgba }));
    let image = image::DynamicImage::from(image);
    let image = if format == image::ImageFormat::Jpeg { image.into_rgb8().into() } else { image };
    image.write_to(&mut std::io::Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { digit.into() } else { '=' });
        }
    }
    out
}
