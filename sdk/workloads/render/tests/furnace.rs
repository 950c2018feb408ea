//! White furnaces: every lobe keeps all the light that it should, at all angles and roughnesses, and draws directions with
//! the densities that it says.

mod support {
    pub mod probe;
}

use support::probe::{Found, probe};
use tessera_render::{Anisotropy, Clearcoat, Iridescence, Material, Sheen, Vec3, Volume, vec3};

const ROUGHNESSES: [f32; 6] = [0.0, 0.15, 0.3, 0.5, 0.75, 1.0];
const ANGLES: [f32; 5] = [0.0, 30.0, 60.0, 75.0, 85.0];

/// White metals, or dielectrics over white, of all roughnesses.
fn rough(metallic: f32) -> impl Iterator<Item = Material> {
    ROUGHNESSES.into_iter().map(move |roughness| Material { metallic, roughness, ..Material::default() })
}

/// All materials from all angles, and for each the angles turned to the back if `back`.
fn look(materials: &[Material], azimuth: f32, back: bool) -> Vec<Found> {
    let asked: Vec<_> = (0..materials.len() as u32)
        .flat_map(|m| ANGLES.map(|angle| (m, if back { 180.0 - angle } else { angle }, azimuth)))
        .collect();
    probe(materials, &[], &asked, 64)
}

/// Asserts that each of the surfaces scatters `share` of the light.
fn keeps(name: &str, found: &[Found], share: f64) {
    let (mut low, mut high) = (f64::MAX, 0f64);
    for (i, f) in found.iter().enumerate() {
        (low, high) = (low.min(f.energy()), high.max(f.energy()));
        if std::env::var("VERBOSE").is_ok() {
            println!("   r {} a {}: {f:?}", ROUGHNESSES[i / 5], ANGLES[i % 5]);
        }
    }
    println!("{name}: {low:.4} to {high:.4}");
    for (i, f) in found.iter().enumerate() {
        let place = format!("{name}, material {}, {} degrees", i / ANGLES.len(), ANGLES[i % ANGLES.len()]);
        if std::env::var("VERBOSE").is_ok() {
            continue;
        }
        assert!((f.energy() - share).abs() < 0.005, "{place}: {f:?}");
        assert!(f.unlike < 0.02, "{place}: {f:?}");
    }
}

#[test]
fn diffuse() {
    let matt: Vec<_> = rough(0.0).map(|m| Material { specular: 0.0, ..m }).collect();
    keeps("diffuse", &look(&matt, 0.0, false), 1.0);
}

#[test]
fn metal() {
    keeps("metal", &look(&rough(1.0).collect::<Vec<_>>(), 0.0, false), 1.0);
}

#[test]
fn diffuse_under_a_dielectric() {
    keeps("dielectric", &look(&rough(0.0).collect::<Vec<_>>(), 0.0, false), 1.0);
    let dense: Vec<_> = rough(0.5).map(|m| Material { ior: 2.4, specular: 0.7, ..m }).collect();
    keeps("half metal", &look(&dense, 0.0, true), 1.0);
}

#[test]
fn stretched() {
    for strength in [0.3, 0.7, 1.0] {
        for azimuth in [0.0, 20.0, 45.0, 90.0] {
            let anisotropy = Some(Anisotropy { strength, rotation: 0.0, texture: None });
            let brushed: Vec<_> = rough(1.0).map(|m| Material { anisotropy, ..m }).collect();
            keeps(&format!("anisotropy {strength} from {azimuth}"), &look(&brushed, azimuth, false), 1.0);
        }
    }
}

#[test]
fn thin_sheets() {
    let sheets: Vec<_> = rough(0.0).map(|m| Material { transmission: 1.0, ..m }).collect();
    let found = look(&sheets, 0.0, false);
    keeps("thin", &found, 1.0);
    let half: Vec<_> = sheets.iter().map(|m| Material { transmission: 0.5, ..*m }).collect();
    keeps("half thin", &look(&half, 0.0, true), 1.0);
}

#[test]
fn refraction() {
    for ior in [1.1, 1.33, 1.5, 2.4] {
        let volume = Some(Volume { absorption: Vec3::splat(0.0) });
        let glass: Vec<_> = rough(0.0).map(|m| Material { transmission: 1.0, ior, volume, ..m }).collect();
        keeps(&format!("into {ior}"), &look(&glass, 0.0, false), 1.0);
        keeps(&format!("out of {ior}"), &look(&glass, 0.0, true), 1.0);
        let half: Vec<_> = glass.iter().map(|m| Material { transmission: 0.5, ..*m }).collect();
        keeps(&format!("half into {ior}"), &look(&half, 0.0, false), 1.0);
    }
}

#[test]
fn coat() {
    for (factor, roughness) in [(1.0, 0.0), (0.6, 0.4), (1.0, 1.0)] {
        let clearcoat = Some(Clearcoat { factor, texture: None, roughness, roughness_texture: None, normal: None });
        let coated: Vec<_> = rough(0.0).map(|m| Material { clearcoat, ..m }).collect();
        keeps(&format!("coat {factor}, {roughness}"), &look(&coated, 0.0, false), 1.0);
    }
}

#[test]
fn sheen() {
    let cloth: Vec<_> = ROUGHNESSES
        .map(|roughness| {
            let sheen =
                Some(Sheen { color: Vec3::splat(1.0), color_texture: None, roughness, roughness_texture: None });
            Material { metallic: 0.0, sheen, ..Material::default() }
        })
        .into();
    keeps("sheen", &look(&cloth, 0.0, false), 1.0);
}

#[test]
fn film() {
    for (thickness, ior) in [(100.0, 1.3), (400.0, 1.8), (900.0, 1.3)] {
        let iridescence =
            Some(Iridescence { factor: 1.0, texture: None, ior, thickness: [thickness; 2], thickness_texture: None });
        let filmed: Vec<_> = rough(0.0).map(|m| Material { iridescence, ..m }).collect();
        keeps(&format!("film {thickness}"), &look(&filmed, 0.0, false), 1.0);
    }
}

#[test]
fn all_at_once() {
    let anisotropy = Some(Anisotropy { strength: 0.5, rotation: 0.4, texture: None });
    let clearcoat =
        Some(Clearcoat { factor: 0.5, texture: None, roughness: 0.2, roughness_texture: None, normal: None });
    let sheen =
        Some(Sheen { color: vec3(0.5, 0.5, 0.5), color_texture: None, roughness: 0.4, roughness_texture: None });
    let all: Vec<_> = rough(0.3).map(|m| Material { transmission: 0.4, anisotropy, clearcoat, sheen, ..m }).collect();
    keeps("all", &look(&all, 30.0, false), 1.0);
}
