//! Numbers out of accessors, with every offset checked: the file may come from anywhere.

use std::{cell::RefCell, collections::HashMap, ops::Deref, sync::Arc};

use gltf::json::{
    accessor::ComponentType,
    buffer::View,
    validation::{Checked, USize64},
};

use super::file::Source;
use crate::error::Result;

/// Most elements of an accessor.
const MAX_COUNT: u64 = 1 << 28;

/// Elements of `N` components, shared by all who read the same accessor.
#[derive(Clone)]
pub(super) struct Numbers<const N: usize>(Arc<[f32]>);

impl<const N: usize> Deref for Numbers<N> {
    type Target = [[f32; N]];

    fn deref(&self) -> &Self::Target {
        self.0.as_chunks().0
    }
}

impl<const N: usize> Numbers<N> {
    /// All components in a row.
    pub(super) fn flat(&self) -> Arc<[f32]> {
        self.0.clone()
    }
}

impl<const N: usize> FromIterator<[f32; N]> for Numbers<N> {
    fn from_iter<T: IntoIterator<Item = [f32; N]>>(elements: T) -> Self {
        Self(elements.into_iter().flatten().collect())
    }
}

/// Accessors that have been read.
pub(super) type Cache = RefCell<HashMap<usize, Arc<[f32]>>>;

/// The form of an accessor's elements.
#[derive(Clone, Copy)]
struct Form {
    index: usize,
    count: usize,
    kind: ComponentType,
    components: usize,
    normalized: bool,
}

impl Form {
    fn size(&self) -> usize {
        self.components * self.kind.size()
    }
}

impl Source<'_> {
    /// How many components an element of the accessor has.
    pub(super) fn components(&self, index: usize) -> Result<usize> {
        Ok(self.form(index)?.components)
    }

    /// Elements of an accessor of `N` components as finite floats; normalised integers become 0..1 or -1..1.
    pub(super) fn floats<const N: usize>(&self, index: usize) -> Result<Numbers<N>> {
        let numbers = self.raw_floats(index)?;
        match numbers.iter().flatten().all(|v| v.is_finite()) {
            true => Ok(numbers),
            false => Err(self.broken(format!("accessor {index} holds a number that is not finite"))),
        }
    }

    /// As [`Source::floats`], but the numbers need not be finite.
    pub(super) fn raw_floats<const N: usize>(&self, index: usize) -> Result<Numbers<N>> {
        let form = self.form(index)?;
        if form.components != N {
            let found = form.components;
            return Err(self.broken(format!("accessor {index} has {found} components an element, expected {N}")));
        }
        if let Some(numbers) = self.cache.borrow().get(&index) {
            return Ok(Numbers(numbers.clone()));
        }
        // The list while it grows, and the shared copy of it.
        self.budget.take(form.count, 2 * size_of::<[f32; N]>(), &format!("accessor {index}"))?;
        let numbers: Arc<[f32]> = self.elements(form, |b| read_float(b, form))?.into();
        self.cache.borrow_mut().insert(index, numbers.clone());
        Ok(Numbers(numbers))
    }

    /// Elements of an accessor of indices.
    pub(super) fn indices(&self, index: usize) -> Result<Vec<u32>> {
        let form = self.form(index)?;
        if form.components != 1 || !matches!(form.kind, ComponentType::U8 | ComponentType::U16 | ComponentType::U32) {
            return Err(self.broken(format!("accessor {index} holds {:?}, expected indices", form.kind)));
        }
        self.budget.take(form.count, 4, &format!("accessor {index}"))?;
        self.elements(form, |b| read_index(b, form.kind))
    }

    fn form(&self, index: usize) -> Result<Form> {
        let accessor = self.root.accessors.get(index);
        let accessor = accessor.ok_or_else(|| self.broken(format!("there is no accessor {index}")))?;
        let (Checked::Valid(kind), Checked::Valid(shape)) = (accessor.component_type, accessor.type_) else {
            return Err(self.broken(format!("accessor {index} has an unknown type")));
        };
        let count = accessor.count.0;
        if count > MAX_COUNT {
            return Err(self.broken(format!("accessor {index} has {count} elements, at most {MAX_COUNT}")));
        }
        let components = shape.multiplicity();
        Ok(Form { index, count: count as usize, kind: kind.0, components, normalized: accessor.normalized })
    }

    /// The components of all elements in a row.
    fn elements<T: Copy + Default>(&self, form: Form, read: impl Fn(&[u8]) -> T) -> Result<Vec<T>> {
        let Form { index, count, kind, components, .. } = form;
        let accessor = &self.root.accessors[index];
        let (size, width) = (form.size(), kind.size());
        let element = |bytes: &[u8], at: usize, out: &mut [T]| {
            for (value, b) in out.iter_mut().zip(bytes[at..at + size].chunks_exact(width)) {
                *value = read(b);
            }
        };
        let mut values;
        if let Some(view) = accessor.buffer_view {
            let view = &self.root.buffer_views[view.value()];
            let stride = view.byte_stride.map_or(size, |s| s.0);
            let name = format!("accessor {index}");
            let bytes = self.view(view, accessor.byte_offset, count, size, stride, &name)?;
            values = vec![T::default(); count * components];
            for (i, out) in values.chunks_exact_mut(components).enumerate() {
                element(bytes, i * stride, out);
            }
        } else {
            values = vec![T::default(); count * components];
        }
        if let Some(sparse) = &accessor.sparse {
            let name = format!("sparse part of accessor {index}");
            let n = usize::try_from(sparse.count.0).unwrap_or(usize::MAX);
            let Checked::Valid(of_indices) = sparse.indices.component_type else {
                return Err(self.broken(format!("the {name} has indices of an unknown type")));
            };
            let (of_indices, views) = (of_indices.0, &self.root.buffer_views);
            let view = &views[sparse.indices.buffer_view.value()];
            let step = of_indices.size();
            let at = self.view(view, Some(sparse.indices.byte_offset), n, step, step, &name)?;
            let view = &views[sparse.values.buffer_view.value()];
            let data = self.view(view, Some(sparse.values.byte_offset), n, size, size, &name)?;
            for i in 0..n {
                let place = read_index(&at[i * step..], of_indices) as usize;
                let Some(out) = values.chunks_exact_mut(components).nth(place) else {
                    return Err(self.broken(format!("the {name} names element {place} of {count}")));
                };
                element(data, i * size, out);
            }
        }
        Ok(values)
    }

    /// The bytes of `count` elements of `size` bytes, `stride` apart, from `offset` in a buffer view.
    fn view(
        &self,
        view: &View,
        offset: Option<USize64>,
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
        let offset = offset.map_or(Some(0), |o| usize::try_from(o.0).ok());
        offset.and_then(|from| bytes.get(from..from.checked_add(len?)?)).ok_or_else(|| {
            self.broken(format!("{name} ends outside of its buffer view, which has {} bytes", bytes.len()))
        })
    }

    /// The bytes of a buffer view.
    pub(super) fn view_bytes(&self, view: &View) -> Result<&[u8]> {
        let offset = view.byte_offset.map_or(0, |o| o.0);
        let range = || {
            let end = usize::try_from(offset.checked_add(view.byte_length.0)?).ok()?;
            self.buffers.get(view.buffer.value())?.get(usize::try_from(offset).ok()?..end)
        };
        range().ok_or_else(|| {
            self.broken(format!("a buffer view from {offset} ends outside of buffer {}", view.buffer.value()))
        })
    }
}

fn read_float(b: &[u8], form: Form) -> f32 {
    let scaled = |value: f32, most: f32| if form.normalized { (value / most).max(-1.0) } else { value };
    match form.kind {
        ComponentType::I8 => scaled(f32::from(b[0] as i8), 127.0),
        ComponentType::U8 => scaled(f32::from(b[0]), 255.0),
        ComponentType::I16 => scaled(f32::from(i16::from_le_bytes([b[0], b[1]])), 32_767.0),
        ComponentType::U16 => scaled(f32::from(u16::from_le_bytes([b[0], b[1]])), 65_535.0),
        ComponentType::U32 => u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32,
        ComponentType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
    }
}

fn read_index(b: &[u8], kind: ComponentType) -> u32 {
    match kind {
        ComponentType::U8 => u32::from(b[0]),
        ComponentType::U16 => u32::from(u16::from_le_bytes([b[0], b[1]])),
        _ => u32::from_le_bytes([b[0], b[1], b[2], b[3]]),
    }
}
