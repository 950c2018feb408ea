//! How much light rough surfaces scatter: the tables by which the kernel keeps and shares energy.
//!
//! A microfacet model of single scattering loses what facets pass on to other facets. The kernel scales each lobe by what
//! these tables say is missing (Turquin, Practical multiple scattering compensation for microfacet models, 2019), and
//! gives to the layers below what a layer does not reflect. Tables run over the square root of the cosine of the view,
//! where energies bend most at grazing angles, and over the roughness.

mod lobes;

use std::sync::OnceLock;

use rayon::prelude::*;

use self::lobes::{Dielectric, Sheen, View};

/// Entries along each side of the table of [`Common::glossy`].
const SIDE: usize = 32;
/// Entries of [`Common::sheen`] along the cosine and along the roughness.
const SHEEN: [usize; 2] = [32, 16];
/// Entries of a table of [`refracting`] along the cosine and along the roughness.
const REFRACTING: [usize; 2] = [32, 24];
/// Entries of a table of [`anisotropic`] along the cosine, the direction around the normal, and the roughness.
const ANISOTROPIC: [usize; 3] = [24, 9, 16];

/// Least alpha of GGX lobes, as in `kernels/layers.cuh`.
const LEAST_ALPHA: f64 = 0.002;

/// The tables that every scene has.
pub struct Common {
    /// By cosine, then roughness: the albedo of GGX that reflects everything, and that of GGX times Schlick's weight.
    pub glossy: Vec<[f32; 2]>,
    /// By cosine, then roughness: the albedo of sheen.
    pub sheen: Vec<f32>,
}

/// Tables that do not depend on the scene; made once.
#[must_use]
pub fn common() -> &'static Common {
    static TABLES: OnceLock<Common> = OnceLock::new();
    TABLES.get_or_init(|| Common {
        glossy: table([SIDE, SIDE], |roughness| {
            let alpha = alpha(roughness);
            move |cosine| View::new(cosine, 0.0, [alpha; 2]).reflected(lobes::schlick).map(|energy| energy as f32)
        }),
        sheen: table(SHEEN, |roughness| {
            let sheen = Sheen::new(roughness);
            move |cosine| sheen.albedo(cosine) as f32
        }),
    })
}

/// Energies of a rough dielectric with an index of refraction, by cosine, then roughness: the share that is reflected,
/// and that which is reflected or refracted. First for rays from outside, then for those from inside.
#[must_use]
pub fn refracting(ior: f64) -> Vec<[f32; 2]> {
    let side = |eta| {
        table(REFRACTING, |roughness| {
            let alpha = alpha(roughness);
            move |cosine| {
                let [reflected, refracted] = View::new(cosine, 0.0, [alpha; 2]).refracted(Dielectric { eta });
                [reflected as f32, (reflected + refracted) as f32]
            }
        })
    };
    [side(ior), side(ior.recip())].concat()
}

/// As [`Common::glossy`] for a highlight stretched by `strength`: by cosine, direction and roughness. The direction is
/// the tangent's share of |x| + |y|.
#[must_use]
pub fn anisotropic(strength: f64) -> Vec<[f32; 2]> {
    let [cosines, directions, roughnesses] = ANISOTROPIC;
    (0..cosines * directions * roughnesses)
        .into_par_iter()
        .map(|place| {
            let at = |index: usize, count: usize| index as f64 / (count - 1) as f64;
            let root = at(place / (directions * roughnesses), cosines);
            let along = at(place / roughnesses % directions, directions);
            let across = alpha(at(place % roughnesses, roughnesses));
            let stretched = across + (1.0 - across) * strength * strength;
            let azimuth = (1.0 - along).atan2(along);
            let [all, weighted] = View::new(root * root, azimuth, [stretched, across]).reflected(lobes::schlick);
            [all as f32, weighted as f32]
        })
        .collect()
}

fn alpha(roughness: f64) -> f64 {
    (roughness * roughness).max(LEAST_ALPHA)
}

/// Values by cosine, then roughness, of what `column` makes of a roughness.
fn table<T: Copy + Send, C: Fn(f64) -> T>(
    [cosines, roughnesses]: [usize; 2],
    column: impl Fn(f64) -> C + Sync,
) -> Vec<T> {
    let columns: Vec<Vec<T>> = (0..roughnesses)
        .into_par_iter()
        .map(|i| {
            let value = column(i as f64 / (roughnesses - 1) as f64);
            let root = |i: usize| i as f64 / (cosines - 1) as f64;
            (0..cosines).map(|i| value(root(i) * root(i))).collect()
        })
        .collect();
    (0..cosines).flat_map(|i| columns.iter().map(move |column| column[i])).collect()
}
