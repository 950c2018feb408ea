//! Cameras.

use crate::math::Vec3;

/// Where the picture is taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// The eye.
    pub position: Vec3,
    /// Unit vector to the right of the picture.
    pub right: Vec3,
    /// Unit vector to its top.
    pub up: Vec3,
    /// Unit vector of the view.
    pub forward: Vec3,
    /// Perspective or parallel.
    pub projection: Projection,
}

/// How a camera maps the world to the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Projection {
    /// A pinhole; the vertical angle of view in radians.
    Perspective(f32),
    /// Parallel rays; half of the picture's height in the world.
    Orthographic(f32),
}

impl Camera {
    /// A perspective camera at `eye` that looks at `target` with the vertical angle `yfov` (radians), +y up.
    /// `None` if the two points coincide.
    #[must_use]
    pub fn look_at(eye: Vec3, target: Vec3, yfov: f32) -> Option<Self> {
        let forward = (target - eye).unit()?;
        let sky =
            if forward.y.abs() > 0.9999 { Vec3 { x: 0.0, y: 0.0, z: -1.0 } } else { Vec3 { x: 0.0, y: 1.0, z: 0.0 } };
        let right = forward.cross(sky).unit()?;
        Some(Self {
            position: eye,
            right,
            up: right.cross(forward),
            forward,
            projection: Projection::Perspective(yfov),
        })
    }
}
