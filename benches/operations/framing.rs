//! Records on byte streams, as QUIC and WebTransport carry them. WebSocket's frames are written with the batch, and read
//! by a connection alone.

use std::hint::black_box;

use anteroom_protocol::Codec;
use anteroom_protocol::limits::SERVER_FRAME_BYTES_MAX;
use anteroom_protocol::record::{RecordReader, put_varint};

use crate::messages;
use crate::{Operation, Step};

/// Records of one write.
const RECORDS: u32 = 32;
/// How much one read brings; records lie across its ends.
const READ_BYTES: usize = 1200;

pub(crate) const ALL: &[Operation] =
    &[operation("write_records_32", write_records), operation("read_records_32", read_records)];

const fn operation(name: &'static str, prepare: fn() -> Step) -> Operation {
    Operation { group: "framing", name, repetitions: 256, messages: RECORDS, prepare }
}

fn write(payload: &[u8], out: &mut Vec<u8>) {
    for _ in 0..RECORDS {
        put_varint(payload.len() as u64, out);
        out.extend_from_slice(payload);
    }
}

fn write_records() -> Step {
    let (batch, mut out) = (messages::events(Codec::Json, 1), Vec::new());
    Box::new(move || {
        out.clear();
        write(black_box(batch.payload()), &mut out);
        black_box(&out);
    })
}

fn read_records() -> Step {
    let mut stream = Vec::new();
    write(messages::events(Codec::Json, 1).payload(), &mut stream);
    Box::new(move || {
        let mut reader = RecordReader::new(SERVER_FRAME_BYTES_MAX);
        for bytes in black_box(&stream).chunks(READ_BYTES) {
            reader.push(bytes);
            while let Some(record) = reader.next_record().expect("a record that is allowed") {
                black_box(record);
            }
        }
    })
}
