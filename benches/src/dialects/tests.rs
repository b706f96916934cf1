//! Each dialect against the server it is for: whatever is sent comes to everybody, once and in order.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use anteroom_bench::{Load, Plan, Target};
use anyhow::Result;

use crate::peers;
use crate::scenes;
use crate::servers::{Contender, Needs, Starting, Subject};

/// Plays two rooms of three for a moment.
fn everything_arrives(subject: Subject, target: &Target) {
    let moment = Duration::from_millis(200);
    let plan = Plan { rooms: 2, members: 3, load: Load::Hertz(50.0), warm_up: moment, measured: moment, threads: 1 };
    let outcome = anteroom_bench::run(target, scenes::dialect(subject).unwrap(), &plan, &mut |_| {}).unwrap();
    assert!(outcome.sent > 0, "{subject}");
    assert_eq!(outcome.wrong(), 0, "{subject}: {outcome:?}");
}

/// Lets a peer of this crate serve for as long as the test takes.
fn on_a_thread(subject: Subject, serve: impl FnOnce(TcpListener) -> Result<()> + Send + 'static) {
    let listener = peers::listen().unwrap();
    let target = Target { addr: listener.local_addr().unwrap(), pid: None };
    thread::spawn(move || serve(listener).unwrap());
    everything_arrives(subject, &target);
}

fn on_node(subject: Subject) {
    if let Some(why) = subject.missing() {
        eprintln!("skipped: {subject}: {why}");
        return;
    }
    let server = Starting::default().start(&Contender::plain(subject), Needs::default()).unwrap();
    everything_arrives(subject, &server.target());
}

#[test]
fn limit_relays_at_once_and_once_a_tick() {
    on_a_thread(Subject::Limit, |listener| peers::limit::serve(listener, 0));
    on_a_thread(Subject::Limit, |listener| peers::limit::serve(listener, 16));
}

#[test]
fn tungstenite_relays() {
    on_a_thread(Subject::Tungstenite, peers::tungstenite_room::serve);
}

#[test]
fn axum_relays() {
    on_a_thread(Subject::Axum, peers::axum_room::serve);
}

#[test]
fn node_ws_relays() {
    on_node(Subject::NodeWs);
}

#[test]
fn colyseus_relays() {
    on_node(Subject::Colyseus);
}

#[test]
fn socket_io_relays() {
    on_node(Subject::SocketIo);
}
