//! Which changed settings take effect only after a restart.

use serde_json::Value;

use crate::settings::Settings;

/// Sections and keys that do not change while the process runs.
const FIXED: [&str; 6] = [
    "proxy",
    "control",
    "log",
    "events",
    "metrics",
    "kill_switch.state_file",
];

/// Keys below those that do.
const LIVE: [&str; 3] = ["proxy.mark", "proxy.max_body_inspect", "proxy.max_active_faults"];

/// What must wait for a restart, a line each: `proxy.listen changed from … to …`.
pub(crate) fn needed(running: &Settings, wanted: &Settings) -> Vec<String> {
    let value = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    let mut found = Vec::new();
    compare("", &value(running), &value(wanted), &mut found);
    found
}

fn compare(path: &str, running: &Value, wanted: &Value, found: &mut Vec<String>) {
    if running == wanted {
        return;
    }
    if let (Value::Object(running), Value::Object(wanted)) = (running, wanted) {
        for (key, value) in running {
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            compare(&below, value, wanted.get(key).unwrap_or(&Value::Null), found);
        }
        return;
    }
    let is_in = |list: &[&str]| {
        list.iter()
            .any(|key| path == *key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    };
    if is_in(&FIXED) && !is_in(&LIVE) {
        found.push(format!(
            "{path} changed from {running} to {wanted}: restart to apply it"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use murphy_core::span::Size;

    #[test]
    fn listeners_need_a_restart_and_marks_do_not() {
        let running = Settings::default();
        let mut wanted = running.clone();
        wanted.proxy.mark = false;
        wanted.proxy.max_body_inspect = Size(1);
        wanted.kill_switch.min_samples = 3;
        assert_eq!(needed(&running, &wanted), Vec::<String>::new());
        wanted.proxy.listen.set_port(8080);
        wanted.kill_switch.state_file = "x".into();
        assert_eq!(
            needed(&running, &wanted),
            [
                "proxy.listen changed from \"127.0.0.1:7070\" to \"127.0.0.1:8080\": restart to apply it",
                "kill_switch.state_file changed from \"murphy-state.json\" to \"x\": restart to apply it",
            ]
        );
    }
}
