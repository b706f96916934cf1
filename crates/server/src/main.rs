//! The `anteroom` program: the library's command line with the games that come along. See `app` for how the parts of
//! the server fit together.

use std::process::ExitCode;

fn main() -> ExitCode {
    match anteroom_games::registry() {
        Ok(games) => anteroom_server::cli::main(games),
        Err(error) => {
            eprintln!("anteroom: {error}");
            ExitCode::FAILURE
        }
    }
}
