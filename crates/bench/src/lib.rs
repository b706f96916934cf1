//! The load generator: rooms full of members who send, hear, check and measure, against any server that broadcasts.
//!
//! [`main`] is `anteroom bench`, which the server's program has under a feature; other programs drive servers with
//! other protocols through a [`Dialect`]:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use anteroom_bench::{Load, Plan, Target};
//! # fn compare(dialect: &dyn anteroom_bench::Dialect) -> Result<(), anteroom_bench::BenchError> {
//! let target = Target { addr: ([127, 0, 0, 1], 8080).into(), pid: Some(1234) };
//! let second = Duration::from_secs(1);
//! let plan =
//!     Plan { rooms: 100, members: 10, load: Load::Closed, warm_up: second, measured: 5 * second, threads: 1 };
//! let outcome = anteroom_bench::run(&target, dialect, &plan, &mut |_| {})?;
//! println!("{:.0} deliveries per CPU-second", outcome.per_cpu_second().unwrap_or_default());
//! # Ok(())
//! # }
//! ```
//!
//! Every message carries a [`Stamp`], so that each receiver can tell what is missing, comes again or comes too late,
//! and how long it took. At a fixed rate latencies count from when a message was *due*: a server, or a generator, that
//! stands still makes everything wait that was due meanwhile, and that is told (coordinated omission). A closed loop
//! has no schedule, so its latencies are those of the loop, and not what a player would see.
//!
//! It knows the protocol, and nothing of the server: what it measures is another process.

mod anteroom;
mod certificate;
mod churn;
mod command;
mod connect;
mod dialect;
mod error;
mod frame;
mod html;
mod idle;
mod job;
mod json;
mod lobby;
mod machine;
mod meter;
mod number;
mod options;
mod outcome;
mod own;
mod plan;
mod process;
mod progress;
mod report;
mod rooms;
mod run;
mod schedule;
mod session;
mod shared;
mod socket;
mod stamp;
mod streams;
mod table;
mod timer;
mod way;

pub use anteroom::Anteroom;
pub use command::main;
pub use dialect::{Dialect, Entry, Member, Opening, Place};
pub use error::BenchError;
pub use frame::{Frame, FrameKind, Template, push_frame};
pub use options::Arguments;
pub use outcome::{GeneratorUse, Latencies, OWN_SHARE_MAX, Outcome, Sample, ServerUse};
pub use plan::{Load, MEMBERS_MAX, Plan, Target};
pub use process::{CoreTime, Memory};
pub use run::{Live, run};
pub use stamp::{BODY, Stamp};
