//! What Anteroom is compared with. Each is what a good programmer writes in an afternoon, and nothing more.

pub(crate) mod axum_room;
pub(crate) mod bare_sessions;
