//! Why a server does not start: what is wrong with its configuration, or with where it is to run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anteroom_protocol::limits;

/// The server does not start. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else has the port.
    #[error(
        "port {0} is taken; stop the other program, or choose another with --listen HOST:PORT, or --listen-udp (port 0 \
         finds one)"
    )]
    PortInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The certificate and the key do not work together.
    #[error("the certificate cannot be used: {0}; check that the key belongs to it")]
    Certificate(String),
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
}

/// The configuration cannot be used. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {source}; check the path and its permissions", path.display())]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not TOML, or has a wrong key or value.
    #[error("{}:{line}: {why}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// An environment variable has a wrong name or value.
    #[error("{variable}: {why}")]
    Variable {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        why: String,
    },
    /// A value makes no sense.
    #[error("`{key}` {why}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Serving needs something that is not configured.
    #[error("{0}")]
    Missing(&'static str),
}

/// Collects what is wrong with values, each under its key. A part of the server checks the values that are its own.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ConfigError>);

impl Problems {
    /// One more.
    pub(crate) fn add(&mut self, key: &'static str, why: impl Into<String>) {
        self.0.push(ConfigError::Invalid { key, why: why.into() });
    }

    /// A number of which there is one at least.
    pub(crate) fn at_least_one(&mut self, key: &'static str, value: u32) {
        if value == 0 {
            self.add(key, "must be at least 1");
        }
    }

    /// A time that is waited for.
    pub(crate) fn milliseconds(&mut self, key: &'static str, value: u64) {
        if value == 0 || value > 24 * 3600 * 1000 {
            self.add(key, "must be 1 to 86400000 (a day)");
        }
    }

    /// A time that may be longer than anybody waits for.
    pub(crate) fn long_milliseconds(&mut self, key: &'static str, value: u64) {
        if value == 0 || value > 366 * 24 * 3600 * 1000 {
            self.add(key, "must be 1 to 31622400000 (a year)");
        }
    }

    /// A time that may be none at all.
    pub(crate) fn up_to_a_year(&mut self, key: &'static str, value: u64) {
        if value > 366 * 24 * 3600 * 1000 {
            self.add(key, "must be at most 31622400000 (a year)");
        }
    }

    /// Bytes that are to hold the largest frame there can be.
    pub(crate) fn holds_a_frame(&mut self, key: &'static str, value: u32) {
        if value < limits::SERVER_FRAME_BYTES_MAX as u32 {
            self.add(key, "must be at least 1048576, the largest frame there can be");
        }
    }

    /// All of them, in the order in which they were found.
    pub(crate) fn into_errors(self) -> Vec<ConfigError> {
        self.0
    }
}
