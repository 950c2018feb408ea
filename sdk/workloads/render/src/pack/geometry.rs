//! Trees of triangles and of instances, one after the other in the kernel's layout.

use super::{attributes::attributes, too_large};
use crate::{
    bvh::{Bounds, Bvh, Entry, instance_reference, tree_of_trees},
    error::Result,
    layout::{self, LEAF, MAX_TRIANGLES, NONE, STACK},
    math::Transform,
    scene::{Instance, Triangle},
};

/// Entries of the stack that a tree may need where it stands below others; the rest is theirs.
const STACK_BELOW: usize = 48;
/// Most instances, those of all poses together.
const MAX_INSTANCES: usize = 1 << 27;

/// The trees of all poses.
#[derive(Default)]
pub struct Geometry {
    pub nodes: Vec<layout::Node>,
    pub triangles: Vec<layout::Triangle>,
    pub attributes: Vec<layout::Attributes>,
    pub extras: Vec<layout::Extras>,
    pub instances: Vec<layout::Instance>,
}

/// A tree of triangles in its place.
pub struct Placed {
    pub bounds: Bounds,
    /// Its root.
    root: u32,
    need: usize,
    /// Where the kernel finds each triangle, by its place in what was given.
    slots: Vec<u32>,
}

impl Placed {
    /// Where the kernel finds a triangle.
    pub fn slot(&self, index: usize) -> u32 {
        self.slots[index]
    }
}

impl Geometry {
    /// Adds a tree over triangles; `orders` are their numbers in their mesh. `alone` says whether no other tree is above it,
    /// `reach` how large the coordinates of rays are.
    ///
    /// # Errors
    /// If there are too many triangles.
    pub fn add_tree(
        &mut self,
        triangles: &[Triangle],
        orders: impl Fn(usize) -> u32,
        alone: bool,
        reach: f32,
        masked: impl Fn(&Triangle) -> bool,
    ) -> Result<Placed> {
        let limit = if alone { STACK - 1 } else { STACK_BELOW };
        let tree = Bvh::build_within(triangles, limit, reach, masked)?;
        let first_slot = self.triangles.len() as u32;
        if self.triangles.len() + tree.order.len() > MAX_TRIANGLES {
            return Err(too_large("triangles"));
        }
        let root = self.nodes.len() as u32;
        let moved = |reference: u32| match reference {
            NONE => NONE,
            leaf if leaf & LEAF != 0 => leaf + first_slot,
            node => node + root,
        };
        self.nodes.extend(tree.nodes.iter().map(|node| layout::Node { child: node.child.map(moved), ..*node }));
        self.triangles.extend(&tree.triangles);
        let mut slots = vec![NONE; triangles.len()];
        for (place, index) in tree.order.iter().enumerate() {
            let index = *index as usize;
            let (mut record, extras) = attributes(&triangles[index], orders(index));
            if let Some(extras) = extras {
                // A triangle that was cut has its extras once.
                let known = slots[index];
                record.extras = if known == NONE {
                    self.extras.push(extras);
                    self.extras.len() as u32
                } else {
                    self.attributes[known as usize].extras
                };
            }
            if slots[index] == NONE {
                slots[index] = first_slot + place as u32;
            }
            self.attributes.push(record);
        }
        Ok(Placed { bounds: tree.bounds, root, need: tree.need, slots })
    }

    /// Adds what stands above the trees of a pose: `world` are those in the world, `meshes` those of its meshes. Returns
    /// where rays start.
    ///
    /// # Errors
    /// If there are too many instances, or one has no extent.
    pub fn add_pose(
        &mut self,
        world: &[&Placed],
        instances: &[Instance],
        meshes: &[&Placed],
        reach: f32,
    ) -> Result<u32> {
        if self.instances.len() + instances.len() > MAX_INSTANCES {
            return Err(too_large("instances"));
        }
        let seen = |tree: &&&Placed| !tree.bounds.is_empty();
        let entry = |tree: &&Placed| Entry { bounds: tree.bounds, reference: tree.root, need: tree.need };
        let mut entries: Vec<Entry> = world.iter().filter(seen).map(entry).collect();
        for (number, instance) in instances.iter().enumerate() {
            let tree = meshes[instance.mesh as usize];
            let index = self.instances.len() as u32;
            self.instances.push(record(instance, number as u32, tree.root));
            if !tree.bounds.is_empty() && instance.place.inverse().is_some() {
                let bounds = tree.bounds.placed(&instance.place);
                entries.push(Entry { bounds, reference: instance_reference(index), need: tree.need + 1 });
            }
        }
        let pad = reach * 4e-6;
        let (root, nodes, need) = tree_of_trees(&entries, self.nodes.len() as u32, pad);
        if need >= STACK {
            return Err(too_large("instances"));
        }
        self.nodes.extend(nodes);
        if self.nodes.len() > LEAF as usize {
            return Err(too_large("nodes"));
        }
        Ok(root)
    }
}

fn record(instance: &Instance, number: u32, root: u32) -> layout::Instance {
    let [a, b, c, _] = instance.place.columns.map(|v| v.to_array());
    let inverse = instance.place.inverse().unwrap_or(Transform::IDENTITY);
    let [x, y, z, o] = inverse.columns.map(|v| v.to_array());
    layout::Instance {
        inverse: std::array::from_fn(|k| [x[k], y[k], z[k], o[k]]),
        forward: std::array::from_fn(|k| [a[k], b[k], c[k]]),
        root,
        object: instance.object,
        order: number << 1 | u32::from(instance.place.mirrors()),
    }
}
