//! Embeds what compiling kernels far from this repository needs: the compiler's options and the headers of `include/`.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let (compiler, include) = (here.join("compiler.json"), here.join("include"));
    println!("cargo:rerun-if-changed={}", compiler.display());
    println!("cargo:rerun-if-changed={}", include.display());

    let compiler: serde_json::Value = serde_json::from_str(&fs::read_to_string(compiler)?)?;
    let version = compiler["nvrtc"].as_str().ok_or("compiler.json: expected a version under \"nvrtc\"")?;
    let options = compiler["options"].as_array().ok_or("compiler.json: expected a list under \"options\"")?;
    let options: Option<Vec<&str>> = options.iter().map(|option| option.as_str()).collect();
    let options = options.ok_or("compiler.json: expected texts under \"options\"")?;

    let mut headers = vec![];
    collect(&include, &mut headers)?;
    headers.sort();
    let mut text = String::new();
    writeln!(text, "/// The version of NVRTC that `scripts/get-nvrtc` installs.")?;
    writeln!(text, "pub const VERSION: &str = {version:?};")?;
    writeln!(text, "/// The options of the reproducible profile.")?;
    writeln!(text, "pub const OPTIONS: &[&str] = &{options:?};")?;
    writeln!(text, "/// Headers that kernels may include, each with the name by which they do.")?;
    writeln!(text, "pub const HEADERS: &[(&str, &str)] = &[")?;
    for header in &headers {
        let name = header.strip_prefix(&include)?.to_str().ok_or("a header's name is not Unicode")?;
        writeln!(text, "    ({name:?}, {:?}),", with_whole_names(header, &include)?)?;
    }
    writeln!(text, "];")?;
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("compiler.rs"), text)?;
    Ok(())
}

/// All headers under a folder, but for the one that runs kernels as host C++.
fn collect(folder: &Path, headers: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, headers)?;
        } else if path.extension().is_some_and(|extension| extension == "cuh") && !path.ends_with("host.cuh") {
            headers.push(path);
        }
    }
    Ok(())
}

/// The text of a header that names the headers beside it by their whole names, as NVRTC looks for headers in memory.
fn with_whole_names(header: &Path, include: &Path) -> Result<String, Box<dyn Error>> {
    let folder = header.parent().ok_or("a header lies in a folder")?;
    let text = fs::read_to_string(header)?;
    let lines = text.lines().map(|line| {
        let beside =
            line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"')).map(|name| folder.join(name));
        let whole =
            beside.filter(|path| path.is_file()).and_then(|path| Some(path.strip_prefix(include).ok()?.to_owned()));
        whole.map_or_else(|| line.to_owned(), |whole| format!("#include \"{}\"", whole.display()))
    });
    Ok(lines.map(|line| line + "\n").collect())
}
