//! What an operator asks of a store, done: by the program that asks, while no server has the store, or by the server that has it.
//! Both find and forget a user alike; a server does it in the rooms that run in it and the sessions that go on, too.

mod alone;
mod erasing;
mod exporting;
#[cfg(unix)]
mod live;
mod searching;

use std::path::Path;

use anteroom_core::game::Registry;

use crate::stores::control::{Answer, Question};

use alone::Alone;
#[cfg(unix)]
pub(crate) use live::Live;

/// Whether there is a store in a folder.
pub(crate) fn is_store(folder: &Path) -> bool {
    folder.join("anteroom.db").exists()
}

/// Asks the server that has the folder; `None` if none has, or it cannot be asked.
///
/// # Errors
/// A sentence: what the server says, or why it does not.
#[cfg(unix)]
pub(crate) fn ask(folder: &Path, question: &Question) -> Result<Option<Answer>, String> {
    crate::stores::control::ask(folder, question)
}

/// There are no such sockets here.
#[cfg(not(unix))]
pub(crate) fn ask(_: &Path, _: &Question) -> Result<Option<Answer>, String> {
    Ok(None)
}

/// Answers a question about the store in a folder that no server has, and about recordings in another.
///
/// # Errors
/// A sentence.
pub(crate) fn alone(folder: &Path, recordings: &Path, question: Question, games: Registry) -> Result<Answer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(question.put(&Alone::new(folder, recordings, games)))
}
