//! Finding a camera for a scene, and moving it from frame to frame.

use crate::{
    bvh::Bounds,
    error::{RenderError, Result},
    layout,
    math::{Vec3, vec3},
    probe::Probe,
    scene::{Camera, Projection, Scene},
    settings::{CameraChoice, Lens},
};

/// Vertical angle of view of a camera that is made up, in radians.
const FRAMING_ANGLE: f32 = 0.7;

impl CameraChoice {
    /// The camera for this scene. `aspect` is width over height.
    ///
    /// # Errors
    /// If the named camera does not exist.
    pub fn resolve(&self, scene: &Scene, aspect: f32) -> Result<Camera> {
        match self {
            Self::Given(camera) => Ok(*camera),
            Self::Auto => match scene.cameras.first() {
                Some((_, camera)) => Ok(*camera),
                None => framing(scene, aspect),
            },
            Self::Named(name) => {
                let found = scene.cameras.iter().find(|(n, _)| n.as_ref() == Some(name));
                found.map(|(_, camera)| *camera).ok_or_else(|| {
                    let names: Vec<_> = scene.cameras.iter().filter_map(|(n, _)| n.as_deref()).collect();
                    RenderError::Setting(format!("the scene has no camera {name:?}; its cameras: {names:?}"))
                })
            }
        }
    }
}

/// A camera that shows the whole scene: from the front at an angle, or, where that would look at the backs of walls
/// (a room with its front open), straight from the front.
fn framing(scene: &Scene, aspect: f32) -> Result<Camera> {
    let probe = Probe::new(scene)?;
    let views = [vec3(-0.45, 0.35, 1.0), vec3(0.0, 0.0, 1.0), vec3(0.0, 0.0, -1.0), vec3(0.0, 1.0, 0.2)];
    let mut best: Option<(f32, Camera)> = None;
    for view in views {
        let camera = fit(scene, view, aspect)
            .ok_or_else(|| RenderError::Setting("the scene has no extent: give a camera".into()))?;
        let backs = share_of_backs(&probe, &camera, aspect);
        if best.is_none_or(|(least, _)| backs < least) {
            best = Some((backs, camera));
        }
        if backs < 0.01 {
            break;
        }
    }
    best.map(|(_, camera)| camera).ok_or_else(|| RenderError::Setting("the scene is empty".into()))
}

/// A camera in direction `view` from the scene's centre, as near as shows every corner of its box.
fn fit(scene: &Scene, view: Vec3, aspect: f32) -> Option<Camera> {
    let (low, high) = scene.bounds();
    let centre = (low + high) * 0.5;
    let around = Bounds { low, high };
    let view = view.unit()?;
    let trial = Camera::look_at(centre + view, centre, FRAMING_ANGLE)?;
    let tangent = (FRAMING_ANGLE * 0.5).tan() * 0.95;
    let mut distance = 0f32;
    for corner in around.corners() {
        let corner = corner - centre;
        let (x, y) = (corner.dot(trial.right).abs(), corner.dot(trial.up).abs());
        distance = distance.max(corner.dot(view) + (y / tangent).max(x / (tangent * aspect)));
    }
    Camera::look_at(centre + view * distance, centre, FRAMING_ANGLE)
}

/// Of the surfaces that the camera sees, the share that it sees from behind.
fn share_of_backs(probe: &Probe<'_>, camera: &Camera, aspect: f32) -> f32 {
    const SIDE: u32 = 24;
    let packed = pack(camera, aspect, 0, None);
    let (mut hits, mut backs) = (0u32, 0u32);
    for i in 0..SIDE * SIDE {
        let place = |k: u32| (k as f32 + 0.5) / SIDE as f32 * 2.0 - 1.0;
        let aside = Vec3::from(packed.right) * place(i % SIDE) + Vec3::from(packed.up) * place(i / SIDE);
        let Some(d) = (Vec3::from(packed.forward) + aside).unit() else { continue };
        if let Some((_, normal)) = probe.closest(camera.position, d) {
            hits += 1;
            backs += u32::from(normal.dot(d) > 0.0);
        }
    }
    backs as f32 / hits.max(1) as f32
}

/// The camera at `time`, in frames, on a turntable that goes around the scene's vertical axis in `count` frames.
#[must_use]
pub fn turned(camera: &Camera, centre: Vec3, time: f32, count: u32) -> Camera {
    if time == 0.0 {
        return *camera;
    }
    let (sine, cosine) = (std::f32::consts::TAU * time / count as f32).sin_cos();
    let turn = |v: Vec3| vec3(v.x * cosine + v.z * sine, v.y, v.z * cosine - v.x * sine);
    Camera {
        position: turn(camera.position - centre) + centre,
        right: turn(camera.right),
        up: turn(camera.up),
        forward: turn(camera.forward),
        projection: camera.projection,
    }
}

/// Radius of the lens, and the distance at which things are sharp.
pub type Focused = (f32, f32);

/// A lens as the kernel needs it: where it is to find its focus itself, that is on what the middle of the picture shows.
///
/// # Errors
/// If the scene is too large, or the middle shows nothing.
pub fn focused(lens: &Lens, scene: &Scene, camera: &Camera) -> Result<Focused> {
    if let Some(focus) = lens.focus {
        return Ok((lens.radius, focus));
    }
    let found = Probe::new(scene)?.closest(camera.position, camera.forward);
    let nothing =
        || RenderError::Setting("the middle of the picture shows nothing to focus on: give a distance".into());
    found.map(|(distance, _)| (lens.radius, distance)).ok_or_else(nothing)
}

/// The camera in the kernel's layout, for a pose of the scene. `aspect` is width over height.
#[must_use]
pub fn pack(camera: &Camera, aspect: f32, pose: u32, lens: Option<Focused>) -> layout::Camera {
    let (half, parallel) = match camera.projection {
        Projection::Perspective(angle) => ((angle * 0.5).tan(), 0),
        Projection::Orthographic(size) => (size, 1),
    };
    let (radius, focus) = lens.unwrap_or_default();
    layout::Camera {
        origin: camera.position.to_array(),
        pose: pose << 1 | parallel,
        right: (camera.right * (half * aspect)).to_array(),
        lens_x: radius / (half * aspect),
        up: (camera.up * half).to_array(),
        lens_y: radius / half,
        forward: camera.forward.to_array(),
        focus,
    }
}
