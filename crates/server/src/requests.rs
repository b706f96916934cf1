//! What clients ask for: handled by whom it concerns, outside of the connection that it came on.
//!
//! It knows sessions, rooms and the lobby, and no connection.

pub(crate) mod answer;
