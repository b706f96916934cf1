//! What became of every request, as seen from above.

use std::collections::BTreeMap;

use anteroom_protocol::LaneId;

#[derive(Debug)]
pub(crate) struct Fate {
    /// The membership that it was meant for.
    pub(crate) lane: LaneId,
    /// The room that it asks to be let into.
    joins: Option<usize>,
    /// It asks to be let out.
    leaves: bool,
    /// Its number, unless it is sent at most once.
    pub(crate) n: Option<u64>,
    pub(crate) done: u32,
    /// The owner of the lane said no.
    pub(crate) refused: bool,
    /// It did not get as far as the owner.
    pub(crate) turned_away: u32,
    pub(crate) saw_success: bool,
    pub(crate) saw_refusal: bool,
    /// The client let go of it because the lane's owner has it.
    pub(crate) acknowledged: bool,
    /// The client gave it up.
    pub(crate) unknown: bool,
}

impl Fate {
    /// Whether the client has not heard of an answer.
    fn waits(&self) -> bool {
        !self.saw_success && !self.saw_refusal
    }
}

/// By the requests' ids, which rise.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) fates: BTreeMap<u64, Fate>,
    /// The control lane lost messages, which may have been answers.
    pub(crate) control_gaps: u32,
    pub(crate) gaps: u32,
    /// How many words were in front of each snapshot of the control lane, by the snapshot's number.
    pub(crate) states: BTreeMap<u64, u64>,
    /// The last request that each lane did.
    last_done: BTreeMap<LaneId, u64>,
    last_id: u64,
}

impl Ledger {
    /// The id of the next request.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id + 1
    }

    pub(crate) fn asks(&mut self, lane: LaneId, n: Option<u64>, joins: Option<usize>, leaves: bool) -> u64 {
        self.last_id += 1;
        let fate = Fate {
            lane,
            joins,
            leaves,
            n,
            done: 0,
            refused: false,
            turned_away: 0,
            saw_success: false,
            saw_refusal: false,
            acknowledged: false,
            unknown: false,
        };
        self.fates.insert(self.last_id, fate);
        self.last_id
    }

    /// Whether the client waits to be let into a room: one of its requests from a first one on is not answered.
    pub(crate) fn joins(&self, room: usize, first_id: u64) -> bool {
        self.fates.range(first_id..).any(|(_, fate)| fate.joins == Some(room) && fate.waits())
    }

    /// Whether the client waits to be let out of a membership.
    pub(crate) fn leaves(&self, lane: LaneId, first_id: u64) -> bool {
        self.fates.range(first_id..).any(|(_, fate)| fate.leaves && fate.lane == lane && fate.waits())
    }

    /// A room's lane begins with a gap, which has swallowed the answer.
    pub(crate) fn enters(&mut self, room: usize) {
        self.fates.values_mut().filter(|fate| fate.joins == Some(room)).for_each(|fate| fate.unknown = true);
    }

    /// A lane has a gap; its owner has applied requests up to a number, whose answers may be lost.
    pub(crate) fn loses_answers(&mut self, lane: LaneId, applied: u64) {
        let lost = |fate: &&mut Fate| fate.lane == lane && fate.n.is_some_and(|n| n <= applied) && fate.waits();
        self.fates.values_mut().filter(lost).for_each(|fate| fate.unknown = true);
    }

    pub(crate) fn fate(&mut self, id: u64) -> &mut Fate {
        self.fates.get_mut(&id).expect("a request that was made")
    }

    /// The owner of a lane does it.
    pub(crate) fn does(&mut self, id: u64, lane: LaneId) {
        let fate = self.fate(id);
        assert_eq!(fate.lane, lane, "request {id} was done in a membership that it was not meant for");
        fate.done += 1;
        assert_eq!((fate.done, fate.refused), (1, false), "request {id} was done twice, or refused before: {fate:?}");
        assert!(!fate.saw_refusal, "request {id} was done after the client had heard that it was refused: {fate:?}");
        // What is sent at most once has no order, and rooms are asked side by side.
        if fate.n.is_some() && lane != LaneId::CONTROL {
            let before = self.last_done.insert(lane, id).unwrap_or(0);
            assert!(before < id, "request {id} was done behind {before}");
        }
    }

    /// The owner of a lane refuses it.
    pub(crate) fn refuses(&mut self, id: u64, lane: LaneId) {
        let fate = self.fate(id);
        assert_eq!(fate.lane, lane, "request {id} was refused in a membership that it was not meant for");
        assert!(fate.done == 0 && !fate.refused, "request {id} was judged twice: {fate:?}");
        fate.refused = true;
    }

    /// The client gives up what is unanswered on a lane.
    pub(crate) fn gives_up(&mut self, lane: LaneId) {
        let unanswered = |fate: &&mut Fate| fate.lane == lane && fate.waits();
        self.fates.values_mut().filter(unanswered).for_each(|fate| fate.unknown = true);
    }

    /// The client hears an answer.
    pub(crate) fn answers(&mut self, id: u64, success: bool) {
        let fate = self.fate(id);
        if success {
            assert_eq!(fate.done, 1, "request {id} succeeded without being done: {fate:?}");
            assert!(!fate.saw_success, "request {id} succeeded twice");
            fate.saw_success = true;
        } else {
            assert!(fate.refused || fate.turned_away > 0, "request {id} was refused by nobody: {fate:?}");
            assert_eq!(fate.done, 0, "request {id} was done, and the client hears that it was refused: {fate:?}");
            fate.saw_refusal = true;
        }
    }

    pub(crate) fn check_at_rest(&self) {
        for (id, fate) in self.fates.iter().filter(|(_, fate)| fate.n.is_some()) {
            // Whoever has asked a room waits for an answer, or to be told that there may be none.
            let is_taken = fate.acknowledged && fate.lane == LaneId::CONTROL;
            let settled = fate.saw_success || fate.saw_refusal || fate.unknown || is_taken;
            assert!(settled, "nobody knows what became of request {id}: {fate:?}");
            if fate.acknowledged && !fate.unknown && !fate.saw_refusal && self.control_gaps == 0 {
                assert_eq!(fate.done + u32::from(fate.refused), 1, "request {id} was acknowledged: {fate:?}");
            }
        }
    }
}
