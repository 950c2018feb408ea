//! Commands that messages name, as they are to be typed.

use std::sync::OnceLock;

use clap::{ArgMatches, parser::ValueSource};

/// The option that says which worker is meant.
const CONFIG: &str = "config";

/// That option with its value and a blank before it, if it stands on this program's command line.
static GIVEN: OnceLock<String> = OnceLock::new();

/// Remembers whether a configuration was given.
pub(crate) fn remember(matches: &ArgMatches) {
    // Once for each process: there is one command line.
    let _ = GIVEN.set(given(matches));
}

/// A command of this program in backquotes, for the same worker.
pub(crate) fn command(text: &str) -> String {
    format!("`tessera-worker{} {text}`", GIVEN.get().map_or("", String::as_str))
}

fn given(matches: &ArgMatches) -> String {
    let value = matches.get_raw(CONFIG).and_then(|mut values| values.next());
    match value.filter(|_| matches.value_source(CONFIG) == Some(ValueSource::CommandLine)) {
        Some(value) => {
            let value = value.to_string_lossy();
            // What no shell can be given is left for the reader to see.
            format!(" --{CONFIG} {}", shlex::try_quote(&value).unwrap_or_else(|_| value.as_ref().into()))
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_that_was_given_is_said_again() {
        let command = clap::Command::new("tessera-worker")
            .arg(clap::Arg::new(CONFIG).long(CONFIG).global(true).default_value("worker.toml"));
        let command = command.subcommand(clap::Command::new("status"));
        let given = |line: &[&str]| given(&command.clone().try_get_matches_from(line).unwrap());
        assert_eq!(given(&["tessera-worker", "status", "--config", "a b.toml"]), " --config 'a b.toml'");
        assert_eq!(given(&["tessera-worker", "--config", "b.toml", "status"]), " --config b.toml");
        assert_eq!(given(&["tessera-worker", "status"]), "");
    }
}
