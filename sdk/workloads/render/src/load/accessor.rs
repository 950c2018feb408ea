//! Numbers out of accessors, with every offset checked: the file may come from anywhere.

use gltf::accessor::{DataType, Dimensions};

use super::Source;
use crate::error::Result;

/// Most elements of an accessor.
const MAX_COUNT: usize = 1 << 28;

impl Source<'_> {
    /// Elements of an accessor of `N` components as floats; normalised integers become 0..1 or -1..1.
    pub(super) fn floats<const N: usize>(&self, accessor: &gltf::Accessor<'_>) -> Result<Vec<[f32; N]>> {
        let kind = accessor.data_type();
        let scale = match (accessor.normalized(), kind) {
            (false, _) | (_, DataType::F32 | DataType::U32) => 1.0,
            (_, DataType::U8) => 1.0 / 255.0,
            (_, DataType::I8) => 1.0 / 127.0,
            (_, DataType::U16) => 1.0 / 65_535.0,
            (_, DataType::I16) => 1.0 / 32_767.0,
        };
        let read = |bytes: &[u8]| -> [f32; N] {
            std::array::from_fn(|i| {
                let b = &bytes[i * kind.size()..];
                let value = match kind {
                    DataType::I8 => f32::from(b[0] as i8),
                    DataType::U8 => f32::from(b[0]),
                    DataType::I16 => f32::from(i16::from_le_bytes([b[0], b[1]])),
                    DataType::U16 => f32::from(u16::from_le_bytes([b[0], b[1]])),
                    DataType::U32 => u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32,
                    DataType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
                };
                value * scale
            })
        };
        self.elements(accessor, N, [0.0; N], read)
    }

    /// Elements of an accessor of indices.
    pub(super) fn indices(&self, accessor: &gltf::Accessor<'_>) -> Result<Vec<u32>> {
        let kind = accessor.data_type();
        if !matches!(kind, DataType::U8 | DataType::U16 | DataType::U32) {
            return Err(self.broken(format!("accessor {} holds {kind:?}, expected indices", accessor.index())));
        }
        self.elements(accessor, 1, 0, |bytes| read_index(bytes, kind))
    }

    fn elements<T: Copy>(
        &self,
        accessor: &gltf::Accessor<'_>,
        components: usize,
        zero: T,
        read: impl Fn(&[u8]) -> T,
    ) -> Result<Vec<T>> {
        let (index, count) = (accessor.index(), accessor.count());
        let found = match accessor.dimensions() {
            Dimensions::Scalar => 1,
            Dimensions::Vec2 => 2,
            Dimensions::Vec3 => 3,
            Dimensions::Vec4 | Dimensions::Mat2 => 4,
            Dimensions::Mat3 => 9,
            Dimensions::Mat4 => 16,
        };
        if found != components {
            return Err(
                self.broken(format!("accessor {index} has {found} components an element, expected {components}"))
            );
        }
        if count > MAX_COUNT {
            return Err(self.broken(format!("accessor {index} has {count} elements, at most {MAX_COUNT}")));
        }
        let size = components * accessor.data_type().size();
        let mut values = match accessor.view() {
            Some(view) => {
                let stride = view.stride().unwrap_or(size);
                let name = format!("accessor {index}");
                let bytes = self.view(&view, accessor.offset(), count, size, stride, &name)?;
                (0..count).map(|i| read(&bytes[i * stride..i * stride + size])).collect()
            }
            None if accessor.sparse().is_some() => vec![zero; count],
            None => return Err(self.broken(format!("accessor {index} has no data"))),
        };
        if let Some(sparse) = accessor.sparse() {
            let name = format!("sparse part of accessor {index}");
            let (n, indices, new) = (sparse.count(), sparse.indices(), sparse.values());
            let kind = match indices.index_type() {
                gltf::accessor::sparse::IndexType::U8 => DataType::U8,
                gltf::accessor::sparse::IndexType::U16 => DataType::U16,
                gltf::accessor::sparse::IndexType::U32 => DataType::U32,
            };
            let at = self.view(&indices.view(), indices.offset(), n, kind.size(), kind.size(), &name)?;
            let data = self.view(&new.view(), new.offset(), n, size, size, &name)?;
            for i in 0..n {
                let place = read_index(&at[i * kind.size()..], kind) as usize;
                let value = values.get_mut(place);
                *value.ok_or_else(|| self.broken(format!("{name} names element {place} of {count}")))? =
                    read(&data[i * size..(i + 1) * size]);
            }
        }
        Ok(values)
    }

    /// The bytes of `count` elements of `size` bytes, `stride` apart, from `offset` in a buffer view.
    fn view(
        &self,
        view: &gltf::buffer::View<'_>,
        offset: usize,
        count: usize,
        size: usize,
        stride: usize,
        name: &str,
    ) -> Result<&[u8]> {
        if stride < size {
            return Err(self.broken(format!("{name} has a stride of {stride} for elements of {size} bytes")));
        }
        let len = if count == 0 { Some(0) } else { (count - 1).checked_mul(stride).and_then(|n| n.checked_add(size)) };
        let bytes = self.view_bytes(view)?;
        let end = len.and_then(|len| len.checked_add(offset));
        end.and_then(|end| bytes.get(offset..end)).ok_or_else(|| {
            self.broken(format!("{name} ends outside of buffer view {}, which has {} bytes", view.index(), bytes.len()))
        })
    }

    /// The bytes of a buffer view.
    pub(super) fn view_bytes(&self, view: &gltf::buffer::View<'_>) -> Result<&[u8]> {
        let buffer = self.buffers.get(view.buffer().index());
        let end = view.offset().checked_add(view.length());
        buffer
            .and_then(|b| b.get(view.offset()..end?))
            .ok_or_else(|| self.broken(format!("buffer view {} ends outside of its buffer", view.index())))
    }
}

fn read_index(b: &[u8], kind: DataType) -> u32 {
    match kind {
        DataType::U8 => u32::from(b[0]),
        DataType::U16 => u32::from(u16::from_le_bytes([b[0], b[1]])),
        _ => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
    }
}
