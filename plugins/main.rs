//! The server.

use std::process::ExitCode;

fn main() -> ExitCode {
    pulp::pulpcore::cli::main(pulp::PLUGINS)
}
