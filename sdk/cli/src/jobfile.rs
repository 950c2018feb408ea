//! A file that says what to post and on what terms, to be committed and repeated: `tessera run --job job.toml`. Its keys are the
//! options of the command, and what stands on the command line counts more.

use std::{
    any::TypeId,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

/// The option that names the file.
const OPTION: &str = "--job";
/// Commands that take it.
const COMMANDS: [&str; 7] = ["run", "render", "denoise", "embed", "generate", "score", "train"];
/// What no file that others may read and repeat should say.
const PRIVATE: [&str; 4] = ["keypair", "yes", "json", "verbose"];

/// Command lines that name a file, with what stands in it behind the command's name; others as they are.
pub fn expand(args: Vec<OsString>, root: &Command) -> Result<Vec<OsString>> {
    let Some(at) = args.iter().position(|arg| COMMANDS.iter().any(|name| arg == name)) else { return Ok(args) };
    let text = |arg: &OsString| arg.to_string_lossy().into_owned();
    let Some(place) = args.iter().position(|arg| arg == OPTION || text(arg).starts_with("--job=")) else {
        return Ok(args);
    };
    let (file, taken) = match text(&args[place]).split_once('=') {
        Some((_, file)) => (PathBuf::from(file), 1),
        None => (args.get(place + 1).with_context(|| format!("{OPTION} FILE: which file?"))?.into(), 2),
    };
    let name = text(&args[at]);
    let mut given = args;
    given.drain(place..place + taken);
    let at = if place < at { at - taken } else { at };
    let command = root.find_subcommand(&name).with_context(|| format!("there is no command {name}"))?;
    let said = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let table: Table = said.parse().with_context(|| format!("{}", file.display()))?;
    let dir = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut expanded = given[..=at].to_vec();
    for (key, value) in &table {
        let arg = find(command, root, key).with_context(|| {
            format!("{}: `tessera {name}` has no option {key:?}; see `tessera {name} --help`", file.display())
        })?;
        let overridden = arg.get_long().is_some_and(|long| {
            let option = format!("--{long}");
            given.iter().map(text).any(|arg| arg == option || arg.starts_with(&format!("{option}=")))
        });
        if !overridden {
            let words = words(arg, key, value, &dir).with_context(|| format!("{}", file.display()))?;
            expanded.extend(words.into_iter().map(OsString::from));
        }
    }
    expanded.extend_from_slice(&given[at + 1..]);
    Ok(expanded)
}

/// The option or argument that a key names.
fn find<'a>(command: &'a Command, root: &'a Command, key: &str) -> Option<&'a Arg> {
    let is = |arg: &&Arg| arg.get_long().unwrap_or_else(|| arg.get_id().as_str()) == key;
    let allowed = !PRIVATE.contains(&key) && key != "job";
    command.get_arguments().chain(root.get_arguments()).find(is).filter(|_| allowed)
}

/// What would stand on the command line. Files are taken from the folder `dir`.
fn words(arg: &Arg, key: &str, value: &Value, dir: &Path) -> Result<Vec<String>> {
    let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    let place = |text: String| if is_path { dir.join(text).display().to_string() } else { text };
    let option = arg.get_long().map(|long| format!("--{long}"));
    let with = |text: String| option.clone().into_iter().chain([text]).collect::<Vec<_>>();
    Ok(match (value, arg.get_action()) {
        (Value::Boolean(yes), ArgAction::SetTrue) => option.filter(|_| *yes).into_iter().collect(),
        (Value::Array(list), ArgAction::Append) => {
            let texts = list.iter().map(|value| Ok(with(place(plain(key, value)?)))).collect::<Result<Vec<_>>>()?;
            texts.concat()
        }
        // Files that have a name each: `in = { key = "key.bin" }`.
        (Value::Table(named), ArgAction::Append) => {
            let text = |(name, value): (&String, &Value)| {
                Ok(with(format!("{name}={}", dir.join(plain(key, value)?).display())))
            };
            named.iter().map(text).collect::<Result<Vec<_>>>()?.concat()
        }
        (Value::Boolean(_) | Value::Array(_) | Value::Table(_), _) => bail!("{key} = {value}: not what {key} takes"),
        (value, _) => with(place(plain(key, value)?)),
    })
}

fn plain(key: &str, value: &Value) -> Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => bail!("{key}: expected text or a number, found {value}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, FromArgMatches as _};

    fn expanded(dir: &Path, file: &str, line: &str) -> Result<Vec<String>> {
        fs::write(dir.join("job.toml"), file).unwrap();
        let line = line.replace("FILE", &dir.join("job.toml").display().to_string());
        let args = line.split(' ').map(OsString::from).collect();
        Ok(expand(args, &crate::Cli::command())?.into_iter().map(|arg| arg.into_string().unwrap()).collect())
    }

    #[test]
    fn a_file_says_what_the_command_line_does_not() {
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let file = r#"
            plan = "mix.toml"
            price = "0.5"
            replicas = 2
            min-score = 0.5
            out = "outputs"
            keep-open = true
            market = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"
            [in]
            key = "key.bin"
        "#;
        let args = expanded(dir.path(), file, "tessera --json run --job FILE --price=0.7 --yes").unwrap();
        let line = args.join(" ");
        assert!(line.starts_with("tessera --json run ") && line.ends_with(" --price=0.7 --yes"), "{line}");
        assert!(!line.contains("0.5 ") || line.contains("--min-score 0.5"), "{line}");
        for words in [
            at("mix.toml"),
            format!("--out {}", at("outputs")),
            format!("--in key={}", at("key.bin")),
            "--replicas 2".into(),
            "--keep-open".into(),
        ] {
            assert!(line.contains(&words), "{words}: {line}");
        }
        let matches = crate::Cli::command().try_get_matches_from(&args).unwrap();
        crate::Cli::from_arg_matches(&matches).unwrap();

        let scene = "scene = \"a.glb\"\nout = [\"a.png\", \"b.exr\"]\nprice = \"1\"\n";
        let line = expanded(dir.path(), scene, "tessera render --job=FILE --size 64x48").unwrap().join(" ");
        for words in [at("a.glb"), format!("--out {}", at("b.exr")), "--size 64x48".into()] {
            assert!(line.contains(&words), "{words}: {line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        for (file, word) in [
            ("prise = \"1\"", "prise"),
            ("keypair = \"a.json\"", "keypair"),
            ("price = [1]", "price"),
            ("in = [[1]]", "in"),
            ("price", "job.toml"),
        ] {
            let error = format!("{:#}", expanded(dir.path(), file, "tessera run --job FILE").unwrap_err());
            assert!(error.contains(word), "{file}: {error}");
        }
        let none = "tessera run --job /nowhere/job.toml";
        assert!(expanded(dir.path(), "", none).unwrap_err().to_string().contains("/nowhere/job.toml"));
        let line = "tessera job list --json";
        assert_eq!(expanded(dir.path(), "", line).unwrap().join(" "), line);
    }
}
