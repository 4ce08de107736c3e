//! A dashboard that breaks each rule in some way.

use serde_json::{Value, json};

/// A change of the dashboard, the rule that must notice it, and what it is.
pub(crate) type Mutation = (&'static str, &'static str, fn(&mut Value));

fn panel<'a>(board: &'a mut Value, title: &str) -> &'a mut Value {
    let panels = board["panels"].as_array_mut().unwrap();
    panels.iter_mut().find(|panel| panel["title"] == title).unwrap()
}

fn variable<'a>(board: &'a mut Value, name: &str) -> &'a mut Value {
    let variables = board["templating"]["list"].as_array_mut().unwrap();
    variables.iter_mut().find(|one| one["name"] == name).unwrap()
}

fn annotation<'a>(board: &'a mut Value, name: &str) -> &'a mut Value {
    let annotations = board["annotations"]["list"].as_array_mut().unwrap();
    annotations.iter_mut().find(|one| one["name"] == name).unwrap()
}

/// Replaces a part of the first expression of a panel.
fn rewrite(board: &mut Value, title: &str, from: &str, to: &str) {
    let expression = &mut panel(board, title)["targets"][0]["expr"];
    let text = expression.as_str().unwrap();
    assert!(text.contains(from), "{title}: no {from} in {text}");
    *expression = text.replace(from, to).into();
}

fn without_variable(board: &mut Value, name: &str) {
    let variables = board["templating"]["list"].as_array_mut().unwrap();
    variables.retain(|one| one["name"] != name);
}

const CALLS: &str = "Calls by outcome";
const LATENCY: &str = "Latency";
const SWITCH: &str = "Kill switch";

/// One for every rule, more where a rule has more than one side.
pub(crate) const MUTATIONS: &[Mutation] = &[
    ("template-datasource-rule", "no data source to choose", |board| {
        without_variable(board, "datasource");
    }),
    ("template-datasource-rule", "another name", |board| {
        variable(board, "datasource")["name"] = json!("ds");
    }),
    ("template-datasource-rule", "another label", |board| {
        variable(board, "datasource")["label"] = json!("Source");
    }),
    ("template-job-rule", "none", |board| {
        without_variable(board, "job")
    }),
    ("template-job-rule", "one of many", |board| {
        variable(board, "job")["multi"] = json!(false);
    }),
    ("template-job-rule", "a fixed data source", |board| {
        variable(board, "job")["datasource"]["uid"] = json!("prometheus");
    }),
    ("template-instance-rule", "all that there is", |board| {
        variable(board, "instance")["allValue"] = json!(".*");
    }),
    ("template-instance-rule", "another label", |board| {
        variable(board, "instance")["label"] = json!("Pod");
    }),
    ("template-label-promql-rule", "no such function", |board| {
        variable(board, "job")["query"]["query"] = json!("label_value(up, job)");
    }),
    ("template-label-promql-rule", "no PromQL", |board| {
        variable(board, "job")["query"]["query"] = json!("label_values(up{, job)");
    }),
    ("template-on-time-change-reload-rule", "once", |board| {
        variable(board, "instance")["refresh"] = json!(1);
    }),
    ("panel-datasource-rule", "a fixed one", |board| {
        panel(board, CALLS)["datasource"]["uid"] = json!("prometheus");
    }),
    ("panel-datasource-rule", "a fixed one of a target", |board| {
        panel(board, CALLS)["targets"][0]["datasource"]["uid"] = json!("prometheus");
    }),
    ("panel-title-description-rule", "no title", |board| {
        panel(board, CALLS)["title"] = json!("");
    }),
    ("panel-title-description-rule", "no description", |board| {
        panel(board, SWITCH)["description"] = json!("");
    }),
    ("panel-units-rule", "none", |board| {
        panel(board, LATENCY)["fieldConfig"]["defaults"]["unit"] = Value::Null;
    }),
    ("panel-units-rule", "no unit of Grafana's", |board| {
        panel(board, LATENCY)["fieldConfig"]["defaults"]["unit"] = json!("seconds");
    }),
    ("panel-no-targets-rule", "an empty panel", |board| {
        panel(board, LATENCY)["targets"] = json!([]);
    }),
    ("target-promql-rule", "a parenthesis", |board| {
        rewrite(board, LATENCY, ")))", "))");
    }),
    ("target-promql-rule", "nothing", |board| {
        panel(board, LATENCY)["targets"][0]["expr"] = json!(" ");
    }),
    ("target-promql-rule", "an unknown variable", |board| {
        rewrite(board, CALLS, "$job", "$jobs");
    }),
    ("target-rate-interval-rule", "fixed", |board| {
        rewrite(board, CALLS, "$__rate_interval", "1m");
    }),
    ("target-rate-interval-rule", "too short", |board| {
        rewrite(board, "Trips by trigger", "$__rate_interval", "$__interval");
    }),
    ("target-job-rule", "no job", |board| {
        rewrite(board, CALLS, "job=~\"$job\", ", "");
    }),
    ("target-job-rule", "equal instead of alike", |board| {
        rewrite(board, CALLS, "job=~", "job=");
    }),
    ("target-instance-rule", "no instance", |board| {
        rewrite(board, LATENCY, ", instance=~\"$instance\"", "");
    }),
    ("target-counter-agg-rule", "a bare counter", |board| {
        rewrite(
            board,
            CALLS,
            "rate(murphy_requests_total",
            "max(murphy_requests_total",
        );
    }),
    ("uneditable-dashboard-rule", "editable", |board| {
        board["editable"] = json!(true);
    }),
    ("metric-exists-rule", "no such metric", |board| {
        rewrite(board, SWITCH, "murphy_kill_switch_tripped", "murphy_kill_switch");
    }),
    ("metric-exists-rule", "no such label", |board| {
        rewrite(board, "Errors by cause", "outcome!~", "result!~");
    }),
    ("metric-exists-rule", "no such metric in a variable", |board| {
        variable(board, "job")["query"]["query"] = json!("label_values(murphy_info, job)");
    }),
    ("metric-exists-rule", "no such metric in an annotation", |board| {
        let expression = &mut annotation(board, "Trips")["expr"];
        *expression = json!(expression.as_str().unwrap().replace("_trips_total", "_trips"));
    }),
    ("target-ref-rule", "twice the same", |board| {
        panel(board, LATENCY)["targets"][1]["refId"] = json!("A");
    }),
    ("panel-id-rule", "twice the same", |board| {
        panel(board, LATENCY)["id"] = json!(1);
    }),
    ("panel-id-rule", "none", |board| {
        panel(board, LATENCY)["id"] = Value::Null;
    }),
    ("panel-layout-rule", "one over another", |board| {
        panel(board, LATENCY)["gridPos"]["x"] = json!(1);
    }),
    ("panel-layout-rule", "beyond the edge", |board| {
        panel(board, LATENCY)["gridPos"]["w"] = json!(25);
    }),
    ("panel-layout-rule", "nowhere", |board| {
        panel(board, LATENCY)["gridPos"] = Value::Null;
    }),
    ("annotation-rule", "a fixed data source", |board| {
        annotation(board, "Trips")["datasource"]["uid"] = json!("prometheus");
    }),
    ("annotation-rule", "all instances", |board| {
        annotation(board, "Trips")["expr"] = json!("murphy_kill_switch_tripped == 1");
    }),
    ("annotation-rule", "two expressions", |board| {
        annotation(board, "Fault windows")["target"]["expr"] = json!("murphy_scenario_active");
    }),
    ("provisioning-rule", "no version", |board| {
        board["schemaVersion"] = Value::Null;
    }),
    ("provisioning-rule", "no uid", |board| {
        board["uid"] = json!("");
    }),
    ("provisioning-rule", "an id", |board| {
        board["id"] = json!(7);
    }),
];
