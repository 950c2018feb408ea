//! Damage to files, always the same for the same numbers.

use serde_json::{Value, json};

/// Numbers that look random (xorshift64*, Vigna 2016).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Changes bytes: cuts, flips, overwrites, removes or repeats some.
pub fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const WORDS: [u32; 8] = [0, 1, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7f80_0000];
    for _ in 0..=numbers.below(4) / 2 {
        let (at, len) = (numbers.below(bytes.len()), numbers.below(16));
        let end = (at + len).min(bytes.len());
        match numbers.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.get_mut(at).into_iter().for_each(|b| *b ^= 1 << (len % 8)),
            2 => {
                let word = numbers.pick(&WORDS).to_le_bytes();
                bytes.iter_mut().skip(at).zip(word).for_each(|(b, w)| *b = w);
            }
            3 => bytes[at..end].iter_mut().for_each(|b| *b = numbers.next() as u8),
            4 => drop(bytes.drain(at..end)),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
}

/// Makes the check sums of a PNG's chunks right again.
pub fn sum_chunks(png: &mut [u8]) {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
        })
    };
    let mut at = 8;
    while let Some(head) = png.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let Some(body) = png.get(at + 4..end) else { break };
        let sum = crc(body).to_be_bytes();
        let Some(place) = png.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
}

/// All values within a JSON value, by their paths.
fn paths(value: &Value, here: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{here}/{key}");
        paths(child, &path, out);
        out.push(path);
    }
}

/// Changes values of the JSON part to others that parse.
pub fn lie(json: &mut Value, numbers: &mut Numbers) {
    let values = [
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(5),
        json!(-1),
        json!(0.5),
        json!(1e-40),
        json!(1e9),
        json!(1e38),
        json!(1e39),
        json!(-1e300),
        json!(255),
        json!(4095),
        json!(5121),
        json!(5125),
        json!(65_536),
        json!(16_777_216),
        json!(268_435_456),
        json!(4_294_967_295u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(null),
        json!([]),
        json!({}),
        json!([[], [0, 1e20, -7]]),
        json!("VEC4"),
        json!("MAT4"),
        json!("data:,"),
        json!(true),
        json!("data:application/octet-stream;base64,AAAA"),
        json!("LINEAR"),
        json!("CUBICSPLINE"),
        json!("weights"),
    ];
    for _ in 0..=numbers.below(4) / 2 {
        let mut all = Vec::new();
        paths(json, "", &mut all);
        let (path, other) = (numbers.pick(&all).clone(), numbers.pick(&all).clone());
        let with = match numbers.below(4) {
            0 => json.pointer(&other).cloned().unwrap_or_default(),
            _ => numbers.pick(&values).clone(),
        };
        if numbers.below(8) == 0 {
            let (parent, key) = path.rsplit_once('/').unwrap();
            match json.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.remove(key)),
                Some(Value::Array(list)) => list.truncate(key.parse().unwrap()),
                _ => {}
            }
        } else if let Some(value) = json.pointer_mut(&path) {
            *value = with;
        }
    }
}
