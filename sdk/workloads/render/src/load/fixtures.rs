//! Cameras and lights, in the space of the node that holds them.

use gltf::json::{
    self,
    extensions::scene::khr_lights_punctual::{Light, Type},
    validation::Checked,
};

use super::file::Source;
use crate::{
    error::Result,
    math::{Transform, Vec3, vec3},
    scene::{Camera, Projection, PunctualLight},
};

/// A camera of the file.
pub(super) struct Lens {
    pub name: Option<String>,
    projection: Projection,
}

/// A light of the file.
pub(super) struct Lamp {
    kind: LampKind,
    power: Vec3,
    range: Option<f32>,
}

enum LampKind {
    Directional,
    Point,
    /// Cosines of the inner and outer angle.
    Spot(f32, f32),
}

/// Reads all cameras.
pub(super) fn lenses(source: &Source<'_>) -> Result<Vec<Lens>> {
    let lens = |(index, camera): (usize, &json::Camera)| {
        let projection = match (&camera.type_, &camera.perspective, &camera.orthographic) {
            (Checked::Valid(json::camera::Type::Perspective), Some(p), _) => Projection::Perspective(p.yfov),
            (Checked::Valid(json::camera::Type::Orthographic), _, Some(o)) => Projection::Orthographic(o.ymag.abs()),
            _ => return Err(source.broken(format!("camera {index} does not say what its type needs"))),
        };
        let (value, most) = match projection {
            Projection::Perspective(angle) => (angle, std::f32::consts::PI),
            Projection::Orthographic(size) => (size, 1e9),
        };
        if !(value > 0.0 && value < most) {
            return Err(source.broken(format!("camera {index} has an angle or size of {value}")));
        }
        Ok(Lens { name: camera.name.clone(), projection })
    };
    source.root.cameras.iter().enumerate().map(lens).collect()
}

/// Reads all lights.
pub(super) fn lamps(source: &Source<'_>) -> Result<Vec<Lamp>> {
    let extension = source.root.extensions.as_ref().and_then(|e| e.khr_lights_punctual.as_ref());
    let lamp = |(index, light): (usize, &Light)| {
        let power = Vec3::from(light.color) * light.intensity;
        if !power.is_finite() || power.to_array().iter().any(|c| *c < 0.0) {
            return Err(source.broken(format!("light {index} has a power of {power:?}")));
        }
        let kind = match (&light.type_, &light.spot) {
            (Checked::Valid(Type::Directional), _) => LampKind::Directional,
            (Checked::Valid(Type::Point), _) => LampKind::Point,
            (Checked::Valid(Type::Spot), Some(spot)) => {
                let (inner, outer) = (spot.inner_cone_angle, spot.outer_cone_angle);
                if !(outer > 0.0 && outer <= std::f32::consts::PI && inner >= 0.0) {
                    return Err(source.broken(format!("light {index} has cones of {inner} and {outer}")));
                }
                LampKind::Spot(inner.min(outer).cos(), outer.cos())
            }
            _ => return Err(source.broken(format!("light {index} does not say what its type needs"))),
        };
        Ok(Lamp { kind, power, range: light.range.filter(|r| *r > 0.0 && r.is_finite()) })
    };
    extension.iter().flat_map(|e| &e.lights).enumerate().map(lamp).collect()
}

impl Lens {
    /// The camera in its place; `None` if that has no extent.
    pub(super) fn place(&self, place: &Transform) -> Option<Camera> {
        let forward = place.direction(vec3(0.0, 0.0, -1.0)).unit()?;
        let right = place.direction(vec3(1.0, 0.0, 0.0)).unit()?;
        let up = right.cross(forward).unit()?;
        let projection = match self.projection {
            Projection::Orthographic(size) => Projection::Orthographic(size * place.direction(up).length()),
            perspective => perspective,
        };
        // A mirrored node shows a mirrored picture: `up` is taken from the node, not from the cross product.
        let up = if place.direction(vec3(0.0, 1.0, 0.0)).dot(up) < 0.0 { -up } else { up };
        Some(Camera { position: place.columns[3], right, up, forward, projection })
    }
}

impl Lamp {
    /// The light in its place; `None` if it is dark or has no direction there.
    pub(super) fn place(&self, place: &Transform) -> Option<PunctualLight> {
        let (position, intensity, range) = (place.columns[3], self.power, self.range);
        if intensity.largest() <= 0.0 {
            return None;
        }
        let axis = place.direction(vec3(0.0, 0.0, -1.0)).unit();
        Some(match self.kind {
            LampKind::Directional => PunctualLight::Directional { towards: -axis?, irradiance: intensity },
            LampKind::Point => PunctualLight::Point { position, intensity, range },
            LampKind::Spot(cos_inner, cos_outer) => {
                PunctualLight::Spot { position, axis: axis?, intensity, range, cos_inner, cos_outer }
            }
        })
    }
}
