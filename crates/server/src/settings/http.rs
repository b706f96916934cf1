//! How long HTTP waits: its part of the table `times`.

use std::time::Duration;

use crate::error::Problems;
use crate::tables::Times;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpLimits {
    /// How long a connection is kept for the next request.
    pub(crate) idle_max: Duration,
    /// How long a client may read nothing while something waits for it.
    pub(crate) stall_max: Duration,
}

impl HttpLimits {
    pub(crate) fn of(times: &Times) -> Self {
        Self { idle_max: Duration::from_millis(times.http_idle_ms), stall_max: Duration::from_millis(times.stall_ms) }
    }

    pub(crate) fn check(times: &Times, problems: &mut Problems) {
        problems.milliseconds("times.http_idle_ms", times.http_idle_ms);
    }
}
