//! The other end of the control socket: for a program that does nothing else, so it waits where it stands.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{ANSWER_BYTES_MAX, Answer, PATH_BYTES_MAX, Question, SOCKET};

/// Asks the server that has the folder; `None` if no server listens there.
///
/// # Errors
/// A sentence: what the server says, or why it does not.
pub(crate) fn ask(folder: &Path, question: &Question) -> Result<Option<Answer>, String> {
    let path = folder.join(SOCKET);
    // A server does not listen there either.
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Ok(None);
    }
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot ask the server at {}: {error}", path.display())),
    };
    let line = said(stream, question).map_err(|error| format!("the server stopped answering: {error}"))?;
    let answer: Result<Answer, String> = serde_json::from_slice(&line)
        .map_err(|_| "the server said something else than an answer; look into its log".to_owned())?;
    answer.map(Some)
}

fn said(mut stream: UnixStream, question: &Question) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut said = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut said)?;
    if said.ends_with(b"\n") { Ok(said) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
