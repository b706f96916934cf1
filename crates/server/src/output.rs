//! stdout and stderr, of which either may be full, or closed, while the program goes on.
//!
//! What goes to stderr is written by a thread of its own, so that a reader who is slow or gone holds nobody up, and ends
//! nothing. `tracing-appender` would do, but for its end: where stdout is stuck or gone as well, as in
//! `anteroom 2>&1 | less`, it waits for ever, or panics.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// What may wait for the reader, in bytes. Lines beyond that are lost, and counted.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long the end of the program may wait for the reader.
const END_MAX: Duration = Duration::from_secs(1);
/// How long a terminal that somebody else has made non-blocking may take until it is tried again.
const TRIED_AGAIN_AFTER: Duration = Duration::from_millis(20);

static LINES: Lines = Lines::new();

/// Takes what is written to it for stderr, a whole line at a time. Never waits, and never fails.
#[derive(Debug)]
pub(crate) struct Writer;

/// For a subscriber, which asks for a writer for each line.
pub(crate) fn writer() -> Writer {
    static THREAD: Once = Once::new();
    THREAD.call_once(|| {
        let told = |lines| tracing::error!(lines, "lines of the log were lost: stderr was full, or closed");
        // Without a thread nothing is written, and everything else goes on.
        let _ = thread::Builder::new().name("stderr".into()).spawn(move || LINES.write_to(io::stderr(), told));
    });
    Writer
}

/// Prints to stdout. Whoever has stopped reading, like `head`, has heard enough.
///
/// # Errors
/// Any other reason for which it cannot be written, such as a full disk.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Says a sentence to whoever started the program.
pub(crate) fn complain(sentence: &str) {
    writer().line(format!("anteroom: {sentence}\n").as_bytes());
}

impl Writer {
    fn line(&self, line: &[u8]) {
        LINES.add(line);
    }
}

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits at its end, as long as that makes sense, until what was said is written.
#[derive(Debug)]
pub(crate) struct Flushed;

impl Drop for Flushed {
    fn drop(&mut self) {
        LINES.wait(END_MAX);
    }
}

/// Lines on their way to a writer.
struct Lines {
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    waiting: Vec<u8>,
    is_writing: bool,
    lost: u64,
}

impl Lines {
    const fn new() -> Self {
        let queue = Queue { waiting: Vec::new(), is_writing: false, lost: 0 };
        Self { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8]) {
        let mut queue = self.lock();
        if queue.waiting.len() + line.len() > WAITING_BYTES_MAX {
            queue.lost += 1;
        } else {
            queue.waiting.extend_from_slice(line);
            self.changed.notify_all();
        }
    }

    /// Writes what comes, for ever. Once there is room again, says how many lines were lost meanwhile.
    fn write_to(&self, mut out: impl Write, told: impl Fn(u64)) -> ! {
        let (mut batch, mut has_room) = (Vec::new(), true);
        loop {
            batch.clear();
            let mut queue = self.lock();
            queue.is_writing = false;
            self.changed.notify_all();
            let idle = |queue: &mut Queue| queue.waiting.is_empty() && !(has_room && queue.lost > 0);
            let mut queue = self.changed.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
            queue.is_writing = true;
            std::mem::swap(&mut queue.waiting, &mut batch);
            // To be told with the lines after these: now there is a place among them.
            let lost = if has_room { std::mem::take(&mut queue.lost) } else { 0 };
            drop(queue);
            if lost > 0 {
                told(lost);
            }
            has_room = write_all(&mut out, &batch).is_ok();
            if !has_room {
                self.lock().lost += batch.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
        }
    }

    fn wait(&self, max: Duration) {
        let busy = |queue: &mut Queue| queue.is_writing || !queue.waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), max, busy));
    }
}

fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TRIED_AGAIN_AFTER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader who takes one piece whenever the test says so.
    struct Reader {
        may: Receiver<io::Result<()>>,
        read: SyncSender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().unwrap()?;
            self.read.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (&'static Lines, SyncSender<io::Result<()>>, Receiver<String>) {
        let lines: &'static Lines = Box::leak(Box::new(Lines::new()));
        let (may, allowed) = sync_channel(16);
        let (read, heard) = sync_channel(16);
        let told = |lost| lines.add(format!("{lost} lost\n").as_bytes());
        thread::spawn(move || lines.write_to(Reader { may: allowed, read }, told));
        (lines, may, heard)
    }

    /// Waits until the thread has taken what waits.
    fn taken(lines: &Lines) {
        while !lines.lock().waiting.is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_a_reader_does_not_take_is_lost_and_counted_and_that_is_said_once() {
        let (lines, may, heard) = lines();
        lines.add(b"first\n");
        taken(lines);
        let long = [&[b'x'; (WAITING_BYTES_MAX / 4) - 1][..], b"\n"].concat();
        (0..10).for_each(|_| lines.add(&long));
        lines.wait(Duration::from_millis(1));
        assert_eq!(lines.lock().lost, 6, "four of them fit");

        may.send(Ok(())).unwrap();
        assert_eq!(heard.recv().unwrap(), "first\n");
        may.send(Ok(())).unwrap();
        assert_eq!(heard.recv().unwrap(), String::from_utf8(long).unwrap().repeat(4));
        may.send(Ok(())).unwrap();
        assert_eq!(heard.recv().unwrap(), "6 lost\n");
        lines.add(b"last\n");
        may.send(Ok(())).unwrap();
        assert_eq!(heard.recv().unwrap(), "last\n");
        lines.wait(Duration::from_secs(20));
        assert!(!lines.lock().is_writing);
    }

    #[test]
    fn a_reader_who_is_gone_is_told_when_there_is_one_again() {
        let (lines, may, heard) = lines();
        may.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        lines.add(b"one\ntwo\n");
        lines.wait(Duration::from_secs(20));
        may.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
        may.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
        may.send(Ok(())).unwrap();
        may.send(Ok(())).unwrap();
        lines.add(b"three\n");
        assert_eq!(heard.recv().unwrap(), "three\n");
        assert_eq!(heard.recv().unwrap(), "2 lost\n");
    }
}
