//! The worker with a fault, for the end-to-end tests: `TESSERA_FAULT` says which, see `tessera_worker::fault`.

use std::process::ExitCode;

use tessera_worker::fault;

fn main() -> ExitCode {
    match std::env::var("TESSERA_FAULT").map_err(|e| e.to_string()).and_then(|text| text.parse()) {
        Ok(fault) => {
            fault::install(fault);
            tessera_worker::cli::main()
        }
        Err(e) => {
            eprintln!("error: TESSERA_FAULT: {e}");
            ExitCode::FAILURE
        }
    }
}
