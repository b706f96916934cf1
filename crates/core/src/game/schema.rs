//! What a game's messages look like, as JSON Schema (<https://json-schema.org/draft/2020-12>), for programs in any language.

use std::collections::BTreeMap;

use anteroom_protocol::{Json, variant};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Game, Wire};

/// The shapes of all that travels between a game and its players. Each is a schema of its own, with its `$defs`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schemas {
    /// `create_room.options`.
    pub options: Json,
    /// The `data` of what players send, by `type`.
    pub actions: BTreeMap<&'static str, Json>,
    /// The `data` of what the game tells, by `type`.
    pub events: BTreeMap<&'static str, Json>,
    /// The `data` of `game_state`.
    pub view: Json,
}

impl Schemas {
    pub(super) fn of<G: Game>() -> Self {
        Self {
            options: written(&schema_of::<G::Options>(Way::In)),
            actions: by_type::<G::Action>(Way::In),
            events: by_type::<G::Event>(Way::Out),
            view: written(&schema_of::<G::View>(Way::Out)),
        }
    }
}

/// Who writes it: what may be left out by a player is always there if the game says it.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

fn schema_of<T: JsonSchema>(way: Way) -> Schema {
    let settings = SchemaSettings::draft2020_12();
    let settings = match way {
        Way::In => settings.for_deserialize(),
        Way::Out => settings.for_serialize(),
    };
    settings.into_generator().into_root_schema_for::<T>()
}

fn written(schema: &impl Serialize) -> Json {
    // Whatever nests too deeply to travel is not said more exactly than as anything.
    Json::new(schema).unwrap_or_else(|_| Json::empty_object())
}

/// The schema of each variant's fields, taken from that of the enum, which has an object with one property for each.
fn by_type<T: Wire>(way: Way) -> BTreeMap<&'static str, Json> {
    let schema = schema_of::<T>(way);
    let dialect = schema.get("$schema").cloned();
    let shared = schema.get("$defs").cloned();
    let variants = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![schema.into()]);
    let names = variant::names::<T>();
    names.iter().map(|name| (*name, written(&of_variant(name, &variants, dialect.as_ref(), shared.as_ref())))).collect()
}

fn of_variant(name: &str, variants: &[Value], dialect: Option<&Value>, shared: Option<&Value>) -> Schema {
    let found = variants.iter().find_map(|variant| Some((variant, variant.get("properties")?.get(name)?)));
    let Some((variant, Value::Object(fields))) = found else { return Schema::from(true) };
    let mut whole = Map::new();
    let described = variant.get("description");
    let title = json!(name);
    for (key, value) in [("$schema", dialect), ("title", Some(&title)), ("description", described)] {
        whole.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    whole.extend(fields.clone());
    whole.extend(shared.filter(|_| mentions_shared(fields)).map(|shared| ("$defs".to_owned(), shared.clone())));
    Schema::from(whole)
}

fn mentions_shared(fields: &Map<String, Value>) -> bool {
    fields.values().any(|value| match value {
        Value::Object(fields) => fields.contains_key("$ref") || mentions_shared(fields),
        Value::Array(values) => values
            .iter()
            .filter_map(Value::as_object)
            .any(|fields| fields.contains_key("$ref") || mentions_shared(fields)),
        _ => false,
    })
}
