//! The documentation against the code: every example that a reader may copy is read by the code that would read
//! it, every link leads somewhere, and what has a fixed list (endpoints, metrics, keys) is documented whole.
#![allow(clippy::unwrap_used)] // helpers of tests fail loudly

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use murphy_control::problem::{ProblemDetails, ProblemType};
use murphy_control::{AlarmAnswer, AlertmanagerWebhook};
use murphy_core::exchange::Exchange;
use murphy_core::plan::Skip;
use murphy_director::view::{
    Activated, Deactivated, KillSwitchView, Put, ReloadReport, RouteView, ScenarioView, StatusView, Trigger,
};
use murphy_director::{Sources, check, load};
use murphy_observe::{Observer, ObserverOptions, RuleSeries, WindowOptions};
use murphy_rules::scenario::Scenario;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Blocks of YAML that are for other programs, by their first key.
const FOREIGN: [&str; 3] = ["groups:", "route:", "scrape_configs:"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// `README.md`, `CONTRIBUTING.md` and `docs/*.md` with their texts, by their path from the root.
fn pages() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    files.sort();
    let shown = |file: &PathBuf| {
        let relative = file.strip_prefix(root()).unwrap();
        (relative.display().to_string(), fs::read_to_string(file).unwrap())
    };
    files.iter().map(shown).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// A fenced block: where it begins, what stands behind the fence, and its lines.
#[derive(Debug)]
struct Block {
    place: String,
    info: String,
    text: String,
}

/// The fenced blocks of a page, and its text without them.
fn split(name: &str, text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose): (Vec<Block>, String) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (nth, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block {
                    place: format!("{name}:{}", nth + 1),
                    info: info.trim().to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => prose.extend([line, "\n"]),
        }
    }
    assert!(open.is_none(), "{name}: a fence is not closed");
    (blocks, prose)
}

/// All blocks of a language.
fn blocks(language: &str) -> Vec<Block> {
    let of_page = |(name, text): (String, String)| split(&name, &text).0;
    let found = pages().into_iter().flat_map(of_page);
    found
        .filter(|block| block.info.split(' ').next() == Some(language))
        .collect()
}

fn sources() -> Sources {
    Sources {
        sim: Some(([127, 0, 0, 1], 1).into()),
        ..Sources::default()
    }
}

/// The scenario that a block is: as it stands, or the part of a rule that it shows put into one. `None` for what is
/// for other programs.
fn scenario_of(block: &Block) -> Option<String> {
    let first = block
        .text
        .lines()
        .find(|line| !line.starts_with('#') && !line.is_empty());
    let first = first.unwrap_or_default();
    if block.text.lines().any(|line| line == "rules:") {
        return Some(block.text.clone());
    }
    if first.starts_with("fault:") {
        let part: String = block.text.lines().map(|line| format!("    {line}\n")).collect();
        return Some(format!("rules:\n  - name: part\n{part}"));
    }
    assert!(
        FOREIGN.contains(&first),
        "{}: neither a scenario nor for another program",
        block.place
    );
    None
}

#[test]
fn every_scenario_in_the_documentation_is_valid() {
    let mut seen = 0;
    for block in blocks("yaml") {
        let Some(text) = scenario_of(&block) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("documented.yaml");
        fs::write(&file, text).unwrap();
        let checked = check(&[file], &sources());
        let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}:\n{}", block.place, problems.join("\n"));
        seen += 1;
    }
    assert!(seen >= 20, "{seen} scenarios: are they still found?");
}

#[test]
fn every_configuration_in_the_documentation_is_valid() {
    let mut seen = 0;
    for block in blocks("toml") {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("murphy.toml");
        fs::write(&file, &block.text).unwrap();
        let loaded = load(&Sources {
            config_file: Some(file),
            ..sources()
        });
        let problems = loaded.map(drop).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        });
        assert_eq!(problems, Ok(()), "{}", block.place);
        seen += 1;
    }
    assert!(seen >= 6, "{seen} configurations: are they still found?");
}

/// Reads a document as `T` and writes it again: the same must come out, so that the example has every field that is
/// always there and none that is not.
fn exact<T: DeserializeOwned + Serialize + Debug>(text: &str) -> Result<(), String> {
    let written: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let read: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let shown = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    (shown == written)
        .then_some(())
        .ok_or_else(|| format!("the API would show:\n{shown:#}"))
}

#[test]
fn every_json_example_is_what_the_api_says() {
    let mut seen = BTreeSet::new();
    for block in blocks("json") {
        let kind = block.info.strip_prefix("json").unwrap_or_default().trim();
        let text = &block.text;
        let result = match kind {
            "" => serde_json::from_str::<Value>(text)
                .map(drop)
                .map_err(|error| error.to_string()),
            "Activated" => exact::<Activated>(text),
            "AlarmAnswer" => exact::<AlarmAnswer>(text),
            "AlertmanagerWebhook" => exact::<AlertmanagerWebhook>(text),
            "Deactivated" => exact::<Deactivated>(text),
            "KillSwitchView" => exact::<KillSwitchView>(text),
            "ProblemDetails" => exact::<ProblemDetails>(text),
            "Put" => exact::<Put>(text),
            "ReloadReport" => exact::<ReloadReport>(text),
            "StatusView" => exact::<StatusView>(text),
            "Vec<Exchange>" => exact::<Vec<Exchange>>(text),
            "Vec<RouteView>" => exact::<Vec<RouteView>>(text),
            "Vec<ScenarioView>" => exact::<Vec<ScenarioView>>(text),
            other => Err(format!("{other:?} is no type of the API")),
        };
        assert_eq!(result, Ok(()), "{}", block.place);
        seen.insert(kind.to_owned());
    }
    assert!(
        seen.contains("StatusView") && seen.contains("Vec<Exchange>"),
        "{seen:?}"
    );
}

/// The anchors of a page, as GitHub makes them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let (_, prose) = split("", text);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in prose.lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = counts.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 {
            anchor
        } else {
            format!("{anchor}-{count}")
        });
        *count += 1;
    }
    anchors
}

/// The targets of the links in a text that are not URLs.
fn links(prose: &str) -> Vec<String> {
    let parts = prose.split("](").skip(1);
    let targets = parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned()));
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, text) in pages() {
        let (_, prose) = split(&name, &text);
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in links(&prose) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => root().join(&name),
                file => folder.join(file),
            };
            let leads = target.exists()
                && (anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor));
            if !leads {
                wrong.push(format!("{name}: {link}"));
            }
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "lead nowhere:\n{}", wrong.join("\n"));
    assert!(seen >= 40, "{seen} links: are they still found?");
}

/// Asserts that a page has each of these in code style.
fn names<T: AsRef<str>>(page_name: &str, wanted: impl IntoIterator<Item = T>) {
    let text = page(page_name);
    let missing: Vec<String> = wanted
        .into_iter()
        .map(|one| one.as_ref().to_owned())
        .filter(|one| {
            !text.contains(&format!("`{one}`"))
                && !text.contains(&format!("`{one}:"))
                && !text.contains(&format!("### `{one}"))
        })
        .collect();
    assert!(missing.is_empty(), "docs/{page_name} lacks {missing:?}");
}

/// The keys of a definition of the scenario's schema.
fn keys(definition: &str) -> Vec<String> {
    let schema = schemars::schema_for!(Scenario).to_value();
    let properties = schema
        .pointer(&format!("/$defs/{definition}/properties"))
        .unwrap();
    properties.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn what_has_a_fixed_list_is_documented_whole() {
    for definition in ["When", "Often", "Limits"] {
        names("scenarios.md", keys(definition));
    }
    names("kill-switch.md", Trigger::ALL.map(Trigger::name));
    names("metrics.md", Skip::ALL.map(Skip::name));
    names("metrics.md", Trigger::ALL.map(Trigger::name));
    names("control-api.md", ProblemType::ALL.map(ProblemType::slug));
    let settings = murphy_director::settings::schema().to_value();
    let switch = settings.pointer("/$defs/KillSwitchSettings/properties").unwrap();
    let text = page("kill-switch.md");
    for key in switch.as_object().unwrap().keys() {
        assert!(text.contains(key.as_str()), "docs/kill-switch.md lacks {key}");
    }
}

#[test]
fn every_endpoint_is_documented() {
    let document = murphy_control::openapi::document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert!(operations.len() >= 20, "{operations:?}");
    names("control-api.md", operations);
}

#[test]
fn every_metric_is_documented() {
    let observer = Observer::new(ObserverOptions {
        routes: vec!["r".into()],
        ring_exchanges_max: 1,
        jsonl: None,
        window: WindowOptions::default(),
        series_max: 2_000,
        version: String::new(),
    })
    .unwrap();
    let metrics = observer.metrics();
    metrics.set_rules(&[RuleSeries {
        scenario: "s".into(),
        rule: "r".into(),
        fault: "delay",
        routes: vec!["r".into()],
    }]);
    metrics.trip("manual");
    let (_, text) = metrics.render(None);
    let families: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(families.len() >= 18, "{families:?}");
    names("metrics.md", families);
}
