//! The tree of triangles that rays walk: binned surface-area heuristic, then four children to a node.

use crate::{
    error::{RenderError, Result},
    layout::{self, LEAF, MASKED, MAX_LEAF, MAX_TRIANGLES, NONE, STACK},
    math::{Vec3, vec3},
    scene::Triangle,
};

/// Bins of the heuristic along an axis.
const BINS: usize = 16;
/// Cost of visiting an inner node of two children, in triangle tests.
const VISIT: f32 = 1.0;
/// Below this depth only halves are cut, so that the stack suffices.
const SAH_DEPTH: u32 = 24;
/// From this many triangles on, both halves are built at once.
const PARALLEL: usize = 4_096;

#[derive(Clone, Copy)]
struct Bounds {
    low: Vec3,
    high: Vec3,
}

impl Bounds {
    const EMPTY: Self = Self { low: Vec3::splat(f32::INFINITY), high: Vec3::splat(f32::NEG_INFINITY) };

    fn with(self, o: Self) -> Self {
        Self { low: self.low.min(o.low), high: self.high.max(o.high) }
    }

    /// Half of the surface; 0 for an empty box.
    fn area(&self) -> f32 {
        let d = (self.high - self.low).max(Vec3::splat(0.0));
        d.x * d.y + d.y * d.z + d.z * d.x
    }
}

#[derive(Clone, Copy)]
struct Item {
    bounds: Bounds,
    centre: [f32; 3],
    index: u32,
}

enum Tree {
    Leaf { bounds: Bounds, first: usize, count: usize },
    Inner { bounds: Bounds, children: Box<[Tree; 2]> },
}

impl Tree {
    fn bounds(&self) -> Bounds {
        match self {
            Self::Leaf { bounds, .. } | Self::Inner { bounds, .. } => *bounds,
        }
    }
}

/// A tree over the triangles of a scene, in the kernel's layout.
pub struct Bvh {
    /// Nodes; the first is the root.
    pub nodes: Vec<layout::Node>,
    /// Triangles in the order of the leaves.
    pub triangles: Vec<layout::Triangle>,
    /// Which triangle of the scene stands at each place.
    pub order: Vec<u32>,
}

/// Where a ray meets the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Distance along the ray.
    pub t: f32,
    /// Index of the triangle in the scene.
    pub triangle: u32,
}

impl Bvh {
    /// Builds the tree; `masked` says which triangles need an alpha test.
    ///
    /// # Errors
    /// If there are more triangles than the kernel can address.
    pub fn build(triangles: &[Triangle], masked: impl Fn(&Triangle) -> bool) -> Result<Self> {
        if triangles.len() > MAX_TRIANGLES {
            return Err(RenderError::TooLarge(format!("{} triangles, at most {MAX_TRIANGLES}", triangles.len())));
        }
        let mut items: Vec<Item> = triangles.iter().enumerate().map(|(i, t)| item(i as u32, t)).collect();
        let all = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.bounds));
        // Boxes grow by the rounding errors of a ray's entry and exit distances.
        let pad =
            if items.is_empty() { 0.0 } else { all.low.max(-all.low).max(all.high.max(-all.high)).largest() * 2e-6 };
        let tree = (!items.is_empty()).then(|| split(&mut items, 0, 0));
        let order: Vec<u32> = items.iter().map(|i| i.index).collect();
        let mut bvh = Self {
            nodes: vec![EMPTY_NODE],
            triangles: order.iter().map(|i| plane_rows(&triangles[*i as usize])).collect(),
            order,
        };
        if let Some(tree) = &tree {
            let is_masked = |i: &u32| masked(&triangles[*i as usize]);
            let need = bvh.flatten(tree, 0, pad, &is_masked);
            if need > STACK {
                return Err(RenderError::TooLarge(format!(
                    "the scene needs a stack of {need}, the kernel has {STACK}"
                )));
            }
        }
        Ok(bvh)
    }

    /// Writes `tree` as node `at` and returns how many stack entries it can need.
    fn flatten(&mut self, tree: &Tree, at: usize, pad: f32, masked: &impl Fn(&u32) -> bool) -> usize {
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
            let (low, high) = ((b.low - Vec3::splat(pad)).to_array(), (b.high + Vec3::splat(pad)).to_array());
            for axis in 0..3 {
                node.bounds[axis * 2][k] = low[axis];
                node.bounds[axis * 2 + 1][k] = high[axis];
            }
            node.child[k] = match child {
                Tree::Leaf { first, count, .. } => {
                    let any = self.order[*first..first + count].iter().any(masked);
                    LEAF | if any { MASKED } else { 0 } | (*count as u32 - 1) << 27 | *first as u32
                }
                Tree::Inner { .. } => {
                    let place = self.nodes.len();
                    self.nodes.push(EMPTY_NODE);
                    deepest = deepest.max(self.flatten(child, place, pad, masked));
                    place as u32
                }
            };
        }
        self.nodes[at] = node;
        deepest + children.len() - 1
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

/// A node whose children no ray enters.
const EMPTY_NODE: layout::Node =
    layout::Node { bounds: [[1e30; 4], [-1e30; 4], [1e30; 4], [-1e30; 4], [1e30; 4], [-1e30; 4]], child: [NONE; 4] };

fn item(index: u32, triangle: &Triangle) -> Item {
    let [a, b, c] = triangle.positions;
    let bounds = Bounds { low: a.min(b).min(c), high: a.max(b).max(c) };
    Item { bounds, centre: ((bounds.low + bounds.high) * 0.5).to_array(), index }
}

/// Builds the tree over `items`, which stand at `first` in the final order, and reorders them.
fn split(items: &mut [Item], first: usize, depth: u32) -> Tree {
    let bounds = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.bounds));
    let count = items.len();
    let leaf = Tree::Leaf { bounds, first, count };
    if count == 1 {
        return leaf;
    }
    let middle = match (depth < SAH_DEPTH).then(|| best_plane(items, &bounds)).flatten() {
        Some((_, _, cost)) if count <= MAX_LEAF && cost >= count as f32 => return leaf,
        Some((axis, plane, _)) => partition(items, |i| i.centre[axis] < plane),
        None if count <= MAX_LEAF => return leaf,
        None => {
            let size = (bounds.high - bounds.low).to_array();
            let axis = (0..3).fold(0, |best, axis| if size[axis] > size[best] { axis } else { best });
            let key = |i: &Item| (i.centre[axis], i.index);
            items.select_nth_unstable_by(count / 2, |a, b| {
                let ((x, i), (y, j)) = (key(a), key(b));
                x.total_cmp(&y).then(i.cmp(&j))
            });
            count / 2
        }
    };
    let (left, right) = items.split_at_mut(middle);
    let build = |items: &mut [Item], first| split(items, first, depth + 1);
    let (a, b) = if count >= PARALLEL {
        rayon::join(|| build(left, first), || build(right, first + middle))
    } else {
        (build(left, first), build(right, first + middle))
    };
    Tree::Inner { bounds, children: Box::new([a, b]) }
}

/// The plane with the lowest expected cost, in triangle tests: axis, position, cost. `None` if all centres coincide.
fn best_plane(items: &[Item], bounds: &Bounds) -> Option<(usize, f32, f32)> {
    let mut best: Option<(usize, f32, f32)> = None;
    let whole = bounds.area().max(f32::MIN_POSITIVE);
    for axis in 0..3 {
        let centres = items.iter().map(|i| i.centre[axis]);
        let (low, high) = centres.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), c| (l.min(c), h.max(c)));
        let width = (high - low) / BINS as f32;
        if width <= 0.0 || !width.is_finite() {
            continue;
        }
        let mut bins = [(Bounds::EMPTY, 0u32); BINS];
        for item in items {
            let k = (((item.centre[axis] - low) / width) as usize).min(BINS - 1);
            bins[k] = (bins[k].0.with(item.bounds), bins[k].1 + 1);
        }
        let mut above = [(0f32, 0u32); BINS];
        let mut sum = (Bounds::EMPTY, 0);
        for k in (1..BINS).rev() {
            sum = (sum.0.with(bins[k].0), sum.1 + bins[k].1);
            above[k] = (sum.0.area(), sum.1);
        }
        sum = (Bounds::EMPTY, 0);
        for k in 1..BINS {
            sum = (sum.0.with(bins[k - 1].0), sum.1 + bins[k - 1].1);
            if sum.1 == 0 || above[k].1 == 0 {
                continue;
            }
            let cost = VISIT + (sum.0.area() * sum.1 as f32 + above[k].0 * above[k].1 as f32) / whole;
            let plane = low + width * k as f32;
            // The same comparison as in partition(): both sides must get something in spite of rounding.
            let left = items.iter().filter(|i| i.centre[axis] < plane).count();
            if best.is_none_or(|b| cost < b.2) && left > 0 && left < items.len() {
                best = Some((axis, plane, cost));
            }
        }
    }
    best
}

/// Moves the items that satisfy `left` to the front, in order, and returns their number.
fn partition(items: &mut [Item], left: impl Fn(&Item) -> bool) -> usize {
    let (a, b): (Vec<Item>, Vec<Item>) = items.iter().partition(|i| left(i));
    items[..a.len()].copy_from_slice(&a);
    items[a.len()..].copy_from_slice(&b);
    a.len()
}

/// The map from world space to (barycentric 1, barycentric 2, height over the plane).
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
