//! Which light a sample goes to: by power, through an alias table.

use crate::{
    environment::Environment,
    layout::{self, Alias, NONE},
    math::Vec3,
    scene::{Material, PunctualLight, Scene, Triangle},
};

/// The lights of a pose in the kernel's layout.
pub struct Lights {
    /// Light records.
    pub records: Vec<layout::Light>,
    /// Alias table over them.
    pub alias: Vec<Alias>,
    /// What makes [`material_densities`] the density of light samples over area.
    pub scale: f32,
    /// Probability that a sample goes to the sky.
    pub sky_select: f32,
    /// Density of samples inside the sun's disc.
    pub sun_density: f32,
    /// Roughly how bright a white surface of the scene is.
    pub typical_radiance: f32,
}

/// How bright what gives light is in all poses of a scene.
pub struct Brightness {
    /// Mean radiance of each material's emission as luminance, textures at their mean. Unlit surfaces show their base colour
    /// instead.
    materials: Vec<f64>,
    /// Mean radiance of the sky as luminance.
    sky: f64,
}

impl Brightness {
    pub fn of(scene: &Scene, environment: &Environment) -> Self {
        let radiance = |m: &Material| {
            let mean = m.emissive_texture.map_or(Vec3::splat(1.0), |t| scene.textures[t.texture as usize].mean());
            if m.unlit { 0.0 } else { f64::from((m.emissive * mean).luminance()) }
        };
        let texels = environment.texels.len().max(1) as f64;
        Self {
            materials: scene.materials.iter().map(radiance).collect(),
            sky: environment.texels.iter().map(|t| f64::from(t.luminance())).sum::<f64>() / texels,
        }
    }

    /// For each material, what its points of unit area weigh among all lights.
    pub fn material_densities(&self) -> Vec<f32> {
        self.materials.iter().map(|brightness| (brightness * std::f64::consts::PI) as f32).collect()
    }
}

impl Lights {
    /// Collects the lights. `place` says where the kernel finds a triangle: of the world, or of a mesh. `radius` is half
    /// of the scene's diagonal.
    #[must_use]
    pub fn collect(
        scene: &Scene,
        environment: &Environment,
        brightness: &Brightness,
        radius: f32,
        place: impl Fn(Option<u32>, usize) -> u32,
    ) -> Self {
        let mut found: Vec<(layout::Light, f64)> = Vec::new();
        let cross_section = std::f64::consts::PI * f64::from(radius) * f64::from(radius);
        let mut emitter = |triangle: &Triangle, corners: [Vec3; 3], mesh: Option<u32>, index: usize| {
            let radiance = brightness.materials[triangle.material as usize];
            if radiance <= 0.0 {
                return;
            }
            let material = &scene.materials[triangle.material as usize];
            let [a, b, c] = corners;
            let light = layout::Light {
                a: a.to_array(),
                kind: layout::LIGHT_TRIANGLE,
                b: (b - a).to_array(),
                p: 0.0,
                c: (c - a).to_array(),
                triangle: if material.emissive_texture.is_some() { place(mesh, index) } else { NONE },
                power: material.emissive.to_array(),
                select: 1.0,
            };
            let area = (b - a).cross(c - a).length() * 0.5;
            found.push((light, radiance * f64::from(area) * std::f64::consts::PI));
        };
        for (index, triangle) in scene.triangles.iter().enumerate() {
            emitter(triangle, triangle.positions, None, index);
        }
        for instance in &scene.instances {
            for (index, triangle) in scene.meshes[instance.mesh as usize].iter().enumerate() {
                emitter(triangle, triangle.positions.map(|p| instance.place.point(p)), Some(instance.mesh), index);
            }
        }
        found.extend(scene.lights.iter().map(|light| punctual(light, cross_section)));
        if let Some(sun) = environment.sun {
            let light = layout::Light {
                a: sun.towards.to_array(),
                kind: layout::LIGHT_SUN,
                p: sun.radius.cos(),
                power: sun.radiance().to_array(),
                ..empty()
            };
            found.push((light, f64::from(sun.irradiance.luminance()) * cross_section));
        }
        if environment.peaked {
            let light = layout::Light { kind: layout::LIGHT_SKY, ..empty() };
            found.push((light, brightness.sky * 4.0 * cross_section));
        }
        found.retain(|(_, power)| *power > 0.0 && power.is_finite());

        let total: f64 = found.iter().map(|(_, power)| power).sum();
        let typical = total / (4.0 * cross_section * std::f64::consts::PI);
        let scale = share_out(&mut found);
        let mut lights = Self {
            records: Vec::with_capacity(found.len()),
            alias: alias_table(&found.iter().map(|(_, power)| *power).collect::<Vec<_>>()),
            scale: scale as f32,
            sky_select: 0.0,
            sun_density: 0.0,
            typical_radiance: 0.0,
        };
        // All power spread over a sphere around the scene, and a diffuse reflection; the sky counts once.
        lights.typical_radiance = (typical + if environment.peaked { 0.0 } else { brightness.sky }) as f32;
        for (mut light, select) in found {
            let select = select as f32;
            light.select = select;
            match light.kind {
                layout::LIGHT_SKY => lights.sky_select = select,
                layout::LIGHT_SUN => {
                    lights.sun_density = environment.sun.map_or(0.0, |sun| select / sun.solid_angle());
                }
                _ => {}
            }
            lights.records.push(light);
        }
        lights
    }
}

/// Turns powers into probabilities of choosing each light; returns those of emissive triangles per unit of power.
///
/// Power says little of what arrives where the camera looks: a spot lights a small part of a scene, and the whole of that. So
/// half of the samples go by power and half to each light alike, where all emissive triangles together count as one light.
fn share_out(lights: &mut [(layout::Light, f64)]) -> f64 {
    let is_triangle = |light: &layout::Light| light.kind == layout::LIGHT_TRIANGLE;
    let total: f64 = lights.iter().map(|(_, power)| power).sum();
    let triangles: f64 = lights.iter().filter(|(light, _)| is_triangle(light)).map(|(_, power)| power).sum();
    let alone = lights.iter().filter(|(light, _)| !is_triangle(light)).count();
    let even = 0.5 / (alone + usize::from(triangles > 0.0)).max(1) as f64;
    let scale = if triangles > 0.0 { 0.5 / total + even / triangles } else { 0.0 };
    for (light, power) in lights {
        *power = if is_triangle(light) { *power * scale } else { 0.5 * *power / total + even };
    }
    scale
}

fn empty() -> layout::Light {
    bytemuck::Zeroable::zeroed()
}

fn punctual(light: &PunctualLight, cross_section: f64) -> (layout::Light, f64) {
    let sphere = 4.0 * std::f64::consts::PI;
    let inverse = |range: Option<f32>| range.map_or(0.0, |r| 1.0 / r);
    match *light {
        PunctualLight::Point { position, intensity, range } => {
            let record = layout::Light {
                a: position.to_array(),
                kind: layout::LIGHT_POINT,
                c: [0.0, inverse(range), 0.0],
                power: intensity.to_array(),
                ..empty()
            };
            (record, f64::from(intensity.luminance()) * sphere)
        }
        PunctualLight::Spot { position, axis, intensity, range, cos_inner, cos_outer } => {
            let record = layout::Light {
                a: position.to_array(),
                kind: layout::LIGHT_SPOT,
                b: axis.to_array(),
                p: cos_outer,
                c: [1.0 / (cos_inner - cos_outer).max(1e-3), inverse(range), 0.0],
                power: intensity.to_array(),
                ..empty()
            };
            let share = 0.5 * (1.0 - f64::from(cos_outer));
            (record, f64::from(intensity.luminance()) * sphere * share.max(1e-6))
        }
        PunctualLight::Directional { towards, irradiance } => {
            let record = layout::Light {
                a: towards.to_array(),
                kind: layout::LIGHT_DIRECTIONAL,
                power: irradiance.to_array(),
                ..empty()
            };
            (record, f64::from(irradiance.luminance()) * cross_section)
        }
    }
}

/// Vose's alias table: entry `i` is kept with probability `keep`, else replaced by `alias`.
#[must_use]
pub fn alias_table(weights: &[f64]) -> Vec<Alias> {
    let total: f64 = weights.iter().sum();
    let n = weights.len();
    let mut table: Vec<Alias> = (0..n).map(|i| Alias { keep: 1.0, alias: i as u32 }).collect();
    if total <= 0.0 {
        return table;
    }
    let mut scaled: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| scaled[*i] < 1.0);
    while let (Some(s), Some(l)) = (small.pop(), large.pop()) {
        table[s] = Alias { keep: scaled[s] as f32, alias: l as u32 };
        scaled[l] -= 1.0 - scaled[s];
        if scaled[l] < 1.0 { small.push(l) } else { large.push(l) }
    }
    table
}
