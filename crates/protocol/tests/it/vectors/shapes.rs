//! Reads binary messages by the words that the table has for their shapes, as a client in another language does that was
//! written from `PROTOCOL.md`.

use anteroom_protocol::ErrorCode;
use anteroom_protocol::message::table::NAMED_SHAPES;
use serde_json::{Map, Value};

/// Stands for bytes.
const BYTES: &str = "(bytes)";

/// Bytes that are read from the front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn unsigned(&mut self, bytes_max: usize) -> u64 {
        let size = match self.take(1)[0] {
            small @ 0..=250 => return small.into(),
            mark => 1 << (mark - 250),
        };
        assert!(size <= bytes_max, "a form of {size} bytes for a type of {bytes_max}");
        self.take(size).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("UTF-8")
    }

    fn bytes(&mut self) -> &'a [u8] {
        let count = self.unsigned(8);
        self.take(count as usize)
    }

    /// Reads a value. Of bytes, whose shape is somebody else's, [`BYTES`] is all that is told.
    pub(crate) fn value(&mut self, shape: &str) -> Value {
        if let Some((_, shape)) = NAMED_SHAPES.iter().find(|(name, _)| *name == shape) {
            return self.value(shape);
        }
        if let Some(variants) = shape.strip_prefix("enum: ") {
            let variant = self.unsigned(4) as usize;
            return variants.split(", ").nth(variant).expect("a variant").into();
        }
        if shape.is_empty() || shape.contains(": ") {
            return Value::Object(self.fields(shape));
        }
        if let Some(inner) = shape.strip_prefix("option (").and_then(|inner| inner.strip_suffix(')')) {
            return if self.take(1)[0] == 1 { self.value(inner) } else { Value::Null };
        }
        let shape = shape.split(" (").next().unwrap_or_default();
        if let Some(inner) = shape.strip_prefix("option ") {
            return if self.take(1)[0] == 1 { self.value(inner) } else { Value::Null };
        }
        if let Some(inner) = shape.strip_prefix("list of ") {
            let count = self.unsigned(8);
            return (0..count).map(|_| self.value(inner)).collect();
        }
        match shape {
            "u16" => self.unsigned(2).into(),
            "u32" => self.unsigned(4).into(),
            "u64" => self.unsigned(8).into(),
            "bool" => (self.take(1)[0] == 1).into(),
            "string" => self.string().into(),
            "json" => serde_json::from_str(&self.string()).expect("JSON"),
            "bytes" => {
                self.bytes();
                BYTES.into()
            }
            "map of string to json" => {
                let count = self.unsigned(8);
                (0..count).map(|_| (self.string(), self.value("json"))).collect()
            }
            "map of string to Access" => {
                let count = self.unsigned(8);
                (0..count).map(|_| (self.string(), self.value("Access"))).collect()
            }
            "map of u32" => {
                let count = self.unsigned(8);
                (0..count).map(|_| (self.unsigned(4).to_string(), Value::from(self.unsigned(8)))).collect()
            }
            other => panic!("what is {other:?}?"),
        }
    }

    fn fields(&mut self, shape: &str) -> Map<String, Value> {
        let fields = shape.split(", ").filter_map(|field| field.split_once(": "));
        let mut values: Map<String, Value> = fields.map(|(name, shape)| (name.to_owned(), self.value(shape))).collect();
        // In JSON a code is its name, and a `ref` is JSON itself.
        if values.contains_key("retryable") {
            let is_it = |named: &&ErrorCode| values["code"] == named.number();
            let name = ErrorCode::ALL.iter().find(is_it).expect("a code").name();
            values.insert("code".into(), name.into());
        }
        if let Some(Value::String(text)) = values.get("ref") {
            let reference = serde_json::from_str(text).expect("JSON");
            values.insert("ref".into(), reference);
        }
        values
    }
}

/// Whether a value that was read is the one that the JSON has, in which what says nothing may be left out.
pub(crate) fn is_same(read: &Value, json: &Value) -> bool {
    match (read, json) {
        (Value::String(bytes), _) if bytes == BYTES => true,
        (Value::Object(read), Value::Object(json)) => {
            json.keys().all(|key| read.contains_key(key))
                && read.iter().all(|(key, value)| is_same(value, json.get(key).unwrap_or(&Value::Null)))
        }
        (Value::Array(read), Value::Array(json)) => {
            read.len() == json.len() && read.iter().zip(json).all(|(read, json)| is_same(read, json))
        }
        (Value::Bool(false), Value::Null) => true,
        (Value::Array(read), Value::Null) => read.is_empty(),
        (Value::Object(read), Value::Null) => read.is_empty(),
        // In JSON the id of what was said is a string.
        (Value::Number(id), Value::String(text)) => id.to_string() == *text,
        (read, json) => read == json,
    }
}
