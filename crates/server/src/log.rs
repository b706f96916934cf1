//! Logs: to stderr, pretty on a terminal and JSON otherwise. Nothing is logged for a single message.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::output;

/// A filter could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a log filter; try info, debug, or anteroom_server=debug")]
pub(crate) struct InvalidFilter(String);

/// Starts logging. `filter` is a level, or a list such as `info,anteroom_server=debug`. Call once.
///
/// # Errors
/// [`InvalidFilter`] if it is neither.
pub(crate) fn start(filter: &str) -> Result<(), InvalidFilter> {
    let parsed = EnvFilter::builder().parse(filter).map_err(|_| InvalidFilter(filter.to_owned()))?;
    // What goes wrong with a line would be printed to stderr past our writer, where it may block or panic.
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(parsed).with_writer(output::writer).log_internal_errors(false);
    if io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        subscriber.with_ansi(colours).with_target(false).compact().init();
    } else {
        subscriber.json().flatten_event(true).init();
    }
    // A game's panic ends its room and is told there; here it only must not break the log's form.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    Ok(())
}
