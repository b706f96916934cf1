//! Players of rooms that outlive the server: pairs who play tic-tac-toe and talk in relay rooms, while the server goes away
//! and comes back.
//!
//! Each pair has one [`Table`], on which everything is noted that the two have said and seen. Whatever the server that is
//! started anew shows them is checked against it: nothing that was seen is undone, nothing that was acknowledged is lost, nothing
//! is done twice, and nothing is missing that was not told as a gap. How a server is stopped and started is not known here.

mod board;
mod chat;
mod life;
mod player;
pub(crate) mod server;
pub mod simulated;
mod table;

pub use life::{Life, Pairs};
pub use player::Player;
pub use table::{Stage, Table};

use crate::peer::{Peer, Way};

/// Where players find their server, whichever process it is.
pub trait Host {
    /// A connection to it; none if it is not there.
    fn dial(&self, way: Way) -> impl Future<Output = Option<Peer>>;
}
