//! Reading the configuration from a file and the environment.

use std::path::Path;

use strsim::levenshtein;
use toml::{Table, Value};

use super::{Config, ConfigError};

/// The prefix of environment variables that configure the server; `__` goes one level down.
const PREFIX: &str = "ANTEROOM_";
/// Variables with the prefix that are not part of the tree.
const NOT_IN_THE_TREE: &[&str] = &["ANTEROOM_LOG"];

/// Reads the configuration: `base`, then the file if there is one, then `variables`. What the values come to is not looked
/// at: [`Config::problems`] does that, and so does a server before it starts.
///
/// # Errors
/// [`ConfigError`], for the first thing that cannot be read.
pub fn load(
    base: &Config,
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut tree = Table::try_from(base)
        .map_err(|error| ConfigError::Variable { variable: "the defaults".into(), why: error.to_string() })?;
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            what: "configuration",
            path: path.to_owned(),
            source,
        })?;
        merge(&mut tree, read_file(path, &text)?);
    }
    for (variable, value) in variables {
        if is_setting(&variable) {
            let wrong = |why: String| ConfigError::Variable { variable: variable.clone(), why };
            set(&mut tree, &variable, &value).map_err(wrong)?;
            Config::deserialize_tree(&tree).map_err(|error| wrong(explain(error.message())))?;
        }
    }
    Config::deserialize_tree(&tree)
        .map_err(|error| ConfigError::Variable { variable: "the configuration".into(), why: explain(error.message()) })
}

/// Whether a variable is part of the tree, or was meant to be: it goes down a level, or names a key at the top.
///
/// Others that begin so are somebody else's: Kubernetes sets `ANTEROOM_SERVICE_HOST` and `ANTEROOM_PORT` in every container
/// beside a Service named `anteroom`.
fn is_setting(variable: &str) -> bool {
    let Some(key) = variable.strip_prefix(PREFIX) else { return false };
    !NOT_IN_THE_TREE.contains(&variable) && (key.contains("__") || keys(None).contains(&key.to_ascii_lowercase()))
}

/// What to say about variables that set nothing, and look as if they were meant to.
pub(crate) fn remarks<'a>(variables: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let others = variables.into_iter().filter(|variable| !is_setting(variable) && !NOT_IN_THE_TREE.contains(variable));
    let meant = |variable: &str| Some((variable.to_owned(), nearest(variable.strip_prefix(PREFIX)?)?));
    others
        .filter_map(meant)
        .map(|(variable, nearest)| format!("the variable {variable} sets nothing; did you mean {nearest}?"))
        .collect()
}

/// The setting that a name is a slip for: a letter is wrong, an underscore is missing, or the section is.
fn nearest(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let mut settings = Vec::new();
    for top in keys(None) {
        match keys(Some(&top)) {
            below if below.is_empty() => settings.push((top.clone(), top)),
            below => settings.extend(below.into_iter().map(|key| (format!("{top}__{key}"), key))),
        }
    }
    let far = |(full, key): &(String, String)| {
        [full, key].into_iter().filter(|known| is_near(&name, known)).map(|known| levenshtein(&name, known)).min()
    };
    let (full, _) = settings.into_iter().filter(|setting| far(setting).is_some()).min_by_key(far)?;
    Some(format!("{PREFIX}{}", full.to_ascii_uppercase()))
}

/// The keys at the top, or below one of them; none below a value.
fn keys(below: Option<&str>) -> Vec<String> {
    let unknown = match below {
        None => "\"\" = 0".to_owned(),
        Some(key) => format!("{key} = {{ \"\" = 0 }}"),
    };
    let Err(error) = toml::from_str::<Config>(&unknown) else { return Vec::new() };
    unknown_key(error.message()).map_or_else(Vec::new, |(_, known)| known.into_iter().map(str::to_owned).collect())
}

impl Config {
    fn deserialize_tree(tree: &Table) -> Result<Self, toml::de::Error> {
        tree.clone().try_into()
    }
}

/// Reads a file as a tree, after checking it by itself, which is where its lines are still known.
fn read_file(path: &Path, text: &str) -> Result<Table, ConfigError> {
    let wrong = |error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count();
        ConfigError::Wrong { path: path.to_owned(), line, why: explain(error.message()) }
    };
    toml::from_str::<Config>(text).map_err(wrong)?;
    toml::from_str(text).map_err(wrong)
}

/// Turns "unknown field `x`, expected one of `a`, `b`" into a sentence that names the nearest.
fn explain(message: &str) -> String {
    let Some((unknown, known)) = unknown_key(message) else { return message.trim_end().replace('\n', " ") };
    match known.iter().min_by_key(|name| levenshtein(unknown, name)) {
        Some(nearest) if is_near(unknown, nearest) => {
            format!("there is no key `{unknown}`; did you mean `{nearest}`?")
        }
        _ => format!("there is no key `{unknown}`; there are {}", known.join(", ")),
    }
}

/// The key that serde does not know, and those that it does.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut names = message.strip_prefix("unknown field `")?.split('`').step_by(2);
    Some((names.next()?, names.collect()))
}

/// Whether one word may be a slip for the other: a few letters differ, and most do not.
fn is_near(unknown: &str, known: &str) -> bool {
    let edits = levenshtein(unknown, known);
    edits <= 3 && 2 * edits < known.len()
}

fn merge(tree: &mut Table, over: Table) {
    for (key, value) in over {
        match (tree.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(over)) => merge(below, over),
            (_, value) => drop(tree.insert(key, value)),
        }
    }
}

/// Sets the value that `ANTEROOM_A__B` names: as TOML where it is some, as a string otherwise.
fn set(tree: &mut Table, variable: &str, value: &str) -> Result<(), String> {
    let path = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
    let mut keys: Vec<&str> = path.split("__").collect();
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or("names no key")?;
    let mut table = tree;
    for key in keys {
        let below = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = below.as_table_mut().ok_or_else(|| format!("`{key}` is a value and has no keys below it"))?;
    }
    // A secret or a path is text, whatever it looks like.
    let is_text = matches!(table.get(last), None | Some(Value::String(_)));
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let value = match parsed {
        Some(parsed) if !is_text => parsed,
        _ => Value::String(value.to_owned()),
    };
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("anteroom-config-{}-{number}.toml", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded = load(&Config::default(), Some(&path), variables);
        let loaded = loaded.and_then(|config| config.validate().map(|()| config));
        std::fs::remove_file(&path).unwrap();
        loaded.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn the_environment_goes_over_the_file_and_the_file_over_the_defaults() {
        let config = loaded(
            "[limits]\nrooms_max = 5\nconnections_max = 6\n",
            &[("ANTEROOM_LIMITS__ROOMS_MAX", "7"), ("ANTEROOM_LOG", "debug"), ("OTHER", "x")],
        )
        .unwrap();
        assert_eq!((config.limits.rooms_max, config.limits.connections_max), (7, 6));
        assert_eq!(config.times, super::super::Times::default());
    }

    #[test]
    fn variables_reach_lists_switches_and_text() {
        let key = "1234567890123456789012345678901234567890";
        let config = loaded(
            "",
            &[
                ("ANTEROOM_ORIGINS__ALLOWED", r#"["https://a.example"]"#),
                ("ANTEROOM_AUTH__GUESTS", "true"),
                ("ANTEROOM_AUTH__TOKEN_KEY", key),
                ("ANTEROOM_LISTEN", "[::1]:0"),
            ],
        )
        .unwrap();
        assert_eq!(config.origins.allowed, ["https://a.example"]);
        assert!(config.auth.guests);
        assert_eq!(config.auth.token_key.as_deref(), Some(key));
        assert_eq!(config.listen, "[::1]:0");
    }

    /// What Kubernetes sets beside a Service named `anteroom`, and what this project's tests read.
    #[test]
    fn variables_of_others_are_left_alone() {
        let others = [
            ("ANTEROOM_SERVICE_HOST", "10.0.0.1"),
            ("ANTEROOM_SERVICE_PORT", "7350"),
            ("ANTEROOM_SERVICE_PORT_HTTP", "7350"),
            ("ANTEROOM_PORT", "tcp://10.0.0.1:7350"),
            ("ANTEROOM_PORT_7350_TCP", "tcp://10.0.0.1:7350"),
            ("ANTEROOM_PORT_7350_TCP_PROTO", "tcp"),
            ("ANTEROOM_PORT_7350_TCP_PORT", "7350"),
            ("ANTEROOM_PORT_7350_TCP_ADDR", "10.0.0.1"),
            ("ANTEROOM_PORT_7350_UDP", "udp://10.0.0.1:7350"),
            ("ANTEROOM_BIN", "target/release/anteroom"),
            ("ANTEROOM_EXAMPLES", "target/release/examples"),
            ("ANTEROOM_CHROMIUM", "/usr/bin/chromium"),
            ("ANTEROOM_SEED", "1"),
            ("ANTEROOM_SEEDS", "0..200"),
            ("ANTEROOM_SESSIONS", "1000"),
            ("ANTEROOM_BLESS", "1"),
            ("ANTEROOM_LOG", "debug"),
            ("ANTEROOM_", ""),
            ("ANTEROOM", "listen"),
        ];
        assert_eq!(loaded("", &others).unwrap(), Config::default());
        assert_eq!(remarks(others.map(|(name, _)| name)), Vec::<String>::new());
    }

    #[test]
    fn a_slip_in_a_variable_is_remarked_on() {
        for (variable, meant) in [
            ("ANTEROOM_LISTE", "ANTEROOM_LISTEN"),
            ("ANTEROOM_LIMITS_ROOMS_MAX", "ANTEROOM_LIMITS__ROOMS_MAX"),
            ("ANTEROOM_ROOMS_MAX", "ANTEROOM_LIMITS__ROOMS_MAX"),
            ("ANTEROOM_TOKEN_KEY", "ANTEROOM_AUTH__TOKEN_KEY"),
            ("ANTEROOM_AUTH_GUEST", "ANTEROOM_AUTH__GUESTS"),
        ] {
            assert_eq!(loaded("", &[(variable, "1")]).unwrap(), Config::default());
            let remark = format!("the variable {variable} sets nothing; did you mean {meant}?");
            assert_eq!(remarks([variable, "ANTEROOM_LISTEN", "PATH"]), [remark]);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (file, variables, error) in [
            ("\n[limits]\nroom_max = 5\n", &[][..], "FILE:3: there is no key `room_max`; did you mean `rooms_max`?"),
            (
                "[zzz]\n",
                &[],
                "FILE:1: there is no key `zzz`; there are listen, listen_udp, public_url, demo, tls, auth, origins, \
                 store, recordings, chat, limits, times",
            ),
            ("[limits]\nrooms_max = \"many\"\n", &[], "FILE:2: invalid type: string \"many\", expected u32"),
            (
                "",
                &[("ANTEROOM_LIMITS__ROOMS_MIN", "1")],
                "ANTEROOM_LIMITS__ROOMS_MIN: there is no key `rooms_min`; did you mean `rooms_max`?",
            ),
            (
                "",
                &[("ANTEROOM_LIMTS__ROOMS_MAX", "1")],
                "ANTEROOM_LIMTS__ROOMS_MAX: there is no key `limts`; did you mean `limits`?",
            ),
            ("", &[("ANTEROOM_LISTEN__X", "1")], "ANTEROOM_LISTEN__X: `listen` is a value and has no keys below it"),
            ("[limits]\nrooms_max = 0\n", &[], "`limits.rooms_max` must be at least 1"),
            ("listen = \"here\"\n", &[], "`listen` \"here\" is not HOST:PORT, such as 0.0.0.0:7350 or [::]:7350"),
            (
                "listen_udp = \"LocalHost:1\"\n",
                &[],
                "`listen_udp` \"LocalHost:1\" names a host that may be several addresses; write 127.0.0.1:1, or [::1]:1",
            ),
            (
                "",
                &[("ANTEROOM_PUBLIC_URL", "play.example.com")],
                "`public_url` \"play.example.com\" is no address; write one such as https://play.example.com/game",
            ),
            (
                "[auth]\ntoken_key = \"short\"\n",
                &[],
                "`auth.token_key` must be at least 32 bytes: `openssl rand -base64 32` makes one",
            ),
        ] {
            assert_eq!(loaded(file, variables).unwrap_err(), error);
        }
        assert!(loaded("listen = ", &[]).unwrap_err().starts_with("FILE:1: "));
    }
}
