//! The generator's checks, proven against a server that loses, doubles and reorders messages on purpose.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anteroom_bench::{
    BODY, BenchError, Dialect, Entry, Frame, FrameKind, Load, Member, Opening, Outcome, Place, Plan, Stamp, Target,
    Template,
};

/// What a server does wrong, once, with the fifth message of the first member of the first room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It reaches one member less.
    Lose,
    /// It reaches one member twice.
    Double,
    /// One member hears it behind the sixth.
    Reorder,
    /// The server closes all connections with a code instead.
    Close,
}

/// A server whose rooms are paths: whatever a member sends goes to all on the same path.
fn serve(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let rooms: Arc<Mutex<Rooms>> = Arc::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, rooms) = (stream.unwrap(), rooms.clone());
            thread::spawn(move || attend(stream, &rooms, fault));
        }
    });
    addr
}

#[derive(Default)]
struct Rooms {
    members: BTreeMap<String, Vec<TcpStream>>,
    held: Option<Vec<u8>>,
}

fn attend(mut stream: TcpStream, rooms: &Mutex<Rooms>, fault: Fault) {
    let mut bytes = Vec::new();
    let request = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
        }
        if !more(&mut stream, &mut bytes) {
            return;
        }
    };
    let path = request.split(' ').nth(1).unwrap().to_owned();
    assert!(request.contains("X-Member: yes\r\n"), "{request}");
    {
        let mut rooms = rooms.lock().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
        rooms.members.entry(path.clone()).or_default().push(stream.try_clone().unwrap());
    }
    loop {
        while let Some(payload) = take(&mut bytes) {
            pass_on(&mut rooms.lock().unwrap(), &path, &payload, fault);
        }
        if !more(&mut stream, &mut bytes) {
            return;
        }
    }
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut space = [0; 4096];
    match stream.read(&mut space) {
        Ok(read @ 1..) => {
            bytes.extend_from_slice(&space[..read]);
            true
        }
        _ => false,
    }
}

/// The payload of a short masked frame; its mask is zero.
fn take(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = usize::from(*bytes.get(1)? & 0x7F);
    assert!(len < 126);
    let end = 6 + len;
    if bytes.len() < end {
        return None;
    }
    let frame: Vec<u8> = bytes.drain(..end).collect();
    Some(frame[6..].to_vec())
}

fn pass_on(rooms: &mut Rooms, path: &str, payload: &[u8], fault: Fault) {
    let stamp = Stamp::all(payload).next().unwrap();
    let mut frame = vec![0x81, payload.len() as u8];
    frame.extend_from_slice(payload);
    let from_first = path == "/room/0" && stamp.sender == 0;
    let is_fifth = from_first && stamp.number == 4;
    let held = if from_first { rooms.held.take() } else { None };
    for (place, stream) in rooms.members.get_mut(path).unwrap().iter_mut().enumerate() {
        let is_last = place == 2;
        let frames: Vec<&[u8]> = match fault {
            Fault::Lose | Fault::Reorder if is_fifth && is_last => vec![],
            Fault::Double if is_fifth && is_last => vec![&frame, &frame],
            Fault::Close if is_fifth => vec![b"\x88\x06\x0f\xa1away"],
            _ => vec![&frame],
        };
        for frame in frames.into_iter().chain(held.as_deref().filter(|_| is_last)) {
            // The generator may have left.
            let _ = stream.write_all(frame);
        }
    }
    if is_fifth && fault == Fault::Reorder {
        rooms.held = Some(frame);
    }
}

struct Paths;

impl Dialect for Paths {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        assert_eq!(place.key, (place.seat > 0).then_some("here"), "others come behind the first");
        Ok(Opening {
            path: format!("/room/{}", place.room),
            headers: vec![("X-Member".to_owned(), "yes".to_owned())],
            member: Box::new(Speaker(Template::new(FrameKind::Text, BODY.as_bytes()).unwrap())),
        })
    }
}

struct Speaker(Template);

impl Member for Speaker {
    fn greet(&mut self, _out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        Ok(Entry::In { key: Some("here".to_owned()) })
    }

    fn enter(&mut self, _frame: Frame<'_>, _out: &mut Vec<u8>) -> Result<Entry, BenchError> {
        unreachable!("the first words are none")
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        self.0.push(stamp, out);
    }
}

fn drive(fault: Fault, load: Load, threads: usize) -> Result<Outcome, BenchError> {
    let target = Target { addr: serve(fault), pid: None };
    let measured = Duration::from_millis(500);
    let plan = Plan { rooms: 2, members: 3, load, warm_up: Duration::from_millis(100), measured, threads };
    anteroom_bench::run(&target, &Paths, &plan, &mut |_| {})
}

#[test]
fn a_server_that_does_right_is_found_right() {
    for (load, threads) in [(Load::Closed, 1), (Load::Hertz(50.0), 1), (Load::Deliveries(500.0), 2)] {
        let outcome = drive(Fault::None, load, threads).unwrap();
        assert_eq!(outcome.wrong(), 0, "{outcome:?}");
        assert!(outcome.sent_in_all > 0);
        assert_eq!(outcome.delivered_in_all, outcome.sent_in_all * 3);
        assert!(outcome.latencies.count() > 0 && outcome.bytes_down > outcome.bytes_up);
    }
}

#[test]
fn a_fixed_rate_is_kept() {
    let outcome = drive(Fault::None, Load::Hertz(100.0), 1).unwrap();
    // Whatever the machine does meanwhile, all that was due while measured has been sent in the end, and came.
    let due = (outcome.measured.as_secs_f64() * 100.0) as u64 * 6;
    let heard = outcome.latencies.count() / 3;
    assert!(heard.abs_diff(due) <= 6 * 4, "{heard} of {due}");
    assert_eq!(outcome.wrong(), 0);
}

#[test]
fn a_lost_message_is_found() {
    let outcome = drive(Fault::Lose, Load::Hertz(50.0), 1).unwrap();
    assert_eq!((outcome.lost, outcome.duplicated, outcome.out_of_order), (1, 0, 0));
    assert_eq!(outcome.delivered_in_all + 1, outcome.sent_in_all * 3);
}

#[test]
fn a_message_that_comes_twice_is_found() {
    let outcome = drive(Fault::Double, Load::Hertz(50.0), 1).unwrap();
    assert_eq!((outcome.lost, outcome.duplicated, outcome.out_of_order), (0, 1, 0));
}

#[test]
fn a_message_behind_a_later_one_is_found() {
    let outcome = drive(Fault::Reorder, Load::Hertz(50.0), 2).unwrap();
    assert_eq!((outcome.lost, outcome.duplicated, outcome.out_of_order), (0, 0, 1));
}

#[test]
fn a_server_that_closes_ends_the_run_in_its_words() {
    let error = drive(Fault::Close, Load::Hertz(50.0), 1).unwrap_err();
    assert_eq!(error, BenchError::Failed("the server closed the connection: 4001 away".to_owned()));
}

#[test]
fn what_is_no_websocket_is_said() {
    for (answer, said) in [
        (
            &b"HTTP/1.1 503 Service Unavailable\r\n\r\n"[..],
            "the server refuses WebSocket: HTTP/1.1 503 Service Unavailable",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "what answers there does not speak HTTP without TLS"),
        (b"", "the server hung up"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                let _ = stream.write_all(answer);
            }
        });
        let second = Duration::from_secs(1);
        let plan = Plan { rooms: 1, members: 1, load: Load::Closed, warm_up: second, measured: second, threads: 1 };
        let error = anteroom_bench::run(&Target { addr, pid: None }, &Paths, &plan, &mut |_| {}).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
}
