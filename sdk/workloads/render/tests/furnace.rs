//! White furnaces: every lobe keeps all the light that it should, at all angles and roughnesses, and draws directions with
//! the densities that it says.

mod support {
    pub mod probe;
}

use support::probe::{Found, probe, probe_at};
use tessera_render::{
    Anisotropy, Clearcoat, Encoding, Iridescence, Material, NormalMap, Sheen, Texture, TextureUse, Vec3, Volume, Wrap,
    vec3,
};

const ROUGHNESSES: [f32; 6] = [0.0, 0.15, 0.3, 0.5, 0.75, 1.0];
/// The first of these whose lobe is wide.
const WIDE: usize = 4;
const ANGLES: [f32; 5] = [0.0, 30.0, 60.0, 75.0, 85.0];

/// White metals, or dielectrics over white, of all roughnesses.
fn rough(metallic: f32) -> impl Iterator<Item = Material> {
    ROUGHNESSES.into_iter().map(move |roughness| Material { metallic, roughness, ..Material::default() })
}

/// All materials from all angles, turned to the back if `back`; `even` as in [`probe`].
fn look(materials: &[Material], azimuth: f32, back: bool, even: u32) -> Vec<Found> {
    let asked: Vec<_> = (0..materials.len() as u32)
        .flat_map(|m| ANGLES.map(|angle| (m, if back { 180.0 - angle } else { angle }, azimuth)))
        .collect();
    probe(materials, &asked, even)
}

/// Asserts that each of the surfaces scatters `share` of the light.
fn keeps(name: &str, found: &[Found], share: f64) {
    for (i, f) in found.iter().enumerate() {
        let place = format!("{name}, material {}, {} degrees", i / ANGLES.len(), ANGLES[i % ANGLES.len()]);
        assert!((f.energy() - share).abs() < 0.005, "{place}: {f:?}");
        assert!(f.unlike < 0.01, "{place}: {f:?}");
    }
}

/// Asserts that even directions find the same as drawn ones, and that densities never sum up to more than 1. The lobes
/// must all be wide.
fn agrees(name: &str, materials: &[Material], back: bool, even: u32) {
    for (i, f) in look(materials, 0.0, back, even).iter().enumerate() {
        let angle = ANGLES[i % ANGLES.len()];
        let even = f.evaluated.iter().copied().fold(0.0, f64::max);
        let like = (even - f.energy()).abs() < 0.02 && f.density < 1.01;
        assert!(like || angle > 80.0, "{name}, material {}, {angle} degrees: {f:?}", i / ANGLES.len());
    }
}

#[test]
fn diffuse() {
    let matt: Vec<_> = rough(0.0).map(|m| Material { specular: 0.0, ..m }).collect();
    let found = look(&matt, 0.0, false, 32);
    keeps("diffuse", &found, 1.0);
    assert!(found.iter().all(|f| (f.density - 1.0).abs() < 0.01), "{found:?}");
}

#[test]
fn metal() {
    let metals: Vec<_> = rough(1.0).collect();
    keeps("metal", &look(&metals, 0.0, false, 0), 1.0);
    agrees("metal", &metals[WIDE..], false, 64);
}

#[test]
fn diffuse_under_a_dielectric() {
    keeps("dielectric", &look(&rough(0.0).collect::<Vec<_>>(), 0.0, false, 0), 1.0);
    let dense: Vec<_> = rough(0.5).map(|m| Material { ior: 2.4, specular: 0.7, ..m }).collect();
    keeps("half metal", &look(&dense, 0.0, true, 0), 1.0);
}

#[test]
fn stretched() {
    for strength in [0.4, 1.0] {
        for azimuth in [0.0, 45.0, 90.0] {
            let anisotropy = Some(Anisotropy { strength, rotation: 0.0, texture: None });
            let brushed: Vec<_> = rough(1.0).map(|m| Material { anisotropy, ..m }).collect();
            keeps(&format!("anisotropy {strength} from {azimuth}"), &look(&brushed, azimuth, false, 0), 1.0);
        }
    }
}

#[test]
fn thin_sheets() {
    let sheets: Vec<_> = rough(0.0).map(|m| Material { transmission: 1.0, ..m }).collect();
    let found = look(&sheets, 0.0, false, 0);
    keeps("thin", &found, 1.0);
    agrees("thin", &sheets[WIDE..], false, 64);
    assert!((found[0].through - 0.96).abs() < 0.005, "{:?}", found[0]);
    let half: Vec<_> = sheets.iter().map(|m| Material { transmission: 0.5, ..*m }).collect();
    keeps("half thin", &look(&half, 0.0, true, 0), 1.0);
}

#[test]
fn refraction() {
    for ior in [1.5, 2.4] {
        let volume = Some(Volume { absorption: Vec3::splat(0.0) });
        let glass: Vec<_> = rough(0.0).map(|m| Material { transmission: 1.0, ior, volume, ..m }).collect();
        keeps(&format!("into {ior}"), &look(&glass, 0.0, false, 0), 1.0);
        keeps(&format!("out of {ior}"), &look(&glass, 0.0, true, 0), 1.0);
        // Refraction is narrow near the critical angle: more even directions.
        agrees(&format!("out of {ior}"), &glass[ROUGHNESSES.len() - 1..], true, 512);
        let half: Vec<_> = glass.iter().map(|m| Material { transmission: 0.5, ..*m }).collect();
        keeps(&format!("half into {ior}"), &look(&half, 0.0, false, 0), 1.0);
    }
}

#[test]
fn coat() {
    for (factor, roughness) in [(1.0, 0.0), (0.6, 0.4), (1.0, 1.0)] {
        let clearcoat = Some(Clearcoat { factor, texture: None, roughness, roughness_texture: None, normal: None });
        let coated: Vec<_> = rough(0.0).map(|m| Material { clearcoat, ..m }).collect();
        keeps(&format!("coat {factor}, {roughness}"), &look(&coated, 0.0, false, 0), 1.0);
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
    keeps("sheen", &look(&cloth, 0.0, false, 0), 1.0);
    agrees("sheen", &cloth[WIDE..], false, 64);
}

#[test]
fn film() {
    for (thickness, ior) in [(100.0, 1.3), (400.0, 1.8), (900.0, 1.3)] {
        let iridescence =
            Some(Iridescence { factor: 1.0, texture: None, ior, thickness: [thickness; 2], thickness_texture: None });
        let filmed: Vec<_> = rough(0.0).map(|m| Material { iridescence, ..m }).collect();
        keeps(&format!("film {thickness}"), &look(&filmed, 0.0, false, 0), 1.0);
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
    keeps("all", &look(&all, 30.0, false, 0), 1.0);
}

/// Two texels beside each other.
fn pair(encoding: Encoding, nearest: bool, texels: [[f32; 3]; 2]) -> Texture {
    let texels = texels.map(|t| encoding.pack(t)).into();
    Texture { width: 2, height: 1, wrap: [Wrap::Repeat; 2], nearest, encoding, texels }
}

#[test]
fn textures_are_read_by_set_map_filter_and_encoding() {
    let texels = [[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]];
    let textures = [
        pair(Encoding::Linear, false, texels),
        pair(Encoding::Root, true, texels),
        pair(Encoding::Linear, true, texels),
    ];
    let plain = TextureUse::plain;
    let uses = [
        (plain(0), 0.5),                                                                   // halfway between both
        (plain(1), 0.9),                          // the nearest is the right one
        (TextureUse { set: 1, ..plain(2) }, 0.1), // the second set lies on the left
        (TextureUse { map: [[1.0, 0.0, 0.6], [0.0, 1.0, 0.0]], ..plain(2) }, 0.1), // moved around the edge
        (TextureUse { map: [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], set: 1, ..plain(2) }, 0.9), // u and v exchanged
    ];
    let materials = uses.map(|(usage, _)| Material {
        base_texture: Some(usage),
        metallic: 0.0,
        specular: 0.0,
        ..Material::default()
    });
    let asked: Vec<_> = (0..uses.len() as u32).map(|m| (m, 30.0, 0.0)).collect();
    let found = probe_at(&materials, &textures, &asked, [0.5, 0.5, 0.2, 0.7], 0);
    for (f, (usage, expected)) in found.iter().zip(uses) {
        assert!((f.energy() - expected).abs() < 0.004, "{usage:?} gives {f:?}, expected {expected}");
    }
}

#[test]
fn a_normal_map_turns_the_facets() {
    // A normal tilted by 30 degrees along the tangent sends light straight from above 60 degrees aside: of a mirror that
    // is tilted by 50 degrees nothing comes back on this side.
    let tilted = |degrees: f32| {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let texel = [0.5 + 0.5 * sine, 0.5, 0.5 + 0.5 * cosine];
        pair(Encoding::Linear, true, [texel; 2])
    };
    let textures = [tilted(30.0), tilted(50.0)];
    let materials = [0, 1].map(|texture| Material {
        roughness: 0.0,
        normal: Some(NormalMap { texture: TextureUse::plain(texture), scale: 1.0 }),
        ..Material::default()
    });
    let found = probe_at(&materials, &textures, &[(0, 0.0, 0.0), (1, 0.0, 0.0)], [0.5; 4], 0);
    assert!((found[0].energy() - 1.0).abs() < 0.01 && found[1].energy() < 0.01, "{found:?}");
}
