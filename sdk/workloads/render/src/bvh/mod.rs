//! The tree of triangles that rays walk: four children to a node.

pub mod bounds;
mod build;

pub use self::bounds::Bounds;
use self::build::{Builder, Item, Tree};
use crate::{
    error::{RenderError, Result},
    layout::{self, INSTANCE, LEAF, MASKED, MAX_LEAF, MAX_TRIANGLES, NONE},
    math::{Vec3, vec3},
    scene::Triangle,
};

/// Boxes grow by this share of the largest coordinate, for the rounding errors of a ray's entry and exit distances.
const PAD: f32 = 2e-6;
/// Depths below which only halves are cut: the next one is tried where a tree needs too large a stack.
const DEPTHS: [u32; 3] = [24, 12, 0];

/// A tree over triangles, in the kernel's layout.
pub struct Bvh {
    /// Nodes; the first is the root.
    pub nodes: Vec<layout::Node>,
    /// Triangles in the order of the leaves. A triangle that was cut stands in several leaves.
    pub triangles: Vec<layout::Triangle>,
    /// Which of the triangles given stands at each place.
    pub order: Vec<u32>,
    /// The box around all of them.
    pub bounds: Bounds,
    /// Most entries on the stack of a ray.
    pub need: usize,
}

/// Where a ray meets the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Distance along the ray.
    pub t: f32,
    /// Index of the triangle.
    pub triangle: u32,
}

impl Bvh {
    /// Builds the tree; `masked` says which triangles need an alpha test.
    ///
    /// # Errors
    /// If there are more triangles than the kernel can address, or the tree needs more than `stack` entries.
    pub fn build(triangles: &[Triangle], stack: usize, masked: impl Fn(&Triangle) -> bool) -> Result<Self> {
        Self::build_within(triangles, stack, 0.0, masked)
    }

    /// As [`Bvh::build`], for rays whose coordinates are up to `reach`.
    ///
    /// # Errors
    /// As [`Bvh::build`].
    pub fn build_within(
        triangles: &[Triangle],
        stack: usize,
        reach: f32,
        masked: impl Fn(&Triangle) -> bool,
    ) -> Result<Self> {
        let too_many = |n: usize| RenderError::TooLarge(format!("{n} triangles in leaves, at most {MAX_TRIANGLES}"));
        if triangles.len() > MAX_TRIANGLES {
            return Err(too_many(triangles.len()));
        }
        let items: Vec<Item> = triangles
            .iter()
            .enumerate()
            .map(|(i, triangle)| Item { bounds: Bounds::of(triangle), index: i as u32 })
            .collect();
        let bounds = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.bounds));
        let pad = bounds.reach().max(reach) * PAD;
        for depth in DEPTHS {
            let builder = Builder { triangles: Some(triangles), leaf: MAX_LEAF, depth, surface: bounds.area() };
            let mut wide = Wide { nodes: vec![EMPTY_NODE], order: Vec::new(), pad };
            let mut need = 0;
            if !items.is_empty() {
                let leaf = |order: &mut Vec<u32>, items: &[u32]| {
                    let first = order.len() as u32;
                    order.extend(items);
                    let any = items.iter().any(|i| masked(&triangles[*i as usize]));
                    LEAF | if any { MASKED } else { 0 } | (items.len() as u32 - 1) << 27 | first
                };
                need = wide.flatten(&builder.build(items.clone()), 0, &leaf);
            }
            if wide.order.len() > MAX_TRIANGLES {
                return Err(too_many(wide.order.len()));
            }
            if need <= stack {
                let rows = wide.order.iter().map(|i| plane_rows(&triangles[*i as usize])).collect();
                return Ok(Self { nodes: wide.nodes, triangles: rows, order: wide.order, bounds, need });
            }
        }
        Err(RenderError::TooLarge(format!("its tree needs more than {stack} entries on the stack of the kernel")))
    }

    /// The nearest hit of a ray within `limit`, not minding alpha: the same test as the kernel's, in plain arithmetic.
    #[must_use]
    pub fn closest(&self, origin: Vec3, direction: Vec3, limit: f32) -> Option<Hit> {
        let (o, d) = (origin.to_array(), direction.to_array());
        let mut best = None;
        let (mut limit, mut stack) = (limit, vec![0u32]);
        while let Some(reference) = stack.pop() {
            if reference & LEAF == 0 {
                let node = &self.nodes[reference as usize];
                for (k, child) in node.child.iter().enumerate().filter(|(_, child)| **child != NONE) {
                    let (mut enter, mut leave) = (0f32, limit);
                    for axis in 0..3 {
                        let inverse = 1.0 / if d[axis].abs() < 1e-18 { 1e-18 } else { d[axis] };
                        let (a, b) = (node.bounds[axis * 2][k], node.bounds[axis * 2 + 1][k]);
                        let (a, b) = ((a - o[axis]) * inverse, (b - o[axis]) * inverse);
                        enter = enter.max(a.min(b));
                        leave = leave.min(a.max(b));
                    }
                    if enter <= leave {
                        stack.push(*child);
                    }
                }
            } else {
                let first = (reference & 0x07ff_ffff) as usize;
                for i in first..=first + (reference >> 27 & 7) as usize {
                    if let Some(t) = intersect(&self.triangles[i], origin, direction).filter(|t| *t < limit) {
                        limit = t;
                        best = Some(Hit { t, triangle: self.order[i] });
                    }
                }
            }
        }
        best
    }
}

/// What stands in a tree of trees: its box, the reference to it, and how many entries it needs on the stack.
pub struct Entry {
    pub bounds: Bounds,
    pub reference: u32,
    pub need: usize,
}

/// A tree over trees and instances, with its nodes from number `first` on: the reference to its root, its nodes and the
/// entries that it needs on the stack.
pub fn tree_of_trees(entries: &[Entry], first: u32, pad: f32) -> (u32, Vec<layout::Node>, usize) {
    let below = entries.iter().map(|entry| entry.need).max().unwrap_or(0);
    if let [only] = entries {
        return (only.reference, Vec::new(), below);
    }
    let items: Vec<Item> =
        entries.iter().enumerate().map(|(i, entry)| Item { bounds: entry.bounds, index: i as u32 }).collect();
    let surface = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.bounds)).area();
    let builder = Builder { triangles: None, leaf: 1, depth: DEPTHS[1], surface };
    let mut wide = Wide { nodes: vec![EMPTY_NODE], order: Vec::new(), pad };
    let need =
        if items.is_empty() { 0 } else { wide.flatten(&builder.build(items), 0, &|_, items: &[u32]| FAR | items[0]) };
    for child in wide.nodes.iter_mut().flat_map(|node| &mut node.child).filter(|child| **child != NONE) {
        *child = if *child & FAR == 0 { *child + first } else { entries[(*child & !FAR) as usize].reference };
    }
    (first, wide.nodes, need + below)
}

/// Marks, while a tree of trees is made, what is one of its entries.
const FAR: u32 = 1 << 31;

/// The reference to an instance.
pub const fn instance_reference(index: u32) -> u32 {
    INSTANCE | index
}

/// A tree of four children to a node, in the making.
struct Wide {
    nodes: Vec<layout::Node>,
    order: Vec<u32>,
    pad: f32,
}

impl Wide {
    /// Writes `tree` as node `at` and returns how many stack entries it can need. `leaf` makes the reference to a leaf.
    fn flatten(&mut self, tree: &Tree, at: usize, leaf: &impl Fn(&mut Vec<u32>, &[u32]) -> u32) -> usize {
        let mut children: Vec<&Tree> = vec![tree];
        // Open the largest inner child until there are four.
        while children.len() < 4 {
            let inner = children.iter().enumerate().filter(|(_, c)| matches!(c, Tree::Inner { .. }));
            let largest = inner.max_by(|a, b| a.1.bounds().area().total_cmp(&b.1.bounds().area())).map(|(i, _)| i);
            let Some(i) = largest else { break };
            if let Tree::Inner { children: two, .. } = children[i] {
                children[i] = &two[0];
                children.push(&two[1]);
            }
        }
        let mut node = EMPTY_NODE;
        let mut deepest = 0;
        for (k, child) in children.iter().enumerate() {
            let b = child.bounds();
            let pad = Vec3::splat(self.pad);
            let (low, high) = ((b.low - pad).to_array(), (b.high + pad).to_array());
            for axis in 0..3 {
                node.bounds[axis * 2][k] = low[axis];
                node.bounds[axis * 2 + 1][k] = high[axis];
            }
            node.child[k] = match child {
                Tree::Leaf { items, .. } => leaf(&mut self.order, items),
                Tree::Inner { .. } => {
                    let place = self.nodes.len();
                    self.nodes.push(EMPTY_NODE);
                    deepest = deepest.max(self.flatten(child, place, leaf));
                    place as u32
                }
            };
        }
        self.nodes[at] = node;
        deepest + children.len() - 1
    }
}

/// A node whose children no ray enters.
const EMPTY_NODE: layout::Node =
    layout::Node { bounds: [[1e30; 4], [-1e30; 4], [1e30; 4], [-1e30; 4], [1e30; 4], [-1e30; 4]], child: [NONE; 4] };

/// The map from the space of the mesh to (barycentric 1, barycentric 2, height over the plane).
fn plane_rows(triangle: &Triangle) -> layout::Triangle {
    let p = triangle.positions.map(|p| [f64::from(p.x), f64::from(p.y), f64::from(p.z)]);
    let sub = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let (e1, e2) = (sub(p[1], p[0]), sub(p[2], p[0]));
    let n = cross(e1, e2);
    let n2 = dot(n, n);
    let row = |v: [f64; 3], scale: f64| {
        let v = v.map(|c| c * scale);
        [v[0] as f32, v[1] as f32, v[2] as f32, -dot(v, p[0]) as f32]
    };
    layout::Triangle { rows: [row(cross(e2, n), 1.0 / n2), row(cross(n, e1), 1.0 / n2), row(n, 1.0 / n2.sqrt())] }
}

/// How far outside of a triangle, in barycentrics, a ray still hits. As in the kernel.
const EDGE: f32 = 2e-4;

/// Distance at which a ray meets a triangle.
fn intersect(triangle: &layout::Triangle, o: Vec3, d: Vec3) -> Option<f32> {
    let along = |row: [f32; 4], v: Vec3| vec3(row[0], row[1], row[2]).dot(v);
    let [first, second, plane] = triangle.rows;
    let t = -(along(plane, o) + plane[3]) / along(plane, d);
    if !(t > 0.0 && t.is_finite()) {
        return None;
    }
    let p = o + d * t;
    let (u, v) = (along(first, p) + first[3], along(second, p) + second[3]);
    (u >= -EDGE && v >= -EDGE && u + v <= 1.0 + EDGE).then_some(t)
}
