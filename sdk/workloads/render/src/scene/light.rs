//! Lights without extent.

use crate::math::Vec3;

/// A light without extent (KHR_lights_punctual).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PunctualLight {
    /// Light from a point.
    Point {
        /// Where.
        position: Vec3,
        /// Power per solid angle.
        intensity: Vec3,
        /// Distance at which it ends.
        range: Option<f32>,
    },
    /// Light from a point into a cone.
    Spot {
        /// Where.
        position: Vec3,
        /// Unit direction of the cone's axis.
        axis: Vec3,
        /// Power per solid angle.
        intensity: Vec3,
        /// Distance at which it ends.
        range: Option<f32>,
        /// Cosine of the angle from which it fades.
        cos_inner: f32,
        /// Cosine of the angle at which it ends.
        cos_outer: f32,
    },
    /// Parallel light.
    Directional {
        /// Unit direction towards the light.
        towards: Vec3,
        /// Power per area across the light.
        irradiance: Vec3,
    },
}
