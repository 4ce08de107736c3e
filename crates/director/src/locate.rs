//! From the path of a problem to its line and column: one validator serves YAML, JSON and TOML.

use murphy_core::problem::{Path, Step};
use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};

use crate::report::Place;

/// The place of a path in a YAML (or JSON) text: of the value, or of the deepest part of the path that exists.
///
/// Only for texts that the strict reader took: aliases are expanded here without a budget of their own.
#[must_use]
pub fn in_yaml(text: &str, path: &Path) -> Place {
    let Ok(documents) = MarkedYaml::load_from_str(text) else {
        return Place::default();
    };
    let Some(root) = documents.first() else {
        return Place::default();
    };
    let mut node = root;
    for step in &path.0 {
        let next = match (&node.data, step) {
            (YamlData::Mapping(_), Step::Key(key)) => node.data.as_mapping_get(key),
            (YamlData::Sequence(items), Step::Index(index)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    Place {
        line: node.span.start.line(),
        column: node.span.start.col() + 1, // the marker counts columns from 0
    }
}

/// The place of a path in a TOML text, as [`in_yaml`]; of the key where a table has no place of its own.
#[must_use]
pub fn in_toml(text: &str, path: &Path) -> Place {
    let Ok(document) = toml_edit::Document::parse(text) else {
        return Place::default();
    };
    let mut item = document.as_item();
    let mut start = None;
    for step in &path.0 {
        let next = match step {
            Step::Key(key) => {
                let named = item.as_table_like().and_then(|table| table.get_key_value(key));
                named.map(|(key, item)| (item, item.span().or_else(|| key.span())))
            }
            Step::Index(index) => item.get(*index).map(|item| (item, item.span())),
        };
        let Some((found, span)) = next else { break };
        item = found;
        start = span.map(|span| span.start).or(start);
    }
    start
        .map(|start| Place::of_offset(text, start))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_places_are_exact_in_block_and_flow_style() {
        let text = "rules:\n  - name: a\n    fault: { delay: { normal: { mean: x } } }\n";
        let rule = Path::root().key("rules").index(0);
        let cases = [
            (rule.key("fault").key("delay").key("normal").key("mean"), 3, 39),
            (rule.key("name"), 2, 11),
            (rule.key("often").key("every"), 2, 5),
            (Path::root(), 1, 1),
        ];
        for (path, line, column) in cases {
            assert_eq!(in_yaml(text, &path), Place { line, column }, "{path}");
        }
    }

    #[test]
    fn toml_places_are_exact_in_tables_and_inline() {
        let text = "[proxy]\nlisten = \"x\"\n\n[[routes]]\nname = \"a\"\n[[routes]]\nname = \"b\"\ntimeouts = { total = 3 }\n";
        let second = Path::root().key("routes").index(1);
        let cases = [
            (Path::root().key("proxy").key("listen"), 2, 10),
            (second.key("name"), 7, 8),
            (second.key("timeouts").key("total"), 8, 22),
            (second.key("upstream"), 6, 1),
        ];
        for (path, line, column) in cases {
            assert_eq!(in_toml(text, &path), Place { line, column }, "{path}");
        }
    }
}
