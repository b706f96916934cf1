//! What goes wrong, and for how long: less than the grace time in a row, so that no session may end.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use anteroom_core::Rng;
use anteroom_transport::simulation::{Conditions, Network};
use tokio::time::{Instant, sleep};

use super::in_turn;

/// The port of every client's UDP socket, until it changes.
pub(super) const UDP_PORT: u16 = 5000;
/// For how long things go wrong, in virtual milliseconds.
const TROUBLE_MS: u64 = 40_000;
/// The longest single trouble, in virtual milliseconds: longer than the silence after which a connection counts as
/// lost. All of them one after another are shorter than the grace time.
const OUTAGE_MS_MAX: u32 = 12_000;

/// How the network is between troubles.
pub(super) fn weather(rng: &mut Rng) -> Conditions {
    let percent = |rng: &mut Rng, most: u32| f64::from(rng.below(most + 1)) / 100.0;
    let fastest = Duration::from_millis(u64::from(rng.below(40)) + 1);
    Conditions {
        latency: fastest..=fastest * (1 + rng.below(4)),
        loss: percent(rng, 12),
        duplicate: percent(rng, 8),
        reorder: percent(rng, 8),
        ..Conditions::default()
    }
}

/// Breaks things until it is time to stop, in two places at a time, and leaves everything whole.
pub(super) async fn run(network: &Network, hosts: &[IpAddr], mut rng: Rng) {
    let rngs = [Rng::new(rng.next_u64()), Rng::new(rng.next_u64())];
    let ports = RefCell::new(vec![UDP_PORT; hosts.len()]);
    let hands = rngs.into_iter().map(|rng| Box::pin(break_things(network, hosts, &ports, rng)) as Pin<Box<_>>);
    in_turn(hands.collect()).await;
    for host in hosts {
        network.blackhole(*host, false);
        network.block_datagrams(*host, false);
        network.stall_streams(*host, false);
    }
    network.set_conditions(Conditions::default());
}

async fn break_things(network: &Network, hosts: &[IpAddr], ports: &RefCell<Vec<u16>>, mut rng: Rng) {
    let until = Instant::now() + Duration::from_millis(TROUBLE_MS);
    while Instant::now() < until {
        sleep(Duration::from_millis(u64::from(rng.below(2000)))).await;
        let place = rng.below(hosts.len() as u32) as usize;
        let host = hosts[place];
        let outage = Duration::from_millis(u64::from(rng.below(OUTAGE_MS_MAX)) + 50);
        match rng.below(8) {
            0 | 1 => during(outage, |on| network.blackhole(host, on)).await,
            2 => during(outage, |on| network.block_datagrams(host, on)).await,
            3 => during(outage, |on| network.stall_streams(host, on)).await,
            4 | 5 => network.cut_streams(host),
            6 => {
                let at = |port| SocketAddr::new(host, port);
                let port = ports.borrow()[place];
                // There may be no socket yet.
                if network.rebind(at(port), at(port + 1)).is_ok() {
                    ports.borrow_mut()[place] += 1;
                }
            }
            _ => network.set_conditions(weather(&mut rng)),
        }
    }
}

async fn during(outage: Duration, set: impl Fn(bool)) {
    set(true);
    sleep(outage).await;
    set(false);
}
