//! Makes `scenes/mosaic.glb`: a courtyard whose floor is a mosaic, with a column, an amphora and a bowl of lemons.
//!
//! `cargo run -p tessera-render --example make_demo_scene -- scenes/mosaic.glb`

mod glb;
mod mesh;
mod mosaic;
mod props;
mod textures;

use std::path::PathBuf;

use glb::{Glb, Look};
use mesh::{Mesh, v};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: make_demo_scene FILE.glb")?;
    let mut file = Glb::default();
    let stones = file.texture(&textures::stones()?);
    let pottery = file.texture(&textures::pottery()?);

    let floor = mosaic::floor();
    file.add("tesserae", floor.stone, Look { texture: Some(stones), roughness: 0.42, ..Look::default() });
    file.add(
        "gold tesserae",
        floor.gold,
        Look { base: [0.95, 0.66, 0.24], metallic: 1.0, roughness: 0.28, ..Look::default() },
    );
    let mut mortar = Mesh::default();
    mortar.quad([v(-9.0, 0.0, 9.0), v(9.0, 0.0, 9.0), v(9.0, 0.0, -4.0), v(-9.0, 0.0, -4.0)]);
    file.add("mortar", mortar, Look { base: [0.46, 0.41, 0.34], roughness: 0.95, ..Look::default() });

    let wall = props::wall();
    file.add("wall", wall.field, Look { base: [0.46, 0.085, 0.05], roughness: 0.8, ..Look::default() });
    file.add("dado", wall.dado, Look { base: [0.045, 0.04, 0.045], roughness: 0.35, ..Look::default() });
    file.add("bands", wall.bands, Look { base: [0.86, 0.74, 0.50], roughness: 0.7, ..Look::default() });
    let marble = Look { base: [0.84, 0.80, 0.73], roughness: 0.45, ..Look::default() };
    let mut columns = props::column(v(-2.55, 0.0, -1.55), 0.31);
    columns.append(props::column(v(3.45, 0.0, -2.35), 0.31));
    file.add("columns", columns, marble);
    file.add(
        "amphora",
        props::amphora(v(1.5, 0.018, -0.75)),
        Look { texture: Some(pottery), roughness: 0.3, ..Look::default() },
    );
    let bronze = Look { base: [0.93, 0.58, 0.30], metallic: 1.0, roughness: 0.22, ..Look::default() };
    file.add("bowl", props::bowl(v(-1.15, 0.018, 0.95)), bronze);
    file.add(
        "lemons",
        props::lemons(v(-1.15, 0.018, 0.95)),
        Look { base: [0.95, 0.64, 0.05], roughness: 0.4, ..Look::default() },
    );
    let teal = Look { base: [0.01, 0.22, 0.25], roughness: 0.06, ..Look::default() };
    file.add("glazed ball", props::ball(v(1.02, 0.258, 1.28), 0.24), teal);
    let gold = Look { base: [1.0, 0.72, 0.32], metallic: 1.0, roughness: 0.12, ..Look::default() };
    file.add("gold ball", props::ball(v(1.5, 0.138, 1.52), 0.12), gold);

    file.camera("camera", v(-0.35, 1.95, 5.0), v(0.12, 0.42, -0.35), 0.66);
    std::fs::write(&path, file.finish())?;
    Ok(())
}
