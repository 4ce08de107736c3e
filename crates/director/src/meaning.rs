//! What the values of settings mean together, beyond the type of each.

use murphy_core::problem::{Path, Problem};
use murphy_observe::window::{COUNT_WINDOW_MAX, WINDOW_SECONDS_MAX};

use crate::names;
use crate::settings::{Health, KillSwitchSettings, Settings};

/// The most receivers of alerts.
const ALERTS_MAX: usize = 16;

/// All that is wrong, with paths from the document's root.
pub(crate) fn problems(settings: &Settings) -> Vec<Problem> {
    let root = Path::root();
    let mut problems = Vec::new();
    let control = &settings.control;
    if !control.listen.ip().is_loopback() && control.token_file.is_none() {
        problems.push(Problem::new(
            root.key("control").key("listen"),
            format_args!("{} without control.token_file", control.listen),
            "a loopback address, or a token file",
        ));
    }
    let ports = [settings.proxy.listen, control.listen];
    if ports[0] == ports[1] && ports[0].port() != 0 {
        problems.push(Problem::new(
            root.key("control").key("listen"),
            format_args!("{}, the address of the data path", control.listen),
            "another address",
        ));
    }
    for (nth, start) in settings.scenarios.active.iter().enumerate() {
        if !names::is_scenario_name(&start.name) {
            let path = root.key("scenarios").key("active").index(nth);
            problems.push(Problem::new(
                path,
                format_args!("{:?}", start.name),
                names::WANTED,
            ));
        }
    }
    positive(settings, &mut problems);
    kill_switch(&settings.kill_switch, &root.key("kill_switch"), &mut problems);
    problems
}

/// Numbers of which zero makes no sense.
fn positive(settings: &Settings, problems: &mut Vec<Problem>) {
    let root = Path::root();
    let proxy = &settings.proxy;
    let zero_times = [
        ("proxy", "header_timeout", proxy.header_timeout.0),
        ("proxy", "idle_timeout", proxy.idle_timeout.0),
        ("proxy", "handshake_timeout", proxy.handshake_timeout.0),
        ("scenarios", "max_active", settings.scenarios.max_active.0),
        ("kill_switch", "window", settings.kill_switch.window.0),
        ("kill_switch", "max_age", settings.kill_switch.max_age.0),
    ];
    for (section, key, span) in zero_times {
        if span.is_zero() {
            problems.push(Problem::new(
                root.key(section).key(key),
                "no time at all",
                "a duration above zero",
            ));
        }
    }
    counts(settings, problems);
}

/// Counts and sizes outside their bounds.
fn counts(settings: &Settings, problems: &mut Vec<Problem>) {
    let (proxy, events) = (&settings.proxy, &settings.events);
    let per_peer = proxy.max_connections_per_peer.unwrap_or(1);
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let bounds = [
        (
            "proxy",
            "max_active_faults",
            count(proxy.max_active_faults),
            1,
            u64::MAX,
        ),
        (
            "proxy",
            "max_connections",
            count(proxy.max_connections),
            1,
            u64::MAX,
        ),
        ("proxy", "max_connections_per_peer", count(per_peer), 1, u64::MAX),
        ("proxy", "max_headers", count(proxy.max_headers), 1, 10_000),
        ("proxy", "workers", count(proxy.workers), 0, 1_024),
        (
            "proxy",
            "max_header_bytes",
            proxy.max_header_bytes.0,
            1 << 10,
            16 << 20,
        ),
        ("proxy", "max_body_inspect", proxy.max_body_inspect.0, 0, 1 << 30),
        ("events", "ring", count(events.ring), 1, 1_000_000),
        ("events", "max_size", events.max_size.0, 4 << 10, u64::MAX),
        ("events", "max_files", count(events.max_files), 1, 1_000),
        (
            "metrics",
            "max_series",
            count(settings.metrics.max_series),
            1,
            100_000,
        ),
    ];
    for (section, key, number, least, most) in bounds {
        if !(least..=most).contains(&number) {
            let wanted = match most {
                u64::MAX => format!("at least {least}"),
                most => format!("{least} to {most}"),
            };
            let path = Path::root().key(section).key(key);
            problems.push(Problem::new(path, number, wanted));
        }
    }
}

fn kill_switch(switch: &KillSwitchSettings, base: &Path, problems: &mut Vec<Problem>) {
    let mut wrong =
        |path: Path, found: String, wanted: String| problems.push(Problem::new(path, found, wanted));
    if switch.window.0.as_secs() > WINDOW_SECONDS_MAX {
        let wanted = format!("at most {WINDOW_SECONDS_MAX}s");
        wrong(base.key("window"), switch.window.to_string(), wanted);
    }
    let count = usize::try_from(switch.count_window).unwrap_or(usize::MAX);
    if !(1..=COUNT_WINDOW_MAX).contains(&count) {
        wrong(
            base.key("count_window"),
            count.to_string(),
            format!("1 to {COUNT_WINDOW_MAX}"),
        );
    }
    for (key, number) in [
        ("min_requests", switch.min_requests),
        ("min_samples", switch.min_samples),
    ] {
        if number == 0 {
            wrong(base.key(key), "0".to_owned(), "at least 1".to_owned());
        }
    }
    if switch.min_samples > switch.count_window.max(switch.min_requests) {
        wrong(
            base.key("min_samples"),
            switch.min_samples.to_string(),
            "at most count_window or min_requests: else there is never a verdict".to_owned(),
        );
    }
    if switch.slow_call.is_some() != switch.slow_rate.is_some() {
        let (has, lacks) = if switch.slow_call.is_some() {
            ("slow_call", "slow_rate")
        } else {
            ("slow_rate", "slow_call")
        };
        wrong(
            base.key(has),
            format!("{has} without {lacks}"),
            "both or none".to_owned(),
        );
    }
    if switch.rearm_after.is_some_and(|span| span.0.is_zero()) {
        wrong(
            base.key("rearm_after"),
            "0s".to_owned(),
            "a duration above zero".to_owned(),
        );
    }
    receivers(switch, base, problems);
}

/// Who is told, and who is asked.
fn receivers(switch: &KillSwitchSettings, base: &Path, problems: &mut Vec<Problem>) {
    let mut wrong =
        |path: Path, found: String, wanted: String| problems.push(Problem::new(path, found, wanted));
    if switch.alerts.len() > ALERTS_MAX {
        wrong(
            base.key("alerts"),
            format!("{} receivers", switch.alerts.len()),
            format!("at most {ALERTS_MAX}"),
        );
    }
    let alerts = switch.alerts.iter().enumerate();
    let urls = alerts.map(|(nth, alert)| (base.key("alerts").index(nth), alert.url.as_str()));
    let health = switch
        .health
        .iter()
        .map(|health| (base.key("health"), health.url.as_str()));
    for (path, url) in urls.chain(health) {
        if !is_http_url(url) {
            // The URL of a webhook is often a secret: it is not repeated.
            wrong(
                path.key("url"),
                "something else".to_owned(),
                "a URL that starts with http:// or https://".to_owned(),
            );
        }
    }
    let zero_health = |health: &Health| health.every.0.is_zero() || health.failures == 0;
    if switch.health.as_ref().is_some_and(zero_health) {
        wrong(
            base.key("health"),
            "zero for every or failures".to_owned(),
            "more than zero".to_owned(),
        );
    }
}

fn is_http_url(url: &str) -> bool {
    url.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some())
}

/// What is odd and not wrong.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if !settings.proxy.listen.ip().is_loopback() {
        warnings.push(format!(
            "the data path listens on {}, beyond this machine: whoever reaches it can use the upstreams",
            settings.proxy.listen
        ));
    }
    warnings
}
