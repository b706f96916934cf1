//! What it costs that rooms are durable, beside a bare SQLite on the same disk; a restart; and rooms that sleep. Run it by
//! `benches/durable`.

use std::process::ExitCode;

#[path = "../durable/mod.rs"]
mod durable;

fn main() -> ExitCode {
    durable::main()
}
