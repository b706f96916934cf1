//! The `anteroom` program: the library's command line with the games that come along. See `app` for how the parts of
//! the server fit together.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match anteroom_games::registry() {
        Ok(games) => anteroom_server::cli::main(games),
        Err(error) => {
            // Whoever has closed stderr gets the exit code.
            let _ = writeln!(std::io::stderr(), "anteroom: {error}");
            ExitCode::FAILURE
        }
    }
}
