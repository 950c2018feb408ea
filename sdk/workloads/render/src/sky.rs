//! A clear sky: sunlight scattered by air and haze over a spherical Earth, computed once into a map. Light scattered once is
//! integrated; light scattered more often, or by the ground, is taken as a share of that, the same from everywhere.

use crate::{
    environment::{Environment, Sun},
    math::{Vec3, vec3},
};

/// Side of the sky's map.
const SIZE: u32 = 128;
/// Radii of the ground and of the end of the air, in metres.
const GROUND: f64 = 6_360e3;
const TOP: f64 = 6_420e3;
/// Scattering at sea level per metre, by channel, for air; and heights over which air and haze thin out by e.
const AIR: [f64; 3] = [5.8e-6, 13.5e-6, 33.1e-6];
const HAZE: f64 = 4e-6;
const AIR_HEIGHT: f64 = 8_000.0;
const HAZE_HEIGHT: f64 = 1_200.0;
/// Light scattered again, as a share of sunlight, by channel: more red, because the ground gives it back.
const AGAIN: [f64; 3] = [0.85, 0.7, 0.55];
/// Irradiance of sunlight above the air, in the units of a scene.
const SUNLIGHT: f64 = 12.0;

/// When and through what air the sun is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sky {
    /// Height of the sun over the horizon, in degrees.
    pub sun_elevation: f32,
    /// Direction of the sun, in degrees from -z towards +x.
    pub sun_azimuth: f32,
    /// Angular diameter of the sun, in degrees; larger makes softer shadows.
    pub sun_size: f32,
    /// Amount of haze; 1 is a clear day.
    pub haze: f32,
    /// Albedo of the ground below the horizon.
    pub ground: Vec3,
}

impl Default for Sky {
    fn default() -> Self {
        Self { sun_elevation: 36.0, sun_azimuth: 245.0, sun_size: 0.53, haze: 1.0, ground: vec3(0.3, 0.27, 0.23) }
    }
}

impl Sky {
    /// Unit vector towards the sun.
    #[must_use]
    pub fn sun_direction(&self) -> Vec3 {
        let (e, a) = (self.sun_elevation.to_radians(), self.sun_azimuth.to_radians());
        vec3(e.cos() * a.sin(), e.sin(), -e.cos() * a.cos())
    }

    /// The sky as an environment.
    #[must_use]
    pub fn environment(&self) -> Environment {
        let towards = self.sun_direction();
        let haze = HAZE * f64::from(self.haze.max(0.0));
        let sunlight =
            transmittance([0.0, GROUND + 2.0, 0.0], wide(towards), haze).map_or([0.0; 3], |t| t.map(|v| v * SUNLIGHT));
        let irradiance = vec3(sunlight[0] as f32, sunlight[1] as f32, sunlight[2] as f32);
        let mut sky = Environment::from_fn(SIZE, false, |d| {
            if d.y < 0.0 { Vec3::default() } else { scattered(wide(d), wide(towards), haze) }
        });
        let up = vec3(0.0, 1.0, 0.0);
        let bounced = (sky.irradiance(up) + irradiance * towards.y.max(0.0)) * self.ground;
        let floor = bounced * std::f32::consts::FRAC_1_PI;
        let ground = Environment::from_fn(SIZE, false, |d| if d.y < 0.0 { floor } else { Vec3::default() });
        for (texel, below) in sky.texels.iter_mut().zip(ground.texels) {
            *texel = *texel + below;
        }
        let radius = (self.sun_size.clamp(0.1, 20.0) * 0.5).to_radians();
        sky.sun = (irradiance.largest() > 0.0).then_some(Sun { towards, radius, irradiance });
        sky
    }
}

fn wide(v: Vec3) -> [f64; 3] {
    [f64::from(v.x), f64::from(v.y), f64::from(v.z)]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Distance from `p` along `d` to the far side of the sphere of `radius`, and whether it is hit ahead at all.
fn leave(p: [f64; 3], d: [f64; 3], radius: f64) -> Option<f64> {
    let b = dot(p, d);
    let root = b * b - dot(p, p) + radius * radius;
    (root >= 0.0 && root.sqrt() > b).then(|| root.sqrt() - b)
}

/// Share of light that gets from the end of the air to `p` along `-d`; `None` where the Earth is in the way.
fn transmittance(p: [f64; 3], d: [f64; 3], haze: f64) -> Option<[f64; 3]> {
    let length = leave(p, d, TOP)?;
    let (mut air, mut dust) = (0.0, 0.0);
    for (t, step) in steps(length, 16) {
        let height = height_at(p, d, t);
        if height < 0.0 {
            return None;
        }
        air += (-height / AIR_HEIGHT).exp() * step;
        dust += (-height / HAZE_HEIGHT).exp() * step;
    }
    Some(AIR.map(|a| (-a * air - haze * 1.1 * dust).exp()))
}

/// Middles and lengths of `count` steps along a ray, shorter where it starts: there the air is dense.
fn steps(length: f64, count: u32) -> impl Iterator<Item = (f64, f64)> {
    let place = move |i: u32| length * (f64::from(i) / f64::from(count)).powi(3);
    (0..count).map(move |i| ((place(i) + place(i + 1)) * 0.5, place(i + 1) - place(i)))
}

fn height_at(p: [f64; 3], d: [f64; 3], t: f64) -> f64 {
    let q = [p[0] + d[0] * t, p[1] + d[1] * t, p[2] + d[2] * t];
    dot(q, q).sqrt() - GROUND
}

/// Radiance of the sky along `d`.
fn scattered(d: [f64; 3], sun: [f64; 3], haze: f64) -> Vec3 {
    // How much of what is scattered sideways the forward peak of haze keeps.
    const PEAK: f64 = 0.76;
    let eye = [0.0, GROUND + 2.0, 0.0];
    let Some(length) = leave(eye, d, TOP) else { return Vec3::default() };
    let cosine = dot(d, sun);
    let air_phase = 3.0 / (16.0 * std::f64::consts::PI) * (1.0 + cosine * cosine);
    let haze_phase = 3.0 / (8.0 * std::f64::consts::PI) * (1.0 - PEAK * PEAK) * (1.0 + cosine * cosine)
        / ((2.0 + PEAK * PEAK) * (1.0 + PEAK * PEAK - 2.0 * PEAK * cosine).powf(1.5));
    let (mut air, mut dust, mut sum) = (0.0, 0.0, [0.0; 3]);
    for (t, step) in steps(length, 32) {
        let height = height_at(eye, d, t).max(0.0);
        let (a, h) = ((-height / AIR_HEIGHT).exp() * step, (-height / HAZE_HEIGHT).exp() * step);
        air += a;
        dust += h;
        let p = [eye[0] + d[0] * t, eye[1] + d[1] * t, eye[2] + d[2] * t];
        let Some(incoming) = transmittance(p, sun, haze) else { continue };
        for k in 0..3 {
            let outgoing = (-AIR[k] * air - haze * 1.1 * dust).exp();
            let again = AGAIN[k] * 0.25 * std::f64::consts::FRAC_1_PI;
            let scattered = AIR[k] * a * (air_phase + again) + haze * h * (haze_phase + again);
            sum[k] += incoming[k] * outgoing * scattered;
        }
    }
    let sum = sum.map(|v| (v * SUNLIGHT) as f32);
    vec3(sum[0], sum[1], sum[2])
}
