//! Properties of the codecs that hold for any contents: what is written reads back the same, and what nobody wrote
//! is refused without a panic.

use anteroom_protocol::bincode::{Decode, Encode};
use anteroom_protocol::envelope::{Envelope, Ref, decode_batch};
use anteroom_protocol::record::{RecordReader, put_datagram, put_varint, read_datagram, read_varint};
use anteroom_protocol::{BatchBuilder, Codec, Data, ErrorBody, ErrorCode, Header, Json, LaneId};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::corpus;

/// A body with a bit of everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[bincode(crate = "anteroom_protocol::bincode")]
struct Body {
    text: String,
    signed: i64,
    flags: Vec<Option<bool>>,
    any: Json,
}

/// A header that owns its strings.
#[derive(Debug, Clone)]
struct Head {
    kind: String,
    reference: Option<Ref>,
    n: Option<u64>,
    room_id: Option<String>,
    latest: Option<String>,
    success: Option<bool>,
    error: Option<ErrorBody>,
}

impl Head {
    fn header(&self) -> Header<'_> {
        Header {
            kind: &self.kind,
            reference: self.reference.as_ref(),
            n: self.n,
            room_id: self.room_id.as_deref(),
            latest: self.latest.as_deref(),
            success: self.success,
            error: self.error.as_ref(),
        }
    }

    fn is_that_of(&self, envelope: &Envelope<'_>) -> bool {
        envelope.kind == self.kind
            && envelope.reference == self.reference
            && envelope.n == self.n
            && envelope.room_id.as_deref() == self.room_id.as_deref()
            && envelope.latest.as_deref() == self.latest.as_deref()
            && envelope.success == self.success
            && envelope.error == self.error
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

/// The text of a JSON value other than null, nested a little, with white space where it may be.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        Just("-1.50e+3".to_owned()),
        any::<String>().prop_map(|text| quoted(&text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("{} :\n{value}", quoted(key)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join("\t,"))
            }),
        ]
    })
}

fn json_value() -> impl Strategy<Value = Json> {
    json().prop_map(|text| Json::from_text(text).expect("JSON"))
}

fn body() -> impl Strategy<Value = Body> {
    (any::<String>(), any::<i64>(), any::<Vec<Option<bool>>>(), json_value())
        .prop_map(|(text, signed, flags, any)| Body { text, signed, flags, any })
}

/// The texts that a `ref` may have, odd ways to write a value among them.
fn reference_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?",
        "[^\\x00-\\x1f\"\\\\]{0,15}".prop_map(|text| format!("\"{text}\"")),
        Just(r#""\u00FC\ud83c\udfb2\n\/""#.to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
    ]
}

fn error() -> impl Strategy<Value = ErrorBody> {
    (prop::sample::select(ErrorCode::ALL), any::<String>(), any::<bool>(), prop::option::of(json_value()))
        .prop_map(|(code, message, retryable, details)| ErrorBody { code, message, retryable, details })
}

fn head() -> impl Strategy<Value = Head> {
    let reference = reference_text().prop_map(|text| Ref::from_json(&text).expect("a ref"));
    (
        any::<[char; 3]>().prop_map(|chars| chars.iter().collect()),
        prop::option::of(reference),
        any::<Option<u64>>(),
        any::<Option<String>>(),
        prop::option::of("\\PC{0,16}"),
        any::<Option<bool>>(),
        prop::option::of(error()),
    )
        .prop_map(|(kind, reference, n, room_id, latest, success, error)| Head {
            kind,
            reference,
            n,
            room_id,
            latest,
            success,
            error,
        })
}

/// A payload that was valid before some of its bytes were changed, taken out or put in.
fn damaged() -> impl Strategy<Value = (Codec, Vec<u8>)> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4);
    (prop::sample::select(corpus::payloads()), prop::collection::vec(edit, 1..6)).prop_map(
        |((codec, mut payload), edits)| {
            for (at, byte, kind) in edits {
                let at = at.index(payload.len() + 1);
                match kind {
                    0 => payload.insert(at, byte),
                    1 => payload.truncate(at),
                    _ if at == payload.len() => payload.push(byte),
                    2 => payload[at] = byte,
                    _ => drop(payload.remove(at)),
                }
            }
            (codec, payload)
        },
    )
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(&Codec::ALL[..])
}

/// Reads an input as a batch, and each message's data as every body there is. Gives how many messages were read.
fn read_everything(codec: Codec, payload: &[u8]) -> usize {
    let Ok(messages) = decode_batch(codec, payload) else { return 0 };
    let mut count = 0;
    for message in messages {
        let Ok(envelope) = message else { break };
        read_data(envelope.data);
        count += 1;
    }
    count
}

/// Reads data as every body there is.
fn read_data(data: Data<'_>) {
    for body in corpus::BODIES {
        body(data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_reads_back_as_it_was_written(
        codec in codec(),
        messages in prop::collection::vec((head(), body()), 1..5),
    ) {
        let mut builder = BatchBuilder::new(codec);
        for (head, body) in &messages {
            builder.push(&head.header(), body).expect("a message that can be encoded");
        }
        let batch = builder.finish();
        prop_assert_eq!(batch.messages(), messages.len());
        let mut read = decode_batch(codec, batch.payload()).expect("a batch");
        for (head, body) in &messages {
            let envelope = read.next().expect("a message").expect("an envelope");
            prop_assert!(head.is_that_of(&envelope), "{:?} is not {:?}", envelope, head);
            prop_assert_eq!(&envelope.data.decode::<Body>().expect("a body"), body);
        }
        prop_assert!(read.next().is_none());
    }

    #[test]
    fn the_order_of_keys_and_unknown_fields_do_not_matter(
        (reference, room_id, body) in (reference_text(), any::<String>(), body()),
        unknown in prop::collection::btree_map("x_[^\\x00-\\x1f\"\\\\]{0,8}", json(), 0..4),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        space in "[ \t\r\n]{0,3}",
    ) {
        let any = body.any.text();
        let data = [
            format!(r#""any":{any}"#),
            format!(r#""flags":{}"#, serde_json::to_string(&body.flags).expect("JSON")),
            format!(r#""signed":{}"#, body.signed),
            format!(r#""text":{}"#, quoted(&body.text)),
        ];
        let mut fields = vec![
            r#""\u0074ype":"say""#.to_owned(),
            format!(r#""ref":{reference}"#),
            format!(r#""room_id" : {}"#, quoted(&room_id)),
            format!(r#""data":{{{}{}}}"#, data.join(","), unknown.iter().map(|(key, value)| format!(r#","{key}":{value}"#)).collect::<String>()),
        ];
        fields.extend(unknown.iter().map(|(key, value)| format!(r#""{key}":{value}"#)));
        let fields: Vec<_> = order.iter().filter_map(|at| fields.get(*at)).cloned().collect();
        let text = format!("{space}{{{space}{}{space}}}{space}", fields.join(&format!("{space},{space}")));

        let envelope = decode_batch(Codec::Json, text.as_bytes()).expect("a batch").next().expect("a message").expect("an envelope");
        prop_assert_eq!(&*envelope.kind, "say");
        prop_assert_eq!(envelope.reference.as_ref().map(Ref::as_str), Some(&*reference));
        prop_assert_eq!(envelope.room_id.as_deref(), Some(&*room_id));
        prop_assert_eq!(envelope.data.decode::<Body>().expect("a body"), body);
    }

    #[test]
    fn arbitrary_bytes_never_panic(codec in codec(), payload in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(codec, &payload);
        read_data(Data::Binary(&payload));
        drop(read_datagram(payload.into()));
    }

    #[test]
    fn arbitrary_text_never_panics(text in r#"[\[\]{}",:\\a-fnrtu0-9 .+-]{0,120}"#) {
        read_everything(Codec::Json, text.as_bytes());
        read_data(Data::Json(&text));
        drop(Ref::from_json(&text));
    }

    #[test]
    fn damaged_messages_never_panic((codec, payload) in damaged()) {
        read_everything(codec, &payload);
    }

    #[test]
    fn varints_and_datagrams_read_back(value in 0..1_u64 << 62, lane in any::<u32>(), payload in any::<Vec<u8>>()) {
        let mut bytes = Vec::new();
        put_varint(value, &mut bytes);
        prop_assert_eq!(read_varint(&bytes), Some((value, bytes.len())));
        let mut bytes = Vec::new();
        put_datagram(LaneId(lane), &payload, &mut bytes);
        prop_assert_eq!(read_datagram(bytes.into()), Some((LaneId(lane), payload.into())));
    }

    #[test]
    fn records_survive_any_chunking(
        records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        chunks in prop::collection::vec(1..100_usize, 1..20),
    ) {
        let mut stream = Vec::new();
        for record in &records {
            put_varint(record.len() as u64, &mut stream);
            stream.extend_from_slice(record);
        }
        let (mut reader, mut read, mut rest) = (RecordReader::new(200), Vec::new(), &stream[..]);
        for chunk in chunks.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            reader.push(now);
            while let Some(record) = reader.next_record().expect("a record that fits") {
                read.push(record.to_vec());
            }
            rest = later;
        }
        prop_assert_eq!(read, records);
        prop_assert!(reader.is_empty());
    }
}

#[test]
fn the_corpus_is_read() {
    for (codec, payload) in corpus::payloads() {
        assert_eq!(read_everything(codec, &payload), 1);
    }
}
