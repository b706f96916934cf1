//! Reading the configuration from a file and the environment.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// The prefix of environment variables that configure the server; `__` goes one level down.
const PREFIX: &str = "ANTEROOM_";
/// Variables with the prefix that are not part of the tree.
const NOT_IN_THE_TREE: &[&str] = &["ANTEROOM_LOG"];

/// The configuration cannot be used. Each is one sentence with the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {source}; check the path and its permissions", path.display())]
    Unreadable {
        /// What the file is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not TOML, or has a wrong key or value.
    #[error("{}:{line}: {why}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// An environment variable has a wrong name or value.
    #[error("{variable}: {why}")]
    Variable {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        why: String,
    },
    /// A value makes no sense.
    #[error("`{key}` {why}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Serving needs something that is not configured.
    #[error("{0}")]
    Missing(&'static str),
}

/// Reads the configuration: `base`, then the file if there is one, then `variables`.
///
/// # Errors
/// [`ConfigError`], for the first thing that is wrong.
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
        if variable.starts_with(PREFIX) && !NOT_IN_THE_TREE.contains(&variable.as_str()) {
            let wrong = |why: String| ConfigError::Variable { variable: variable.clone(), why };
            set(&mut tree, &variable, &value).map_err(wrong)?;
            Config::deserialize_tree(&tree).map_err(|error| wrong(explain(error.message())))?;
        }
    }
    let config = Config::deserialize_tree(&tree).map_err(|error| ConfigError::Variable {
        variable: "the configuration".into(),
        why: explain(error.message()),
    })?;
    config.validate()?;
    Ok(config)
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
    let Some(rest) = message.strip_prefix("unknown field `") else { return message.trim_end().replace('\n', " ") };
    let mut names = rest.split('`').step_by(2);
    let unknown = names.next().unwrap_or_default();
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    match known.iter().min_by_key(|name| distance(unknown, name)) {
        Some(nearest) if is_near(unknown, nearest) => {
            format!("there is no key `{unknown}`; did you mean `{nearest}`?")
        }
        _ => format!("there is no key `{unknown}`; there are {}", known.join(", ")),
    }
}

/// Whether one word may be a slip for the other: a few letters differ, and most do not.
fn is_near(unknown: &str, known: &str) -> bool {
    let edits = distance(unknown, known);
    edits <= 3 && 2 * edits < known.len()
}

/// The edits that turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
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

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (file, variables, error) in [
            ("\n[limits]\nroom_max = 5\n", &[][..], "FILE:3: there is no key `room_max`; did you mean `rooms_max`?"),
            (
                "[zzz]\n",
                &[],
                "FILE:1: there is no key `zzz`; there are listen, listen_udp, public_url, demo, tls, auth, origins, \
                 limits, times",
            ),
            ("[limits]\nrooms_max = \"many\"\n", &[], "FILE:2: invalid type: string \"many\", expected u32"),
            (
                "",
                &[("ANTEROOM_LIMITS__ROOMS_MIN", "1")],
                "ANTEROOM_LIMITS__ROOMS_MIN: there is no key `rooms_min`; did you mean `rooms_max`?",
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
