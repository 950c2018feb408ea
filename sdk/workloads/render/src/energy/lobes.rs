//! The kernel's lobes once more, integrated over all directions. Mirrors `kernels/lobes`; change both together.

use std::{
    f64::consts::{FRAC_PI_2, PI, TAU},
    sync::LazyLock,
};

/// Points by which a lobe is integrated: a Fibonacci lattice.
const POINTS: usize = 1597;
const STEP: usize = 987;
/// Least roughness of sheen, as in `kernels/layers.cuh`; an entry of its table.
const LEAST_SHEEN: f64 = 2.0 / 15.0;

/// A point of the unit square, its first coordinate as an angle.
struct Point {
    sine: f64,
    cosine: f64,
    v: f64,
}

/// Points of the unit square, spread evenly.
static LATTICE: LazyLock<Vec<Point>> = LazyLock::new(|| {
    (0..POINTS)
        .map(|i| {
            let (sine, cosine) = (TAU * (i as f64 + 0.5) / POINTS as f64).sin_cos();
            Point { sine, cosine, v: ((i * STEP) as f64 + 0.5) / POINTS as f64 % 1.0 }
        })
        .collect()
});

/// Schlick's weight of the reflectance at grazing angles.
pub fn schlick(cosine: f64) -> f64 {
    (1.0 - cosine).max(0.0).powi(5)
}

type Vector = [f64; 3];

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A GGX surface seen from one direction.
pub struct View {
    direction: Vector,
    alpha: [f64; 2],
}

impl View {
    /// From the cosine to the normal, the angle to the tangent, and the roughness along tangent and bitangent.
    pub fn new(cosine: f64, azimuth: f64, alpha: [f64; 2]) -> Self {
        let cosine = cosine.max(1e-4);
        let sine = (1.0 - cosine * cosine).sqrt();
        Self { direction: [sine * azimuth.cos(), sine * azimuth.sin(), cosine], alpha }
    }

    /// sqrt(alpha² x² + alpha² y² + z²), of which Smith's masking is made.
    fn smith(&self, d: Vector) -> f64 {
        let [x, y] = self.alpha;
        let (x, y) = (x * d[0], y * d[1]);
        (x * x + y * y + d[2] * d[2]).sqrt()
    }

    /// Visible normals, each as likely as the next.
    fn normals(&self) -> impl Iterator<Item = Vector> {
        let [ax, ay] = self.alpha;
        let [x, y, z] = self.direction;
        let length = self.smith(self.direction);
        let cap = [ax * x / length, ay * y / length, z / length];
        LATTICE.iter().map(move |&Point { sine, cosine, v }| {
            let height = (1.0 - v) * (1.0 + cap[2]) - cap[2];
            let radius = (1.0 - height * height).max(0.0).sqrt();
            let h = [(radius * cosine + cap[0]) * ax, (radius * sine + cap[1]) * ay, height + cap[2]];
            let inverse = dot(h, h).sqrt().max(1e-30).recip();
            h.map(|c| c * inverse)
        })
    }

    /// Share of light from the visible normal `h` that leaves as reflection.
    fn reflection(&self, h: Vector, vh: f64) -> f64 {
        let v = self.direction;
        let l = [0, 1, 2].map(|i| 2.0 * vh * h[i] - v[i]);
        if l[2] <= 0.0 {
            return 0.0;
        }
        let (from, to) = (self.smith(v), self.smith(l));
        l[2] * (v[2] + from) / (l[2] * from + v[2] * to)
    }

    /// The albedo of a lobe that reflects everything, and that of one that reflects `weight` of the cosine to the facet.
    pub fn reflected(&self, weight: impl Fn(f64) -> f64) -> [f64; 2] {
        let sum = self.normals().fold([0.0; 2], |sum, h| {
            let vh = dot(self.direction, h);
            let share = self.reflection(h, vh);
            [sum[0] + share, sum[1] + share * weight(vh)]
        });
        sum.map(|s| s / POINTS as f64)
    }

    /// The albedos of reflection and refraction.
    pub fn refracted(&self, body: Dielectric) -> [f64; 2] {
        let v = self.direction;
        let sum = self.normals().fold([0.0; 2], |sum, h| {
            let vh = dot(v, h);
            let fresnel = body.fresnel(vh);
            let mut through = 0.0;
            let square = 1.0 - (1.0 - vh * vh) / (body.eta * body.eta);
            if square > 0.0 {
                let down = v[2] / body.eta - h[2] * (vh / body.eta - square.sqrt());
                if down > 0.0 {
                    // Only the cosine counts where the lobe is round; refraction is for round lobes.
                    let alpha = self.alpha[0];
                    let smith = (alpha * alpha * (1.0 - down * down) + down * down).sqrt();
                    through = (1.0 - fresnel) * 2.0 * down / (down + smith);
                }
            }
            [sum[0] + fresnel * self.reflection(h, vh), sum[1] + through]
        });
        sum.map(|s| s / POINTS as f64)
    }
}

/// A smooth boundary between two bodies.
#[derive(Clone, Copy)]
pub struct Dielectric {
    /// Index of refraction on the other side over that on this side.
    pub eta: f64,
}

impl Dielectric {
    /// Reflectance for unpolarised light.
    fn fresnel(self, cosine: f64) -> f64 {
        let square = self.eta * self.eta - 1.0 + cosine * cosine;
        if square <= 0.0 {
            return 1.0;
        }
        let g = square.sqrt();
        let (a, b) = (g - cosine, g + cosine);
        let across = a / b;
        let along = (cosine * b - 1.0) / (cosine * a + 1.0);
        0.5 * across * across * (1.0 + along * along)
    }
}

/// Charlie sheen of some roughness (Estevez and Kulla, Production Friendly Microfacet Sheen BRDF, 2017).
pub struct Sheen {
    alpha: f64,
    fit: [f64; 5],
    /// Directions of light, and Smith's Lambda of each.
    lights: Vec<(Vector, f64)>,
}

impl Sheen {
    pub fn new(roughness: f64) -> Self {
        let alpha = roughness.max(LEAST_SHEEN).powi(2);
        let mix = (1.0 - alpha).powi(2);
        let ends =
            [(21.5473, 25.3245), (3.82987, 3.32435), (0.19823, 0.16801), (-1.97760, -1.27393), (-4.32054, -4.85967)];
        let fit = ends.map(|(rough, smooth)| rough + mix * (smooth - rough));
        let mut sheen = Self { alpha, fit, lights: Vec::new() };
        let light = |point: &Point| {
            // By the angle to the normal: most light comes at grazing angles.
            let (radius, z) = (FRAC_PI_2 * point.v).sin_cos();
            ([radius * point.cosine, radius * point.sine, z], sheen.lambda(z))
        };
        sheen.lights = LATTICE.iter().map(light).collect();
        sheen
    }

    /// Smith's Lambda.
    fn lambda(&self, x: f64) -> f64 {
        let [a, b, c, d, e] = self.fit;
        let curve = |x: f64| a / (1.0 + b * x.powf(c)) + d * x + e;
        if x < 0.5 { curve(x).exp() } else { (2.0 * curve(0.5) - curve(1.0 - x)).exp() }
    }

    /// Share of light that is reflected towards a cosine to the normal.
    pub fn albedo(&self, cosine: f64) -> f64 {
        let cosine = cosine.max(1e-4);
        let view = [(1.0 - cosine * cosine).sqrt(), 0.0, cosine];
        let shadow = 1.0 + self.lambda(cosine);
        let sum: f64 = self
            .lights
            .iter()
            .map(|(light, lambda)| {
                let h = [0, 1, 2].map(|i| view[i] + light[i]);
                let square = (1.0 - h[2] * h[2] / dot(h, h)).max(0.0);
                let distribution = (2.0 + 1.0 / self.alpha) * square.powf(0.5 / self.alpha) / TAU;
                let radius = (1.0 - light[2] * light[2]).sqrt();
                distribution / (4.0 * cosine * (shadow + lambda)) * radius
            })
            .sum();
        sum / POINTS as f64 * PI * PI
    }
}
