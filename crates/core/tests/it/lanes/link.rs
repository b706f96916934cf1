//! One connection, as the network makes it: it delivers in order or not at all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anteroom_protocol::{Batch, CloseCode, LaneId};

use crate::lanes::words::CONTROL;

/// Further datagrams are lost.
const DATAGRAMS_MAX: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Whether each lane has a stream of its own, as on QUIC.
    pub(crate) streams: bool,
    /// What is on its way to the client, by stream.
    pub(crate) down: BTreeMap<LaneId, VecDeque<Arc<Batch>>>,
    /// Datagrams on their way to the client.
    pub(crate) datagrams: Vec<(LaneId, Arc<Batch>)>,
    pub(crate) up: VecDeque<Arc<Batch>>,
    /// Nothing more gets onto it; what is on its way may still arrive.
    pub(crate) cut: bool,
    /// The server has closed it: the client learns of it behind everything else on control.
    pub(crate) closed: Option<CloseCode>,
    /// The client has turned away from it.
    pub(crate) left: bool,
}

impl Link {
    fn stream(&self, lane: LaneId) -> LaneId {
        if self.streams { lane } else { CONTROL }
    }

    pub(crate) fn write(&mut self, lane: LaneId, batch: Arc<Batch>) {
        if !self.cut && self.closed.is_none() && !self.left {
            let stream = self.stream(lane);
            self.down.entry(stream).or_default().push_back(batch);
        }
    }

    pub(crate) fn throw(&mut self, lane: LaneId, message: Arc<Batch>) {
        if !self.cut && self.closed.is_none() && !self.left && self.datagrams.len() < DATAGRAMS_MAX {
            self.datagrams.push((lane, message));
        }
    }

    pub(crate) fn send(&mut self, batch: Arc<Batch>) {
        if !self.cut && !self.left {
            self.up.push_back(batch);
        }
    }

    /// Loses a tail of what is on its way, in each direction and stream a different one.
    pub(crate) fn cut(&mut self, dice: u32) {
        if self.cut {
            return;
        }
        self.cut = true;
        let keep = |len: usize, dice: u32| if len == 0 { 0 } else { dice as usize % (len + 1) };
        self.up.truncate(keep(self.up.len(), dice));
        for (place, queue) in self.down.values_mut().enumerate() {
            let kept = keep(queue.len(), dice.rotate_right(5 + 3 * place as u32));
            queue.truncate(kept);
        }
        self.datagrams.clear();
    }

    pub(crate) fn close(&mut self, code: CloseCode) {
        self.closed.get_or_insert(code);
        self.up.clear();
    }

    /// Whether everything that will ever arrive at the client has.
    pub(crate) fn is_drained(&self) -> bool {
        self.down.values().all(VecDeque::is_empty)
    }

    /// Whether it is of no more use to the client, as the client can see.
    pub(crate) fn is_dead(&self) -> bool {
        self.left || ((self.cut || self.closed.is_some()) && self.is_drained())
    }

    /// Some datagram, if none of them is lost.
    pub(crate) fn next_datagram(&mut self, dice: u32) -> Option<(LaneId, Arc<Batch>)> {
        let place = dice as usize % self.datagrams.len().max(1);
        let datagram = (place < self.datagrams.len()).then(|| self.datagrams.swap_remove(place))?;
        (!(dice >> 8).is_multiple_of(4)).then_some(datagram)
    }

    /// The next record of one of the streams.
    pub(crate) fn next_down(&mut self, dice: u32) -> Option<(LaneId, Arc<Batch>)> {
        let filled = self.down.iter().filter(|(_, queue)| !queue.is_empty());
        let streams: Vec<LaneId> = filled.map(|(lane, _)| *lane).collect();
        let stream = *streams.get(dice as usize % streams.len().max(1))?;
        Some((stream, self.down.get_mut(&stream)?.pop_front()?))
    }
}
