//! Layers of settings: built-in defaults, then the file, then the environment, then flags.
//!
//! The file is read strictly on its own before (its errors have a place); each variable and each flag is tried
//! on its own here, so that an error names the one that is wrong.

use config::{Config, Value, ValueKind};
use murphy_core::problem::{Path, Problem};

use crate::parse;
use crate::settings::Settings;
use crate::view::Located;

/// Variables with this prefix are settings: `MURPHY__PROXY__LISTEN`.
const ENV_PREFIX: &str = "MURPHY__";
const ENV_SEPARATOR: &str = "__";

/// A single value that stands above the file: a variable or a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The setting: `proxy.listen`.
    pub key: String,
    /// The value as text. Lists are separated by commas; lists of tables and tables are written in JSON.
    pub value: String,
    /// What the person wrote, for messages: `--listen`.
    pub from: String,
}

impl Override {
    /// The place of the setting.
    #[must_use]
    pub fn path(&self) -> Path {
        self.key.split('.').fold(Path::root(), |path, key| path.key(key))
    }
}

/// The settings among environment variables, sorted by name.
#[must_use]
pub fn from_environment(variables: &[(String, String)]) -> Vec<Override> {
    let mut found: Vec<Override> = variables
        .iter()
        .filter_map(|(name, value)| {
            let key = name
                .strip_prefix(ENV_PREFIX)?
                .to_lowercase()
                .replace(ENV_SEPARATOR, ".");
            Some(Override {
                key,
                value: value.clone(),
                from: format!("environment variable {name}"),
            })
        })
        .collect();
    found.sort_by(|a, b| a.from.cmp(&b.from));
    found
}

/// Lays the layers over each other.
///
/// # Errors
/// What is wrong with variables or flags; the file was read strictly before.
pub fn merge(file: Option<&toml::Table>, overrides: &[Override]) -> Result<Settings, Vec<Located>> {
    let wrong: Vec<Located> = overrides
        .iter()
        .filter_map(|one| {
            lay(None, std::slice::from_ref(one))
                .err()
                .map(|error| blame(one, &error))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    lay(file, overrides).map_err(|error| {
        let problem = parse::of_message(&message(&error), None);
        vec![Located::nowhere("configuration", problem)]
    })
}

fn lay(file: Option<&toml::Table>, overrides: &[Override]) -> Result<Settings, config::ConfigError> {
    let defaults = Settings::default();
    let mut builder = Config::builder().add_source(Config::try_from(&defaults)?);
    if let Some(file) = file {
        builder = builder.add_source(Config::try_from(file)?);
    }
    for one in overrides {
        builder = builder.set_override(&one.key, value_of(one, &defaults))?;
    }
    builder.build()?.try_deserialize()
}

/// The value of a variable or flag. What the default says about its type decides whether commas separate.
fn value_of(one: &Override, defaults: &Settings) -> Value {
    let text = one.value.trim();
    if text.starts_with(['[', '{'])
        && let Ok(json) = serde_json::from_str(text)
    {
        return value_of_json(json);
    }
    let defaults = serde_json::to_value(defaults).unwrap_or_default();
    let is_list = defaults
        .pointer(&one.path().pointer())
        .is_some_and(serde_json::Value::is_array);
    let kind = if is_list {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        ValueKind::Array(items.map(Value::from).collect())
    } else {
        ValueKind::String(one.value.clone())
    };
    Value::new(None, kind)
}

fn value_of_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => ValueKind::Nil,
        Json::Bool(yes) => ValueKind::Boolean(yes),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => ValueKind::U64(number),
            (_, Some(number)) => ValueKind::I64(number),
            _ => ValueKind::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => ValueKind::String(text),
        Json::Array(items) => ValueKind::Array(items.into_iter().map(value_of_json).collect()),
        Json::Object(table) => ValueKind::Table(
            table
                .into_iter()
                .map(|(key, value)| (key, value_of_json(value)))
                .collect(),
        ),
    };
    Value::new(None, kind)
}

/// The error of a single variable or flag.
fn blame(one: &Override, error: &config::ConfigError) -> Located {
    let mut problem = parse::of_message(&message(error), Some(&one.value));
    if !problem.found.starts_with("unknown key") {
        problem.path = one.path();
    }
    Located::nowhere(&one.from, problem)
}

/// The innermost message of an error, without the key and origin that `config` adds.
fn message(error: &config::ConfigError) -> String {
    use config::ConfigError as E;
    match error {
        E::At { error, .. } => message(error),
        E::Type {
            unexpected, expected, ..
        } => format!("invalid type: {unexpected}, expected {expected}"),
        E::Message(text) => text.clone(),
        E::NotFound(key) => format!("missing field `{key}`"),
        other => other.to_string(),
    }
}

/// The problem of a value that came from a variable or flag, if one of those set it.
pub(crate) fn source_of<'a>(overrides: &'a [Override], problem: &Problem) -> Option<&'a Override> {
    let path = problem.path.to_string();
    overrides.iter().rev().find(|one| {
        path == one.key
            || path
                .strip_prefix(&one.key)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<Override> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        from_environment(&pairs)
    }

    #[test]
    fn later_layers_win_and_lists_read_from_text() {
        let file: toml::Table =
            "[proxy]\nlisten = \"127.0.0.1:1\"\nmark = false\n[kill_switch]\nwindow = \"5s\""
                .parse()
                .unwrap();
        let mut overrides = env(&[
            ("MURPHY__PROXY__LISTEN", "127.0.0.1:2"),
            ("MURPHY__SCENARIOS__ACTIVE", "slow, flaky"),
            ("MURPHY__KILL_SWITCH__ERROR_RATE", "25%"),
            (
                "MURPHY__KILL_SWITCH__ALERTS",
                r#"[{"kind":"slack","url":"http://x/"}]"#,
            ),
            ("MURPHY__PROXY__MAX_HEADERS", "7"),
            ("MURPHY_TOKEN", "not a setting"),
        ]);
        overrides.push(Override {
            key: "proxy.listen".into(),
            value: "127.0.0.1:3".into(),
            from: "--listen".into(),
        });
        let settings = merge(Some(&file), &overrides).unwrap();
        assert_eq!(settings.proxy.listen.port(), 3);
        assert!(!settings.proxy.mark);
        assert_eq!(settings.proxy.max_headers, 7);
        assert_eq!(settings.kill_switch.error_rate.0, 0.25);
        assert_eq!(settings.kill_switch.window.to_string(), "5s");
        assert_eq!(settings.kill_switch.alerts.len(), 1);
        let active: Vec<_> = settings
            .scenarios
            .active
            .iter()
            .map(|start| start.name.as_str())
            .collect();
        assert_eq!(active, ["slow", "flaky"]);
        assert_eq!(settings.control, Settings::default().control);
    }

    #[test]
    fn an_error_names_the_variable_and_suggests() {
        let found = merge(
            None,
            &env(&[
                ("MURPHY__PROXY__LISEN", "127.0.0.1:2"),
                ("MURPHY__KILL_SWITCH__WINDOW", "5 stones"),
                ("MURPHY__PROXY__MARK", "maybe"),
            ]),
        )
        .unwrap_err();
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3);
        assert!(texts[0].starts_with(
            "environment variable MURPHY__KILL_SWITCH__WINDOW: kill_switch.window: found \"5 stones\""
        ));
        assert!(
            texts[1].contains("MURPHY__PROXY__LISEN") && texts[1].contains("did you mean \"listen\"?"),
            "{}",
            texts[1]
        );
        assert!(texts[2].contains("MURPHY__PROXY__MARK"), "{}", texts[2]);
    }
}
