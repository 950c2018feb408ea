//! Commands that messages name, as they are to be typed.

use std::{ffi::OsStr, sync::OnceLock};

use clap::{ArgMatches, parser::ValueSource};
use tessera_sdk::endpoint_name;

/// Options that say where the network is and who pays.
const NAMES: [&str; 5] = ["url", "ws", "keypair", "config", "market"];

/// Those of them that name endpoints.
const ENDPOINTS: [&str; 2] = ["url", "ws"];

/// Those that stand on this program's command line, each with a blank before it. What stands in the environment counts for
/// the next command too.
static GIVEN: OnceLock<String> = OnceLock::new();

/// Remembers what was given.
pub fn remember(matches: &ArgMatches) {
    // Once for each process: there is one command line.
    let _ = GIVEN.set(given(matches));
}

/// A command of this program in backquotes, with the options by which this one was told where the network is.
pub fn command(text: &str) -> String {
    format!("`tessera{} {text}`", GIVEN.get().map_or("", String::as_str))
}

fn given(matches: &ArgMatches) -> String {
    let is_given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let option = |name: &str| {
        let values = matches.get_raw(name).into_iter().flatten();
        let shown = |value: &OsStr| {
            let value = value.to_string_lossy();
            // Messages end up in logs, where no key of an endpoint should.
            if ENDPOINTS.contains(&name) { endpoint_name(&value) } else { value.into_owned() }
        };
        let value = values.map(shown).collect::<Vec<_>>().join(",");
        // What no shell can be given is left for the reader to see.
        format!(" --{name} {}", shlex::try_quote(&value).unwrap_or_else(|_| value.as_str().into()))
    };
    NAMES.into_iter().filter(is_given).map(option).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_was_given_is_said_again() {
        let given = |line: &[&str]| given(&crate::Cli::command().try_get_matches_from(line).unwrap());
        let market = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
        let line = ["tessera", "-u", "http://a,http://b", "job", "list", "--market", market, "-C", "a b.yml", "--json"];
        assert_eq!(given(&line), format!(" --url 'http://a,http://b' --config 'a b.yml' --market {market}"));
        assert_eq!(given(&["tessera", "job", "list"]), "");
        let secret = given(&["tessera", "--url", "https://rpc.example/KEY", "-k", "usb://ledger?key=0", "job", "list"]);
        assert_eq!(secret, " --url 'https://rpc.example/…' --keypair 'usb://ledger?key=0'");
    }
}
