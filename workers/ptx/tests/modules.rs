//! What compilers emit: each module of `tests/modules` gives the text that stands next to it.
//!
//! `TESSERA_UPDATE_EXPECTED=1 cargo test -p tessera-ptx --test modules` rewrites the texts.

use std::path::{Path, PathBuf};

use tessera_ptx::Module;

/// What the check says of a module.
fn verdict(text: &str) -> String {
    let module = match Module::parse(text) {
        Ok(module) => module,
        Err(error) => return format!("error: {error}\n"),
    };
    let refusals = module.check();
    if refusals.is_empty() {
        return "accepted\n".into();
    }
    refusals.iter().map(|refusal| format!("{refusal}\n")).collect()
}

fn modules() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/modules");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "ptx")).collect();
    paths.sort();
    paths
}

#[test]
fn modules_are_judged_as_expected() {
    let update = std::env::var_os("TESSERA_UPDATE_EXPECTED").is_some();
    let paths = modules();
    assert!(paths.len() >= 10, "only {} modules found", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let found = verdict(&std::fs::read_to_string(&path).unwrap());
        let expected = path.with_extension("txt");
        if update {
            std::fs::write(&expected, found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
