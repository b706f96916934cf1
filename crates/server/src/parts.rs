//! The three parts of a running server, which end with the last that holds them.
//!
//! HTTP and each connection hold all three; whatever else there is takes those that it uses.

use std::sync::Arc;

use crate::lifecycle::Lifecycle;
use crate::services::Services;
use crate::settings::Settings;

/// See the module. Clones are the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Who is let in, and the steps of a shutdown.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// What answers.
    pub(crate) services: Arc<Services>,
    /// What never changes.
    pub(crate) settings: Arc<Settings>,
}
