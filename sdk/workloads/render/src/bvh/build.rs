//! Building the binary tree: the surface-area heuristic over bins of centres and, where boxes would overlap much, over
//! planes that cut triangles in two (Stich, Friedrich, Dietrich: Spatial Splits in Bounding Volume Hierarchies, 2009).
//! Both halves are built at once; what comes out depends on the triangles alone.

use super::bounds::{Bounds, clip};
use crate::scene::Triangle;

/// Bins of the heuristic along an axis.
const BINS: usize = 16;
/// Cost of visiting an inner node of two children, in triangle tests.
const VISIT: f32 = 1.0;
/// From this many items on, both halves are built at once.
const PARALLEL: usize = 4_096;
/// Cuts are tried where the halves of the best division without them share more than this part of the whole surface.
const OVERLAP: f32 = 1e-5;
/// Cuts may make this many more references to triangles, as a share of the triangles.
const MORE: f32 = 0.3;

/// A box in the tree, and what it is of.
#[derive(Clone, Copy)]
pub struct Item {
    pub bounds: Bounds,
    pub index: u32,
}

/// A binary tree.
pub enum Tree {
    Leaf { bounds: Bounds, items: Vec<u32> },
    Inner { bounds: Bounds, children: Box<[Tree; 2]> },
}

impl Tree {
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Leaf { bounds, .. } | Self::Inner { bounds, .. } => *bounds,
        }
    }
}

/// What a tree is built of.
pub struct Builder<'a> {
    /// The triangles that items are of, if these can be cut.
    pub triangles: Option<&'a [Triangle]>,
    /// Most items of a leaf.
    pub leaf: usize,
    /// Below this depth only halves are cut.
    pub depth: u32,
    /// Half of the surface of the whole.
    pub surface: f32,
}

/// Where items are divided.
#[derive(Clone, Copy)]
struct Plane {
    axis: usize,
    at: f32,
    /// In triangle tests.
    cost: f32,
    left: (Bounds, usize),
    right: (Bounds, usize),
}

impl Builder<'_> {
    /// The tree over some items, of which there must be at least one.
    pub fn build(&self, items: Vec<Item>) -> Tree {
        let spare = if self.triangles.is_some() { (items.len() as f32 * MORE) as usize } else { 0 };
        self.grow(items, 0, spare)
    }

    /// `spare`: how many items cuts may add.
    fn grow(&self, mut items: Vec<Item>, depth: u32, spare: usize) -> Tree {
        let bounds = items.iter().fold(Bounds::EMPTY, |b, i| b.with(i.bounds));
        let count = items.len();
        let leaf = |items: &[Item]| Tree::Leaf { bounds, items: items.iter().map(|i| i.index).collect() };
        if count == 1 {
            return leaf(&items);
        }
        let whole = if depth < self.depth { best(&items, |axis| by_centres(&items, &bounds, axis)) } else { None };
        let cut = self.worth_cutting(whole.as_ref(), spare).and_then(|triangles| {
            let plane = best(&items, |axis| by_cuts(&items, triangles, &bounds, axis))?;
            let extra = plane.left.1 + plane.right.1 - count.min(plane.left.1 + plane.right.1);
            let pays = whole.is_none_or(|whole| plane.cost < whole.cost) && extra <= spare;
            (pays && depth < self.depth).then_some((triangles, plane))
        });
        let cost = cut.as_ref().map(|(_, plane)| plane.cost).or(whole.map(|plane| plane.cost));
        if count <= self.leaf && cost.is_none_or(|cost| cost >= count as f32) {
            return leaf(&items);
        }
        let halves = cut.and_then(|(triangles, plane)| divide(&items, triangles, plane));
        let (left, right) = match (halves, whole) {
            (Some(halves), _) => halves,
            (None, Some(plane)) => items.iter().partition(|i| i.bounds.centre()[plane.axis] < plane.at),
            (None, None) => {
                let size = (bounds.high - bounds.low).to_array();
                let axis = (0..3).fold(0, |best, axis| if size[axis] > size[best] { axis } else { best });
                items.select_nth_unstable_by(count / 2, |a, b| {
                    let key = |i: &Item| i.bounds.centre()[axis];
                    key(a).total_cmp(&key(b)).then(a.index.cmp(&b.index))
                });
                let right = items.split_off(count / 2);
                (std::mem::take(&mut items), right)
            }
        };
        drop(items);
        let spare = spare - (left.len() + right.len() - count).min(spare);
        let share = (spare as u64 * left.len() as u64 / (left.len() + right.len()) as u64) as usize;
        let build = |items, spare| self.grow(items, depth + 1, spare);
        let (a, b) = if count >= PARALLEL {
            rayon::join(|| build(left, share), || build(right, spare - share))
        } else {
            (build(left, share), build(right, spare - share))
        };
        Tree::Inner { bounds, children: Box::new([a, b]) }
    }

    /// The triangles, if the halves of the best division share enough for cuts to pay.
    fn worth_cutting(&self, whole: Option<&Plane>, spare: usize) -> Option<&[Triangle]> {
        let shared = whole.map_or(f32::INFINITY, |plane| {
            let both = plane.left.0.within(plane.right.0);
            if both.is_empty() { 0.0 } else { both.area() }
        });
        self.triangles.filter(|_| spare > 0 && shared > OVERLAP * self.surface)
    }
}

/// The best plane of the three axes.
fn best(items: &[Item], along: impl Fn(usize) -> Option<Plane> + Sync) -> Option<Plane> {
    let [a, b, c] = if items.len() >= PARALLEL {
        let (a, (b, c)) = rayon::join(|| along(0), || rayon::join(|| along(1), || along(2)));
        [a, b, c]
    } else {
        [along(0), along(1), along(2)]
    };
    // At equal costs the first one.
    [a, b, c].into_iter().flatten().reduce(|best, plane| if plane.cost < best.cost { plane } else { best })
}

/// The cheapest of the planes between bins. `low` and `width` say where bins are; `bins` are boxes with the numbers of items
/// that begin and end there.
fn cheapest(bins: &[(Bounds, usize, usize); BINS], axis: usize, low: f32, width: f32, surface: f32) -> Option<Plane> {
    let mut above = [(Bounds::EMPTY, 0); BINS];
    let mut sum = (Bounds::EMPTY, 0);
    for k in (1..BINS).rev() {
        sum = (sum.0.with(bins[k].0), sum.1 + bins[k].2);
        above[k] = sum;
    }
    let mut found: Option<Plane> = None;
    sum = (Bounds::EMPTY, 0);
    for k in 1..BINS {
        sum = (sum.0.with(bins[k - 1].0), sum.1 + bins[k - 1].1);
        let right = above[k];
        if sum.1 == 0 || right.1 == 0 {
            continue;
        }
        let work = sum.0.area() * sum.1 as f32 + right.0.area() * right.1 as f32;
        let cost = VISIT + work / surface.max(f32::MIN_POSITIVE);
        if found.is_none_or(|f| cost < f.cost) {
            found = Some(Plane { axis, at: low + width * k as f32, cost, left: sum, right });
        }
    }
    found
}

/// The best plane that divides items by their centres. `None` if all centres coincide.
fn by_centres(items: &[Item], bounds: &Bounds, axis: usize) -> Option<Plane> {
    let centre = |i: &Item| i.bounds.centre()[axis];
    let (low, high) = items.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), i| {
        let c = centre(i);
        (l.min(c), h.max(c))
    });
    let width = (high - low) / BINS as f32;
    if !(width > 0.0 && width.is_finite()) {
        return None;
    }
    let mut bins = [(Bounds::EMPTY, 0, 0); BINS];
    for item in items {
        // The bin whose planes, as rounded, the centre lies between: so that the division has the counts found here.
        let c = centre(item);
        let mut k = (((c - low) / width) as usize).min(BINS - 1);
        while k > 0 && c < low + width * k as f32 {
            k -= 1;
        }
        while k < BINS - 1 && c >= low + width * (k + 1) as f32 {
            k += 1;
        }
        bins[k] = (bins[k].0.with(item.bounds), bins[k].1 + 1, bins[k].2 + 1);
    }
    cheapest(&bins, axis, low, width, bounds.area())
}

/// The best plane that cuts the triangles on it in two.
fn by_cuts(items: &[Item], triangles: &[Triangle], bounds: &Bounds, axis: usize) -> Option<Plane> {
    let (low, high) = (bounds.low.to_array()[axis], bounds.high.to_array()[axis]);
    let width = (high - low) / BINS as f32;
    if !(width > 0.0 && width.is_finite()) {
        return None;
    }
    let bin = |v: f32| (((v - low) / width) as usize).min(BINS - 1);
    let mut bins = [(Bounds::EMPTY, 0, 0); BINS];
    for item in items {
        let (first, last) = (bin(item.bounds.low.to_array()[axis]), bin(item.bounds.high.to_array()[axis]));
        bins[first].1 += 1;
        bins[last].2 += 1;
        if first == last {
            bins[first].0 = bins[first].0.with(item.bounds);
            continue;
        }
        for (k, bin) in bins.iter_mut().enumerate().take(last + 1).skip(first) {
            let from = if k == first { f32::NEG_INFINITY } else { low + width * k as f32 };
            let to = if k == last { f32::INFINITY } else { low + width * (k + 1) as f32 };
            bin.0 = bin.0.with(clip(&triangles[item.index as usize], &item.bounds, axis, from, to));
        }
    }
    cheapest(&bins, axis, low, width, bounds.area())
}

/// Divides items at a plane, cutting those on it where that is cheaper than having them whole on one side. `None` if one
/// side gets nothing, or everything.
fn divide(items: &[Item], triangles: &[Triangle], plane: Plane) -> Option<(Vec<Item>, Vec<Item>)> {
    let Plane { axis, at, left: (mut left_box, mut left_count), right: (mut right_box, mut right_count), .. } = plane;
    let (mut left, mut right) = (Vec::with_capacity(left_count), Vec::with_capacity(right_count));
    for item in items {
        let (low, high) = (item.bounds.low.to_array()[axis], item.bounds.high.to_array()[axis]);
        if high <= at {
            left.push(*item);
        } else if low >= at {
            right.push(*item);
        } else {
            let (l, r) = (left_count as f32, right_count as f32);
            let (both_left, both_right) = (left_box.with(item.bounds), right_box.with(item.bounds));
            let cut = left_box.area() * l + right_box.area() * r;
            let only_left = both_left.area() * l + right_box.area() * (r - 1.0);
            let only_right = left_box.area() * (l - 1.0) + both_right.area() * r;
            if only_left < cut && only_left <= only_right {
                (left_box, right_count) = (both_left, right_count.saturating_sub(1));
                left.push(*item);
            } else if only_right < cut {
                (right_box, left_count) = (both_right, left_count.saturating_sub(1));
                right.push(*item);
            } else {
                let triangle = &triangles[item.index as usize];
                let part = |from, to| Item { bounds: clip(triangle, &item.bounds, axis, from, to), ..*item };
                left.push(part(f32::NEG_INFINITY, at));
                right.push(part(at, f32::INFINITY));
            }
        }
    }
    let divides = |half: &[Item]| !half.is_empty() && half.len() < items.len();
    (divides(&left) && divides(&right)).then_some((left, right))
}
