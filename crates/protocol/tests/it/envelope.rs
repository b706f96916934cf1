//! The rules of the envelope, one by one: what is the same, what is refused, and in which words.

use anteroom_protocol::envelope::{Empty, Ref, decode_batch};
use anteroom_protocol::limits::{
    BATCH_MESSAGES_MAX, JSON_DATA_DEPTH_MAX, JSON_DEPTH_MAX, KEY_BYTES_MAX, REF_BYTES_MAX, TYPE_BYTES_MAX,
};
use anteroom_protocol::message::request::{CreateRoom, JoinRoom, ListRooms, Ping};
use anteroom_protocol::{Batch, BatchBuilder, Codec, Data, Header};

/// Why a payload is refused, as a whole or at one of its messages; `None` if it is not.
fn refusal(codec: Codec, payload: &[u8]) -> Option<String> {
    match decode_batch(codec, payload) {
        Err(error) => Some(error.to_string()),
        Ok(messages) => messages.filter_map(Result::err).map(|error| error.to_string()).next(),
    }
}

fn refuses(payload: &str, words: &str) {
    let refusal = refusal(Codec::Json, payload.as_bytes());
    assert!(refusal.as_ref().is_some_and(|refusal| refusal.contains(words)), "{payload} gives {refusal:?}");
}

fn accepts(payload: &str) {
    assert_eq!(refusal(Codec::Json, payload.as_bytes()), None, "{payload}");
}

fn data_of(payload: &str) -> Data<'_> {
    let mut messages = decode_batch(Codec::Json, payload.as_bytes()).expect("a batch");
    messages.next().expect("a message").expect("an envelope").data
}

#[test]
fn data_that_is_absent_null_or_empty_is_the_same() {
    for payload in [r#"{"type":"x"}"#, r#"{"type":"x","data":null}"#, r#"{"type":"x","data":{}}"#] {
        assert_eq!(data_of(payload), Data::Json("{}"));
        assert!(data_of(payload).decode::<ListRooms>().is_ok());
        assert!(data_of(payload).decode::<Empty>().is_ok());
    }
}

#[test]
fn fields_that_are_null_are_absent() {
    let nothing = r#"{"type":"x","ref":null,"n":null,"room_id":null,"latest":null,"success":null,"error":null}"#;
    let envelope = decode_batch(Codec::Json, nothing.as_bytes()).expect("a batch").next().expect("one").expect("one");
    assert_eq!((envelope.reference, envelope.n, envelope.room_id), (None, None, None));
    assert_eq!((envelope.latest, envelope.success, envelope.error), (None, None, None));
}

#[test]
fn a_ref_is_echoed_byte_for_byte_in_both_codecs() {
    for text in ["7", "-0.50E+1", "1e400", r#""""#, r#""\u00fc\/ü""#, "true", "18446744073709551616"] {
        let request = format!(r#"{{"type":"x","ref": {text} }}"#);
        let envelope =
            decode_batch(Codec::Json, request.as_bytes()).expect("a batch").next().expect("one").expect("one");
        let header = Header { reference: envelope.reference.as_ref(), ..Header::new("x_result") };
        let answer = Batch::one(Codec::Json, &header, &Empty {}).expect("a batch");
        assert_eq!(answer.payload(), format!(r#"{{"type":"x_result","ref":{text},"data":{{}}}}"#).as_bytes());
        let answer = Batch::one(Codec::Bincode, &header, &Empty {}).expect("a batch");
        let echoed =
            decode_batch(Codec::Bincode, answer.payload()).expect("a batch").next().expect("one").expect("one");
        assert_eq!(echoed.reference.as_ref().map(Ref::as_str), Some(text));
    }
}

#[test]
fn a_ref_is_short_and_simple() {
    for text in ["{}", "[]", "[1]", r#"{"a":1}"#] {
        refuses(&format!(r#"{{"type":"x","ref":{text}}}"#), "`ref` must be a string, number or boolean");
        assert!(Ref::from_json(text).is_err());
    }
    let longest = format!("\"{}\"", "x".repeat(REF_BYTES_MAX - 2));
    accepts(&format!(r#"{{"type":"x","ref":{longest}}}"#));
    refuses(&format!(r#"{{"type":"x","ref":{longest}1}}"#), "not a message");
    refuses(&format!(r#"{{"type":"x","ref":"x{}}}"#, &longest[1..]), "at most 64 bytes");
    for text in ["", "null", " 7", "7 ", "7 8", "\"", "ref", "01"] {
        assert!(Ref::from_json(text).is_err(), "{text:?}");
        let mut binary = b"\x01x\x01".to_vec();
        binary.push(u8::try_from(text.len()).expect("short"));
        binary.extend_from_slice(text.as_bytes());
        binary.extend_from_slice(&[0; 6]);
        assert!(refusal(Codec::Bincode, &binary).expect("a refusal").contains("`ref`"), "{text:?}");
    }
}

#[test]
fn what_is_no_envelope_is_refused_in_words() {
    for (payload, words) in [
        ("", "not a message"),
        ("  ", "not a message"),
        ("nonsense", "not a message"),
        ("7", "an object expected"),
        ("\"ping\"", "an object expected"),
        ("null", "an object expected"),
        ("{}", "missing field `type`"),
        (r#"{"type":7}"#, "not a message"),
        (r#"{"type":null}"#, "not a message"),
        (r#"{"type":""}"#, "1 to 64 bytes"),
        (r#"{"type":"x"} {"type":"y"}"#, "trailing characters"),
        (r#"{"type":"x"},"#, "trailing characters"),
        (r#"[{"type":"x"}"#, "not a message"),
        (r#"[{"type":"x"},]"#, "not a message"),
        (r#"[["x"]]"#, "an object expected"),
        (r#"[[{"type":"x"}]]"#, "an object expected"),
        (r#"{"type":"x","type":"y"}"#, "duplicate field `type`"),
        (r#"{"type":"x","data":{},"data":{}}"#, "duplicate field `data`"),
        ("\u{feff}{\"type\":\"x\"}", "not a message"),
        (r#"{"type":"x","n":-1}"#, "not a message"),
        (r#"{"type":"x","n":1.5}"#, "not a message"),
        (r#"{"type":"x","n":18446744073709551616}"#, "not a message"),
        (r#"{"type":"x","success":"yes"}"#, "not a message"),
        (r#"{"type":"x","room_id":7}"#, "not a message"),
        (r#"{"type":"x","error":"no"}"#, "not a message"),
        ("{\"type\":\"x\",\"data\":\"\u{1}\"}", "not a message"),
    ] {
        refuses(payload, words);
    }
    assert_eq!(refusal(Codec::Json, b"{\"type\":\"\xff\"}").as_deref(), Some("the text is not UTF-8"));
    assert_eq!(refusal(Codec::Json, "\u{feff}{\"type\":\"x\"}".as_bytes()).map(|_| ()), Some(()));
    accepts("[]");
    accepts(" \n{\"type\":\"x\"}\t");
}

#[test]
fn types_and_keys_have_bounds() {
    accepts(&format!(r#"{{"type":"{}"}}"#, "x".repeat(TYPE_BYTES_MAX)));
    refuses(&format!(r#"{{"type":"{}"}}"#, "x".repeat(TYPE_BYTES_MAX + 1)), "`type` must be 1 to 64 bytes");
    accepts(&format!(r#"{{"type":"x","latest":"{}"}}"#, "x".repeat(KEY_BYTES_MAX)));
    refuses(&format!(r#"{{"type":"x","latest":"{}"}}"#, "x".repeat(KEY_BYTES_MAX + 1)), "at most 64 bytes");
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn data_that_nests_too_deeply_does_not_fit_and_its_message_can_be_read() {
    for (depth, fits) in [(JSON_DATA_DEPTH_MAX, true), (JSON_DATA_DEPTH_MAX + 1, false), (1_000_000, false)] {
        // Where nobody knows it: the type itself has nothing against it.
        let data = format!(r#"{{"game":"[[{{","more":{}}}"#, nested(depth - 1));
        for message in [
            format!(r#"{{"type":"x","data":{data},"ref":7,"more":[[1]]}}"#),
            format!(r#" {{"more":{},"data": {data} ,"ref":7,"type":"x"}}"#, nested(JSON_DEPTH_MAX - 1)),
        ] {
            let batch = format!(r#"[{{"type":"a"}},{message},{{"type":"b"}}]"#);
            for (payload, place) in [(&message, 0), (&batch, 1)] {
                let messages: Result<Vec<_>, _> =
                    decode_batch(Codec::Json, payload.as_bytes()).expect("a batch").collect();
                let messages = messages.expect("messages, each of them");
                assert_eq!(messages[place].reference.as_ref().map(Ref::as_str), Some("7"), "{depth}");
                assert_eq!(messages[place].data, Data::Json(&data));
                let error = messages[place].data.decode::<ListRooms>().err().map(|error| error.to_string());
                assert_eq!(error.as_deref(), if fits { None } else { Some("the JSON nests too deeply") }, "{depth}");
                assert!(messages.iter().enumerate().all(|(at, other)| at == place || other.data == Data::Json("{}")));
            }
        }
    }
    // Whatever the type would make of it.
    let deep = nested(JSON_DATA_DEPTH_MAX + 1);
    assert!(Data::Json(&deep).decode::<anteroom_protocol::Json>().is_err());
    assert!(Data::Json(&deep).decode_json::<serde_json::Value>().is_err());
    assert!(Data::Json(&format!(r#"{{"text":"{}"}}"#, "[".repeat(1000))).decode::<ListRooms>().is_ok());
}

#[test]
fn what_nests_too_deeply_around_the_data_is_refused_without_being_followed() {
    let (deep, deeper) = (nested(JSON_DEPTH_MAX - 1), nested(JSON_DEPTH_MAX));
    accepts(&format!(r#"{{"type":"x","more":{deep},"data":{deeper}}}"#));
    accepts(&format!(r#"[{{"type":"x","data":{deeper},"more":{deep}}}]"#));
    refuses(&format!(r#"{{"type":"x","more":{deeper},"data":{deeper}}}"#), "nests too deeply");
    refuses(&format!(r#"{{"type":"x","data":{deeper},"more":{deeper}}}"#), "nests too deeply");
    refuses(&format!(r#"[{{"type":"x","data":{deeper}}},{{"more":{deeper},"type":"x"}}]"#), "nests too deeply");
    refuses(&format!(r#"{{"type":"x","error":{deeper}}}"#), "not a message");
    refuses(&format!(r#"{{"type":"x","ref":{deeper}}}"#), "nests too deeply");
    let details = format!(r#"{{"code":"busy","message":"Wait.","retryable":true,"details":{}}}"#, nested(33));
    refuses(&format!(r#"{{"type":"x","error":{details}}}"#), "nests too deeply");
    for endless in ["[", r#"{"a":"#, r#"[{"type":"x"},["#, r#"{"type":"x","data":["#, r#"{"type":"x","error":["#] {
        refuses(&endless.repeat(1_000_000 / endless.len()), "not a message");
    }
    refuses(&nested(1_000_000), "an object expected");
    refuses(&format!(r#"{{"type":"x","more":{}}}"#, nested(1_000_000)), "nests too deeply");
}

#[test]
fn a_batch_has_at_most_256_messages() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(codec);
        while builder.len() < 20_000 && !builder.is_full() {
            builder.push(&Header::new("x"), &Empty {}).expect("a message");
        }
        let full = builder.finish();
        assert_eq!(full.messages(), BATCH_MESSAGES_MAX);
        assert_eq!(refusal(codec, full.payload()), None);

        let mut builder = BatchBuilder::new(codec);
        for _ in 0..=BATCH_MESSAGES_MAX {
            builder.push(&Header::new("x"), &Empty {}).expect("a message");
        }
        let refusal = refusal(codec, builder.finish().payload());
        assert!(refusal.is_some_and(|words| words.contains("more than 256 messages")), "{codec}");
    }
}

#[test]
fn a_batch_is_full_by_its_bytes_too() {
    let mut builder = BatchBuilder::new(Codec::Json);
    let ping = Ping { ts: anteroom_protocol::Json::new(&"x".repeat(40_000)).expect("JSON") };
    builder.push(&Header::new("ping"), &ping).expect("a message");
    assert!(!builder.is_full());
    builder.push(&Header::new("ping"), &ping).expect("a message");
    assert!(builder.is_full());
}

#[test]
fn messages_before_a_malformed_one_are_read_and_none_after_it() {
    let batch = br#"[{"type":"a"},{"kind":"b"},{"type":"c"}]"#;
    let mut messages = decode_batch(Codec::Json, batch).expect("a batch");
    assert_eq!(messages.next().expect("one").expect("a message").kind, "a");
    assert!(messages.next().expect("one").is_err());
    assert!(messages.next().is_none());
}

#[test]
fn binary_payloads_hold_whole_messages_and_nothing_else() {
    assert_eq!(refusal(Codec::Bincode, b"").as_deref(), Some("an empty payload"));
    let one = Batch::one(Codec::Bincode, &Header::new("list_rooms"), &ListRooms::default()).expect("a batch");
    assert_eq!(refusal(Codec::Bincode, one.payload()), None);
    for cut in 1..one.payload().len() {
        let words = refusal(Codec::Bincode, &one.payload()[..cut]).expect("a refusal");
        assert_eq!(words, "not a binary message: the data ends too early");
        let trailing = [one.payload(), &one.payload()[..cut]].concat();
        assert_eq!(refusal(Codec::Bincode, &trailing), Some(words));
    }
    let data = |bytes| Data::Binary(bytes).decode::<ListRooms>().map_err(|error| error.to_string());
    assert_eq!(data(&[0; 5]), Ok(ListRooms::default()));
    assert_eq!(data(&[0; 6]), Err("1 bytes are left over".to_owned()));
    assert_eq!(data(&[]), Err("the data ends too early".to_owned()));
    assert_eq!(data(&[2]), Err("a variant or option tag is not one that exists".to_owned()));
    assert_eq!(data(&[1, 1, 0xff]), Err("a string is not UTF-8".to_owned()));
}

#[test]
fn data_of_another_shape_is_refused_in_words() {
    let error = |data: &'static str| Data::Json(data).decode::<CreateRoom>().unwrap_err().to_string();
    assert_eq!(error(r#"["tic_tac_toe"]"#), "an object expected, not an array");
    assert_eq!(error("{}"), "missing field `game`");
    assert_eq!(error(r#"{"game":"a","game":"b"}"#), "duplicate field `game`");
    assert_eq!(error(r#"{"game":7}"#), "a string expected, not 7");
    assert_eq!(error("7"), "an object expected, not 7");
    let error = |data: &'static str| Data::Json(data).decode::<JoinRoom>().unwrap_err().to_string();
    assert_eq!(error(r#"{"as":"king"}"#), "`player` or `spectator` expected, not `king`");
    assert_eq!(error(r#"{"quick":"yes"}"#), "true or false expected, not \"yes\"");
    let long = format!(r#"{{"game":"x","name":[],"x":"{0}","game":{{"{0}":1}}}}"#, "ü".repeat(500));
    assert!(Data::Json(&long).decode::<CreateRoom>().unwrap_err().to_string().len() <= 200);
    assert_eq!(Data::Json("[1,2]").decode::<Vec<u8>>(), Ok(vec![1, 2]));
}

#[test]
fn fields_that_nobody_knows_may_be_there_twice() {
    accepts(r#"{"type":"x","y":1,"y":2}"#);
    assert_eq!(Data::Json(r#"{"y":1,"y":2}"#).decode::<ListRooms>(), Ok(ListRooms::default()));
}

#[test]
fn the_codec_shows_in_the_first_byte() {
    for codec in Codec::ALL {
        for kind in ["x".to_owned(), "x".repeat(TYPE_BYTES_MAX)] {
            let batch = Batch::one(codec, &Header::new(&kind), &Empty {}).expect("a batch");
            assert_eq!(Codec::of_payload(batch.payload()), codec);
        }
    }
    assert_eq!(Codec::of_payload(b"[]"), Codec::Json);
}
