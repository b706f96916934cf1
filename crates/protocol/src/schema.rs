//! The JSON Schema of the types that are in the messages of games; see <https://json-schema.org/draft/2020-12>.
//!
//! Written by hand where a derive would describe what is kept and not what travels.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::limits::USER_ID_BYTES_MAX;
use crate::{Json, UserId};

impl JsonSchema for UserId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UserId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The bound is in bytes; a schema can only count characters, of which there are at most as many.
        json_schema!({"type": "string", "minLength": 1, "maxLength": USER_ID_BYTES_MAX})
    }
}

/// Any value.
impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}
