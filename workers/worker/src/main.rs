//! `tessera-worker`: computes other people's jobs and gets paid for it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tessera_worker::cli::main()
}
