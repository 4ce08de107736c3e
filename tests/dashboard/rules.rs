//! The rules that the Grafana dashboard keeps: those of Grafana's dashboard linter, under its names, and what Grafana
//! itself wants of a dashboard that it loads from a file. Each is a function that says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use murphy_tests::promql::{Selector, selectors};
use serde_json::Value;

/// Grafana's names of the units that are in use here, out of its list of all.
const UNITS: [&str; 8] = [
    "none",
    "short",
    "percentunit",
    "s",
    "bytes",
    "reqps",
    "ops",
    "cps",
];
/// What a dashboard may name beside its own variables.
const GLOBAL_VARIABLES: [&str; 3] = ["__interval", "__rate_interval", "__range"];
const COLUMNS: u64 = 24;
/// Versions of the format that Grafana 10 to 12 read without asking the user anything.
const SCHEMA_VERSIONS: std::ops::RangeInclusive<u64> = 38..=42;

/// The labels of each metric that there is.
pub(crate) type Metrics = BTreeMap<String, BTreeSet<String>>;

/// A dashboard to be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Board<'a> {
    pub(crate) json: &'a Value,
    pub(crate) metrics: &'a Metrics,
}

type Check = fn(Board<'_>) -> Vec<String>;

/// All rules by name.
pub(crate) const RULES: [(&str, Check); 21] = [
    ("template-datasource-rule", template_datasource),
    ("template-job-rule", |board| template(board, "job", "Job")),
    ("template-instance-rule", |board| {
        template(board, "instance", "Instance")
    }),
    ("template-label-promql-rule", template_label_promql),
    ("template-on-time-change-reload-rule", template_reload),
    ("panel-datasource-rule", panel_datasource),
    ("panel-title-description-rule", panel_title_description),
    ("panel-units-rule", panel_units),
    ("panel-no-targets-rule", panel_targets),
    ("target-promql-rule", target_promql),
    ("target-rate-interval-rule", target_rate_interval),
    ("target-job-rule", |board| target_matcher(board, "job")),
    ("target-instance-rule", |board| target_matcher(board, "instance")),
    ("target-counter-agg-rule", target_counter),
    ("uneditable-dashboard-rule", uneditable),
    ("metric-exists-rule", metric_exists),
    ("target-ref-rule", target_ref),
    ("panel-id-rule", panel_id),
    ("panel-layout-rule", panel_layout),
    ("annotation-rule", annotation),
    ("provisioning-rule", provisioning),
];

/// What is wrong with a dashboard, each with its rule.
pub(crate) fn lint(board: Board<'_>) -> Vec<(&'static str, String)> {
    let of_rule = |(name, check): &(&'static str, Check)| {
        let name = *name;
        check(board).into_iter().map(move |what| (name, what))
    };
    RULES.iter().flat_map(of_rule).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

impl<'a> Board<'a> {
    /// All panels, those in rows too.
    fn panels(self) -> Vec<&'a Value> {
        let top = list(self.json, "panels");
        top.iter()
            .flat_map(|panel| std::iter::once(panel).chain(list(panel, "panels")))
            .collect()
    }

    /// The panels that show something.
    fn charts(self) -> impl Iterator<Item = &'a Value> {
        self.panels()
            .into_iter()
            .filter(|panel| text(panel, "type") != "row")
    }

    fn variables(self) -> &'a [Value] {
        list(&self.json["templating"], "list")
    }

    /// The queries of the variables.
    fn queries(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let queries = self
            .variables()
            .iter()
            .filter(|variable| text(variable, "type") == "query");
        queries.map(|variable| (text(variable, "name"), text(&variable["query"], "query")))
    }

    /// The annotations that are ours.
    fn annotations(self) -> impl Iterator<Item = &'a Value> {
        let all = list(&self.json["annotations"], "list").iter();
        all.filter(|annotation| annotation["builtIn"] != 1)
    }

    /// The expressions of the panels, each with its panel's title.
    fn expressions(self) -> Vec<(&'a str, &'a str)> {
        let of_panel = |panel: &'a Value| {
            let targets = list(panel, "targets").iter();
            targets.map(|target| (text(panel, "title"), text(target, "expr")))
        };
        self.charts().flat_map(of_panel).collect()
    }

    /// The selectors of the panels. What cannot be read, [`target_promql`] says.
    fn selectors(self) -> Vec<(&'a str, Selector)> {
        let of_target = |(title, expression)| {
            let found = selectors(expression).unwrap_or_default();
            found.into_iter().map(move |selector| (title, selector))
        };
        self.expressions().into_iter().flat_map(of_target).collect()
    }
}

fn is_templated(datasource: &Value) -> bool {
    matches!(text(datasource, "uid"), "$datasource" | "${datasource}")
        && text(datasource, "type") == "prometheus"
}

fn wrong(checks: &[(bool, &str)]) -> Vec<String> {
    let failed = checks.iter().filter(|(holds, _)| !holds);
    failed.map(|(_, what)| (*what).to_owned()).collect()
}

fn template_datasource(board: Board<'_>) -> Vec<String> {
    let mut sources = board
        .variables()
        .iter()
        .filter(|one| text(one, "type") == "datasource");
    let Some(source) = sources.next() else {
        return vec!["no variable is a data source".to_owned()];
    };
    wrong(&[
        (sources.next().is_none(), "two variables are data sources"),
        (text(source, "name") == "datasource", "it is not named datasource"),
        (
            text(source, "label") == "Data source",
            "its label is not Data source",
        ),
        (text(source, "query") == "prometheus", "it is no Prometheus"),
    ])
}

fn template(board: Board<'_>, name: &str, label: &str) -> Vec<String> {
    let Some(variable) = board.variables().iter().find(|one| text(one, "name") == name) else {
        return vec![format!("there is no variable {name}")];
    };
    wrong(&[
        (
            is_templated(&variable["datasource"]),
            "it asks another data source",
        ),
        (text(variable, "type") == "query", "it is no query"),
        (text(variable, "label") == label, "its label is not its name"),
        (variable["multi"] == true, "only one can be chosen"),
        (text(variable, "allValue") == ".+", "its allValue is not .+"),
    ])
}

/// What a variable's query selects from: the part of `label_values(…, label)` before the label.
fn queried(query: &str) -> Option<&str> {
    let (selection, _) = query
        .strip_prefix("label_values(")?
        .strip_suffix(')')?
        .rsplit_once(',')?;
    Some(selection)
}

fn template_label_promql(board: Board<'_>) -> Vec<String> {
    let valid = |query| queried(query).is_some_and(|selection| selectors(selection).is_ok());
    let bad = board.queries().filter(|(_, query)| !valid(query));
    bad.map(|(name, query)| format!("{name}: {query:?}")).collect()
}

fn template_reload(board: Board<'_>) -> Vec<String> {
    let queries = board
        .variables()
        .iter()
        .filter(|one| text(one, "type") == "query");
    let stale = queries.filter(|variable| variable["refresh"] != 2);
    stale.map(|one| text(one, "name").to_owned()).collect()
}

fn panel_datasource(board: Board<'_>) -> Vec<String> {
    let templated = |panel: &&Value| {
        let mut targets = list(panel, "targets").iter();
        is_templated(&panel["datasource"]) && targets.all(|target| is_templated(&target["datasource"]))
    };
    let bad = board.charts().filter(|panel| !templated(panel));
    bad.map(|panel| text(panel, "title").to_owned()).collect()
}

fn panel_title_description(board: Board<'_>) -> Vec<String> {
    let bad = board
        .charts()
        .filter(|panel| text(panel, "title").is_empty() || text(panel, "description").is_empty());
    bad.map(|panel| format!("panel {}", panel["id"])).collect()
}

fn panel_units(board: Board<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for panel in board.charts() {
        let config = &panel["fieldConfig"];
        let overrides = list(config, "overrides")
            .iter()
            .flat_map(|one| list(one, "properties"))
            .filter(|property| property["id"] == "unit")
            .map(|property| text(property, "value"));
        let units = std::iter::once(text(&config["defaults"], "unit")).chain(overrides);
        let bad = units.filter(|unit| !UNITS.contains(unit));
        found.extend(bad.map(|unit| format!("{}: {unit:?}", text(panel, "title"))));
    }
    found
}

fn panel_targets(board: Board<'_>) -> Vec<String> {
    let bad = board.charts().filter(|panel| list(panel, "targets").is_empty());
    bad.map(|panel| text(panel, "title").to_owned()).collect()
}

/// The names behind `$` in an expression.
fn used_variables(expression: &str) -> impl Iterator<Item = &str> {
    let behind = expression.split('$').skip(1);
    behind.map(|rest| {
        let name = rest.trim_start_matches('{');
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        name.split_at(end.unwrap_or(name.len())).0
    })
}

fn target_promql(board: Board<'_>) -> Vec<String> {
    let variables = board.variables().iter().map(|one| text(one, "name"));
    let known: BTreeSet<&str> = variables.chain(GLOBAL_VARIABLES).collect();
    let mut found = Vec::new();
    for (title, expression) in board.expressions() {
        if let Err(error) = selectors(expression) {
            found.push(format!("{title}: {error}: {expression}"));
        }
        if expression.trim().is_empty() {
            found.push(format!("{title}: no expression"));
        }
        let unknown = used_variables(expression).filter(|name| !known.contains(name));
        found.extend(unknown.map(|name| format!("{title}: no variable {name}: {expression}")));
    }
    found
}

fn target_rate_interval(board: Board<'_>) -> Vec<String> {
    let right = |selector: &Selector| match (selector.within.last().map(String::as_str), &selector.range) {
        (_, None) => true,
        (Some("increase"), Some(range)) => matches!(range.as_str(), "$__rate_interval" | "$__range"),
        (_, Some(range)) => range == "$__rate_interval",
    };
    let bad = board.selectors().into_iter().filter(|(_, one)| !right(one));
    bad.map(|(title, one)| format!("{title}: {} over {:?}", one.name, one.range))
        .collect()
}

fn has_matcher(selector: &Selector, label: &str) -> bool {
    let wanted = (label.to_owned(), "=~".to_owned(), format!("${label}"));
    selector.matchers.contains(&wanted)
}

fn target_matcher(board: Board<'_>, label: &str) -> Vec<String> {
    let bad = board
        .selectors()
        .into_iter()
        .filter(|(_, one)| !has_matcher(one, label));
    bad.map(|(title, one)| format!("{title}: {} lacks {label}=~\"${label}\"", one.name))
        .collect()
}

fn target_counter(board: Board<'_>) -> Vec<String> {
    let aggregated = |one: &Selector| {
        let within = one.within.last().map(String::as_str);
        matches!(within, Some("rate" | "irate" | "increase")) && one.range.is_some()
    };
    let bad = board
        .selectors()
        .into_iter()
        .filter(|(_, one)| one.name.ends_with("_total") && !aggregated(one));
    bad.map(|(title, one)| format!("{title}: {}", one.name)).collect()
}

fn uneditable(board: Board<'_>) -> Vec<String> {
    wrong(&[(board.json["editable"] == false, "it can be edited")])
}

/// What an expression selects that no Murphy exposes.
pub(crate) fn unknown_metrics(expression: &str, metrics: &Metrics) -> Vec<String> {
    let mut found = Vec::new();
    for selector in selectors(expression).unwrap_or_default() {
        let Some(labels) = metrics.get(&selector.name) else {
            found.push(format!("there is no metric {}", selector.name));
            continue;
        };
        let of_prometheus = ["job", "instance"];
        let mut used = selector.matchers.iter().map(|(label, ..)| label);
        if let Some(label) =
            used.find(|label| !labels.contains(*label) && !of_prometheus.contains(&label.as_str()))
        {
            found.push(format!("{} has no label {label}", selector.name));
        }
    }
    found
}

fn metric_exists(board: Board<'_>) -> Vec<String> {
    let selections = board
        .queries()
        .filter_map(|(name, query)| Some((name, queried(query)?)));
    let annotations = board
        .annotations()
        .map(|one| (text(one, "name"), text(one, "expr")));
    let all = board
        .expressions()
        .into_iter()
        .chain(selections)
        .chain(annotations);
    all.flat_map(|(title, expression)| {
        let unknown = unknown_metrics(expression, board.metrics).into_iter();
        unknown.map(move |what| format!("{title}: {what}"))
    })
    .collect()
}

fn target_ref(board: Board<'_>) -> Vec<String> {
    let unique = |panel: &&Value| {
        let mut seen = BTreeSet::from([""]);
        list(panel, "targets")
            .iter()
            .all(|target| seen.insert(text(target, "refId")))
    };
    let bad = board.charts().filter(|panel| !unique(panel));
    bad.map(|panel| text(panel, "title").to_owned()).collect()
}

fn panel_id(board: Board<'_>) -> Vec<String> {
    let mut seen = BTreeSet::from([0]);
    let bad = board
        .panels()
        .into_iter()
        .filter(|panel| !seen.insert(panel["id"].as_u64().unwrap_or_default()));
    bad.map(|panel| format!("{}: {}", text(panel, "title"), panel["id"]))
        .collect()
}

fn panel_layout(board: Board<'_>) -> Vec<String> {
    let mut taken: BTreeMap<(u64, u64), &str> = BTreeMap::new();
    let mut found = Vec::new();
    for panel in board.panels() {
        let title = text(panel, "title");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64());
        let (Some(x), Some(y), Some(w), Some(h)) = (x, y, w, h) else {
            found.push(format!("{title} has no place"));
            continue;
        };
        if w == 0 || h == 0 || x + w > COLUMNS {
            found.push(format!("{title} does not fit into {COLUMNS} columns"));
            continue;
        }
        let cells = (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row)));
        let other = cells.filter_map(|cell| taken.insert(cell, title)).next();
        found.extend(other.map(|other| format!("{title} lies over {other}")));
    }
    found
}

fn annotation(board: Board<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for one in board.annotations() {
        let expression = text(one, "expr");
        let matched = |label: &str| {
            let all = selectors(expression).unwrap_or_default();
            !all.is_empty() && all.iter().all(|selector| has_matcher(selector, label))
        };
        let problems = wrong(&[
            (is_templated(&one["datasource"]), "it asks another data source"),
            (
                matched("job") && matched("instance"),
                "it asks for other jobs or instances",
            ),
            // Grafana up to 11 reads the one, later versions the other.
            (
                text(&one["target"], "expr") == expression,
                "expr and target.expr differ",
            ),
            (!text(one, "titleFormat").is_empty(), "it has no title"),
            (one["enable"] == true, "it is off"),
        ]);
        found.extend(
            problems
                .iter()
                .map(|what| format!("{}: {what}", text(one, "name"))),
        );
    }
    found
}

fn provisioning(board: Board<'_>) -> Vec<String> {
    let json = board.json;
    let version = json["schemaVersion"].as_u64().unwrap_or_default();
    let is_uid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let uid = text(json, "uid");
    wrong(&[
        (SCHEMA_VERSIONS.contains(&version), "its schemaVersion is unknown"),
        (
            !uid.is_empty() && uid.len() <= 40 && uid.chars().all(is_uid),
            "its uid is none",
        ),
        (!text(json, "title").is_empty(), "it has no title"),
        (json["id"].is_null(), "its id is that of one Grafana's database"),
        (json["__inputs"].is_null(), "it is an export that asks for inputs"),
    ])
}
