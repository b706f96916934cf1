//! A path for each room, and nothing in a frame but what a member says.

use anteroom_bench::{BODY, BenchError, Dialect, Entry, Frame, FrameKind, Member, Opening, Place, Stamp, Template};

use super::template;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

impl Dialect for Plain {
    fn open(&self, place: &Place<'_>) -> Result<Opening, BenchError> {
        let member = Speaker(template(FrameKind::Text, BODY.as_bytes())?);
        Ok(Opening { path: format!("/rooms/{}", place.room), headers: Vec::new(), member: Box::new(member) })
    }
}

struct Speaker(Template);

impl Member for Speaker {
    fn greet(&mut self, _: &mut Vec<u8>) -> Result<Entry, BenchError> {
        // The path said where.
        Ok(Entry::In { key: None })
    }

    fn enter(&mut self, _: Frame<'_>, _: &mut Vec<u8>) -> Result<Entry, BenchError> {
        Ok(Entry::In { key: None })
    }

    fn say(&mut self, stamp: Stamp, out: &mut Vec<u8>) {
        self.0.push(stamp, out);
    }
}
