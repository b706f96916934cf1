//! The `anteroom` program. Everything it does is in the library; see `app` for how the parts fit together.

use std::process::ExitCode;

fn main() -> ExitCode {
    anteroom_server::cli::main()
}
