//! The worker with a fault, for the end-to-end tests: `TESSERA_FAULT` says which, see `tessera_worker::fault`.
//! Without it, as in the execution child that a worker starts with an empty environment, it is the worker.

use std::process::ExitCode;

use tessera_worker::fault;

fn main() -> ExitCode {
    if let Ok(text) = std::env::var("TESSERA_FAULT") {
        match text.parse() {
            Ok(fault) => fault::install(fault),
            Err(e) => {
                eprintln!("error: TESSERA_FAULT: {e}");
                return ExitCode::FAILURE;
            }
        }
    }
    tessera_worker::cli::main()
}
