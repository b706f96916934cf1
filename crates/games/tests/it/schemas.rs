//! The published schemas of the games describe what really travels.

use std::collections::BTreeMap;

use anteroom_core::game::Schemas;
use anteroom_games::registry;
use serde_json::Value;

/// Whether a value is as a schema says, for the words that the schemas of games use; an unknown one fails the test.
fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let Value::Object(words) = schema else { return schema.as_bool().expect("true, false or an object") };
    words.iter().all(|(word, said)| {
        let all = |said: &Value| said.as_array().unwrap().clone();
        match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            "$ref" => fits(value, root.pointer(said.as_str().unwrap().strip_prefix('#').unwrap()).unwrap(), root),
            "oneOf" => all(said).iter().filter(|schema| fits(value, schema, root)).count() == 1,
            "anyOf" => all(said).iter().any(|schema| fits(value, schema, root)),
            "enum" => all(said).contains(value),
            "const" => said == value,
            "type" if said.is_array() => all(said).iter().any(|said| is_of_type(value, said)),
            "type" => is_of_type(value, said),
            "required" => value
                .as_object()
                .is_none_or(|fields| all(said).iter().all(|name| fields.contains_key(name.as_str().unwrap()))),
            "properties" => value.as_object().is_none_or(|fields| {
                let named =
                    |(name, value): (&String, &Value)| said.get(name).is_none_or(|schema| fits(value, schema, root));
                fields.iter().all(named)
            }),
            "additionalProperties" => value.as_object().is_none_or(|fields| {
                let known = |name: &String| words.get("properties").is_some_and(|named| named.get(name).is_some());
                fields.iter().filter(|(name, _)| !known(name)).all(|(_, value)| fits(value, said, root))
            }),
            "items" => value.as_array().is_none_or(|items| {
                let first = words.get("prefixItems").map_or(0, |first| first.as_array().unwrap().len());
                items.iter().skip(first).all(|item| fits(item, said, root))
            }),
            "prefixItems" => value
                .as_array()
                .is_none_or(|items| items.iter().zip(all(said)).all(|(item, schema)| fits(item, &schema, root))),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= said.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= said.as_u64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= said.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= said.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
            word => panic!("what does {word:?} mean?"),
        }
    })
}

fn is_of_type(value: &Value, said: &Value) -> bool {
    match said.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other:?}"),
    }
}

fn published(game: &str) -> Schemas {
    registry().unwrap().kind(game).unwrap().schemas()
}

fn read(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap()
}

#[test]
fn every_golden_vector_is_as_its_schema_says() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../vectors/games.json")).unwrap();
    let mut seen = BTreeMap::<String, usize>::new();
    for row in &rows {
        let name = row["name"].as_str().unwrap();
        let game = name.split(' ').next().unwrap();
        let (message, schemas) = (&row["json"], published(game));
        let kind = message["type"].as_str().unwrap();
        let schema = match kind {
            "game_state" => schemas.view,
            kind => schemas.actions.get(kind).or_else(|| schemas.events.get(kind)).unwrap().clone(),
        };
        let schema = read(&schema);
        let data = message.get("data").cloned().unwrap_or_else(|| Value::Object(Default::default()));
        assert!(fits(&data, &schema, &schema), "{name}: {data} is not {schema:#}");
        *seen.entry(format!("{game} {kind}")).or_default() += 1;
    }
    for game in registry().unwrap().names() {
        let Schemas { actions, events, .. } = published(game);
        for kind in actions.keys().chain(events.keys()).copied().chain(["game_state"]) {
            assert!(seen.contains_key(&format!("{game} {kind}")), "no vector has {kind} of {game}");
        }
    }
}

#[test]
fn what_is_not_so_does_not_fit() {
    for (game, kind, data, is_so) in [
        ("tic_tac_toe", "make_move", r#"{"row":1,"col":2}"#, true),
        ("tic_tac_toe", "make_move", r#"{"row":1}"#, false),
        ("tic_tac_toe", "make_move", r#"{"row":1.5,"col":2}"#, false),
        ("dice", "set_aside", r#"{"end_turn":"yes"}"#, false),
        ("dice", "select", r#"{"dice_index":"0"}"#, false),
        ("owe_drahn", "sidebet_propose", r#"{"user_id":"ada","amount":100}"#, true),
        ("owe_drahn", "sidebet_propose", r#"{"user_id":"ada","amount":101}"#, false),
        ("owe_drahn", "sidebet_propose", r#"{"user_id":"","amount":1}"#, false),
        ("owe_drahn", "sidebet_accept", "{}", true),
        ("relay", "send", r#"{"payload":null}"#, true),
        ("relay", "send", "{}", false),
        ("relay", "send", r#"{"payload":1,"to":"host"}"#, true),
        ("relay", "send", r#"{"payload":1,"to":["ada"]}"#, true),
        ("relay", "send", r#"{"payload":1,"to":[]}"#, false),
        ("relay", "send", r#"{"payload":1,"to":"ada"}"#, false),
        ("relay", "set", r#"{"key":"x","value":{"any":[1]},"version":-1}"#, false),
    ] {
        let schema = read(&published(game).actions[kind]);
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(fits(&data, &schema, &schema), is_so, "{game} {kind} {data}");
    }
}

#[test]
fn options_have_their_bounds_and_defaults() {
    let options = read(&published("dice").options);
    let target = &options["properties"]["target"];
    assert_eq!(
        (&target["minimum"], &target["maximum"], &target["default"]),
        (&50.into(), &100_000.into(), &3000.into())
    );
    for game in registry().unwrap().names() {
        let options = read(&published(game).options);
        assert!(fits(&serde_json::json!({}), &options, &options), "{game} needs no options");
    }
}

/// Whoever reads a schema does not read Rust.
#[test]
fn descriptions_have_no_links_into_the_source() {
    for game in registry().unwrap().names() {
        let text = serde_json::to_string(&published(game)).unwrap();
        assert!(!text.contains("[`") && !text.contains("super::"), "{game}: {text}");
    }
}
