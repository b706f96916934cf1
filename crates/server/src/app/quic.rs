//! Connections over QUIC and WebTransport, from their handshake to the task that runs them.

use std::sync::Arc;

use anteroom_transport::quic::Listener;

use crate::connection::{self, Arrival};
use crate::host::Host;
use crate::parts::Parts;
use crate::settings::Settings;

/// Accepts connections until the listener stops.
pub(super) async fn accept(parts: Parts, quic: Arc<Listener>) {
    while let Some(incoming) = quic.accept().await {
        let Some(permit) = parts.lifecycle.admit() else {
            drop(incoming);
            continue;
        };
        let task = parts.clone();
        parts.lifecycle.session_tasks.spawn(async move {
            let established = tokio::select! {
                biased;
                established = Box::pin(incoming.establish()) => established,
                // Whoever has not come as far as a session has no goodbye to hear.
                () = task.lifecycle.stop_accepting.cancelled() => return,
            };
            match established {
                Ok(established) => {
                    let authority = authority_of_pages(&task.settings, established.authority);
                    let arrival = Arrival { origin: established.origin, authority, codec: None };
                    connection::run(task, established.connection, arrival, permit).await;
                }
                Err(error) => tracing::debug!(%error, "QUIC connection not established"),
            }
        });
    }
}

/// By which host and port this server's pages come, for a session of WebTransport that asked for this authority.
fn authority_of_pages(settings: &Settings, authority: Option<String>) -> Option<String> {
    let authority = authority?;
    if settings.own_udp.is_none() {
        return Some(authority);
    }
    Host::parse(&authority).map(|host| format!("{}:{}", host.name, settings.local_addr.port()))
}
