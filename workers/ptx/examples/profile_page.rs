//! Writes the tables of `docs/reproducible-ptx.md` from the table of opcodes.
//!
//! `cargo run -p tessera-ptx --example profile_page`

use std::path::Path;

const BEGIN: &str = "<!-- tables: begin -->\n";
const END: &str = "<!-- tables: end -->\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reproducible-ptx.md");
    let page = std::fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no line that begins the tables")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no line that ends the tables")?;
    std::fs::write(&path, format!("{before}{BEGIN}{}\n{END}{after}", tessera_ptx::profile_tables()))?;
    println!("wrote {}", path.display());
    Ok(())
}
