//! What the kernel says of TCP's recovery in a namespace: how lost segments were found, and how often nobody noticed.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Counters since the namespace was made, or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// Segments sent again, for whatever reason.
    pub(crate) resent: u64,
    /// Times that the retransmission timer ran out: at least 200 ms of silence, twice as long each time.
    pub(crate) timeouts: u64,
    /// Segments that were sent again and lost again.
    pub(crate) lost_again: u64,
}

impl Recovery {
    /// Of the namespace that this thread is in.
    pub(crate) fn now() -> Result<Self> {
        let read = |file| fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        Self::parse(&read("snmp")?, &read("netstat")?).context("the kernel tells TCP's counters in another way")
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            resent: self.resent - earlier.resent,
            timeouts: self.timeouts - earlier.timeouts,
            lost_again: self.lost_again - earlier.lost_again,
        }
    }

    fn parse(snmp: &str, netstat: &str) -> Option<Self> {
        Some(Self {
            resent: counter(snmp, "Tcp:", "RetransSegs")?,
            timeouts: counter(netstat, "TcpExt:", "TCPTimeouts")?,
            lost_again: counter(netstat, "TcpExt:", "TCPLostRetransmit")?,
        })
    }
}

/// A counter from a table that has a line of names and a line of values for each group.
fn counter(table: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.split_whitespace().next() == Some(group));
    let place = lines.next()?.split_whitespace().position(|other| other == name)?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let snmp = "Ip: Forwarding\nIp: 1\nTcp: RtoMin RetransSegs\nTcp: 200 7\n";
        let netstat = "TcpExt: TCPTimeouts TCPLostRetransmit\nTcpExt: 3 2\nIpExt: A\nIpExt: 9\n";
        let recovery = Recovery { resent: 7, timeouts: 3, lost_again: 2 };
        assert_eq!(Recovery::parse(snmp, netstat), Some(recovery));
        assert_eq!(recovery.since(recovery), Recovery::default());
        for (snmp, netstat) in [("", netstat), (snmp, ""), ("Tcp: RetransSegs\nTcp: x\n", netstat)] {
            assert_eq!(Recovery::parse(snmp, netstat), None);
        }
    }
}
