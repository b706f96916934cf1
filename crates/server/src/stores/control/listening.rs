//! The server's end of the control socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::{Operations, PATH_BYTES_MAX, QUESTION_BYTES_MAX, Question, SOCKET};

/// How long whoever has connected may take to ask, and to read what is answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many may wait for their turn.
const BACKLOG: i32 = 16;
/// How long to wait when no more files may be opened.
const BACK_OFF: Duration = Duration::from_secs(1);

/// A socket that is listened on; it is taken away when this is dropped. What a crash leaves there leads nowhere.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Which file the socket is.
    file: Option<(u64, u64)>,
}

impl Control {
    /// Listens in a folder. Only for whoever has locked it: a socket that is there is one that a server before left behind. If
    /// there can be none, that is logged.
    pub(crate) fn listen(folder: &Path) -> Option<Self> {
        let path = folder.join(SOCKET);
        match listen(&path) {
            Ok(listener) => Some(Self { listener, file: number(&path), path }),
            Err(error) => {
                let path = path.display();
                tracing::warn!(%error, %path, "no control socket: `anteroom store` needs the server stopped");
                None
            }
        }
    }

    /// Answers, for ever. So many at a time; who has come before waits.
    pub(crate) async fn serve(&self, operations: &dyn Operations) {
        let answering = || async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, _)) => {
                        if let Err(error) = answer(stream, operations).await {
                            tracing::debug!(%error, "a question on the control socket was given up");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept on the control socket");
                        tokio::time::sleep(BACK_OFF).await;
                    }
                }
            }
        };
        tokio::join!(answering(), answering(), answering(), answering());
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Another server may have the folder by now.
        if self.file.is_some() && number(&self.path) == self.file {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn number(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path is longer than 100 bytes"));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Until it listens nobody gets in, whoever may open it.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(std::os::fd::OwnedFd::from(socket).into())
}

/// Hears one question and answers it.
async fn answer(mut stream: UnixStream, operations: &dyn Operations) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(QUESTION_BYTES_MAX));
    timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    let question = if line.ends_with(b"\n") { serde_json::from_slice::<Question>(&line).ok() } else { None };
    let answer = match question {
        Some(question) => {
            tracing::info!(question = question.name(), "asked on the control socket");
            tokio::select! {
                answer = question.put(operations) => answer,
                // What nobody waits for any more is given up, in front of whatever it waits for itself.
                () = hung_up(&mut reader) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        None => Err("this server does not know that question; it is another version than the program that asks".into()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await??;
    writer.shutdown().await
}

/// Waits until whoever asked has gone. Cancel-safe.
async fn hung_up(reader: &mut (impl AsyncBufRead + Unpin)) {
    // Nothing follows a question, so whatever can be read is the end.
    let _ = reader.fill_buf().await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::super::{Answer, ask};
    use super::*;
    use crate::stores::Later;

    /// Answers with what it was asked.
    #[derive(Debug)]
    struct Echo;

    fn damaged() -> Answer {
        Answer { is_good: false, words: "a record is damaged".into() }
    }

    fn echo(words: String) -> Later<'static, Result<Answer, String>> {
        Box::pin(async move { Ok(Answer::good(words)) })
    }

    impl Operations for Echo {
        fn check(&self) -> Later<'_, Result<Answer, String>> {
            Box::pin(async { Ok(damaged()) })
        }

        fn backup(&self, to: PathBuf) -> Later<'_, Result<Answer, String>> {
            echo(to.display().to_string())
        }

        fn vacuum(&self) -> Later<'_, Result<Answer, String>> {
            Box::pin(async { Err("the disk is full".into()) })
        }

        fn export(&self, user: anteroom_protocol::UserId) -> Later<'_, Result<Answer, String>> {
            echo(user.to_string())
        }

        fn erase(&self, _: anteroom_protocol::UserId) -> Later<'_, Result<Answer, String>> {
            echo("x".repeat(1 << 20))
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("anteroom-control-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// What a blocking client does while the socket is answered on.
    async fn beside<T: Send + 'static>(folder: &Path, client: impl FnOnce(PathBuf) -> T + Send + 'static) -> T {
        let (at, control) = (folder.to_owned(), Control::listen(folder));
        let client = tokio::task::spawn_blocking(move || client(at));
        let Some(control) = control else { return client.await.unwrap() };
        tokio::select! {
            () = control.serve(&Echo) => unreachable!("it serves for ever"),
            done = client => done.unwrap(),
        }
    }

    #[tokio::test]
    async fn questions_are_answered_one_after_the_other() {
        let folder = folder("answers");
        // A server that crashed left its socket.
        drop(std::os::unix::net::UnixListener::bind(folder.join(SOCKET)).unwrap());
        assert_eq!(ask(&folder, &Question::Check), Ok(None), "nobody listens");
        let user: anteroom_protocol::UserId = "ada".parse().unwrap();
        beside(&folder, move |folder| {
            assert_eq!(fs::metadata(folder.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(ask(&folder, &Question::Check), Ok(Some(damaged())));
            assert_eq!(ask(&folder, &Question::Backup { to: "/a b".into() }), Ok(Some(Answer::good("/a b"))));
            assert_eq!(ask(&folder, &Question::Vacuum), Err("the disk is full".into()));
            assert_eq!(ask(&folder, &Question::Export { user: user.clone() }), Ok(Some(Answer::good("ada"))));
            assert_eq!(ask(&folder, &Question::Erase { user }).unwrap().unwrap().words.len(), 1 << 20);
        })
        .await;
        assert!(!folder.join(SOCKET).exists(), "it is taken away with the server");
        assert_eq!(ask(&folder, &Question::Check), Ok(None));
        fs::remove_dir_all(folder).unwrap();
    }

    /// Never answers one question.
    #[derive(Debug, Default)]
    struct Stuck {
        begun: std::sync::atomic::AtomicUsize,
    }

    impl Operations for Stuck {
        fn check(&self) -> Later<'_, Result<Answer, String>> {
            Box::pin(async { Ok(damaged()) })
        }

        fn backup(&self, _: PathBuf) -> Later<'_, Result<Answer, String>> {
            Box::pin(std::future::pending())
        }

        fn vacuum(&self) -> Later<'_, Result<Answer, String>> {
            self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Box::pin(std::future::pending())
        }

        fn export(&self, _: anteroom_protocol::UserId) -> Later<'_, Result<Answer, String>> {
            Box::pin(std::future::pending())
        }

        fn erase(&self, _: anteroom_protocol::UserId) -> Later<'_, Result<Answer, String>> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn a_question_that_is_not_answered_holds_up_no_other_and_ends_with_its_asker() {
        let folder = folder("stuck");
        let (at, control, stuck) = (folder.clone(), Control::listen(&folder).unwrap(), Stuck::default());
        let client = tokio::task::spawn_blocking(move || {
            for _ in 0..3 {
                // More than are answered at a time, one group after the other.
                let asked: Vec<UnixStream> = (0..3)
                    .map(|_| {
                        let mut stream = UnixStream::connect(at.join(SOCKET)).unwrap();
                        stream.write_all(b"{\"do\":\"vacuum\"}\n").unwrap();
                        stream
                    })
                    .collect();
                assert_eq!(ask(&at, &Question::Check), Ok(Some(damaged())));
                drop(asked);
            }
        });
        tokio::select! {
            () = control.serve(&stuck) => unreachable!("it serves for ever"),
            done = client => done.unwrap(),
        }
        assert!(stuck.begun.into_inner() > 0);
        drop(control);
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn the_socket_of_a_server_that_came_later_stays() {
        let folder = folder("later");
        let before = Control::listen(&folder).unwrap();
        let later = Control::listen(&folder).unwrap();
        drop(before);
        assert!(folder.join(SOCKET).exists());
        drop(later);
        assert!(!folder.join(SOCKET).exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_question_is_told_so_and_keeps_nobody_waiting() {
        let folder = folder("nonsense");
        beside(&folder, |folder| {
            let long = vec![b'x'; QUESTION_BYTES_MAX as usize + 1];
            for nonsense in [
                &b"\n"[..],
                b"{}\n",
                b"check\n",
                b"{\"do\":\"export\",\"user\":\"ada\",\"more\":1}\n",
                b"{\"do\":\"export\",\"user\":\"\"}\n",
                &long,
            ] {
                let mut stream = UnixStream::connect(folder.join(SOCKET)).unwrap();
                // It may not be read to its end.
                let _ = stream.write_all(nonsense);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut said = String::new();
                let _ = stream.read_to_string(&mut said);
                assert!(said.is_empty() || said.contains("does not know that question"), "{said}");
            }
            // Somebody who connects and goes.
            drop(UnixStream::connect(folder.join(SOCKET)).unwrap());
            assert!(ask(&folder, &Question::Check).unwrap().is_some());
        })
        .await;
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_path_that_no_socket_has_room_for_is_left_alone() {
        let folder = folder(&"x".repeat(80));
        beside(&folder, |folder| assert_eq!(ask(&folder, &Question::Check), Ok(None))).await;
        assert!(!folder.join(SOCKET).exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
