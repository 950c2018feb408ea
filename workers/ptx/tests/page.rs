//! The committed page says what the table of opcodes says.

#[test]
fn the_page_has_the_tables_of_the_profile() {
    let page = include_str!("../../../docs/reproducible-ptx.md");
    let (_, rest) = page.split_once("<!-- tables: begin -->\n").expect("the page has tables");
    let (tables, _) = rest.split_once("\n<!-- tables: end -->").expect("the tables end");
    assert!(
        tables == tessera_ptx::profile_tables(),
        "docs/reproducible-ptx.md is not up to date: cargo run -p tessera-ptx --example profile_page"
    );
}
