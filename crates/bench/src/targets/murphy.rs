//! Murphy's configuration for a measurement.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::PREFIX;
use crate::Void;
use crate::load::fetch;
use crate::process::Server;

/// The route to the origin.
pub const ROUTE: &str = "bench";
/// A route that nothing is sent to.
pub const OTHER: &str = "other";

/// The most rules that a scenario has.
const RULES_OF_A_SCENARIO: usize = 250;

/// More than any part opens. Murphy lowers it to what the limit of open files allows.
const CONNECTIONS_MAX: usize = 12_000;

/// What it is given.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Scenarios, all of which are switched on: name and text.
    pub scenarios: Vec<(String, String)>,
    /// How many rules of them name the route to the origin.
    pub rules: usize,
    /// How many routes there are: the one to the origin, the other one, more of that kind.
    pub routes: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            scenarios: Vec::new(),
            rules: 0,
            routes: 2,
        }
    }
}

impl Setup {
    /// Rules that name a route and match none of its calls: half ask for a path that nobody calls, half for a header
    /// that nobody sends.
    #[must_use]
    pub fn idle_rules(route: &str, count: usize) -> Self {
        let numbers: Vec<usize> = (0..count).collect();
        let scenarios = numbers.chunks(RULES_OF_A_SCENARIO).enumerate();
        Self {
            scenarios: scenarios
                .map(|(nth, numbers)| idle(nth, route, numbers))
                .collect(),
            rules: if route == ROUTE { count } else { 0 },
            ..Self::default()
        }
    }

    /// One rule for every call of the route, with probability 0.
    #[must_use]
    pub fn never() -> Self {
        Self::one(&format!(
            "rules:\n  - name: never\n    when: {{ route: {ROUTE} }}\n    often: {{ probability: 0 }}\n    \
             fault: {{ error: internal }}\n"
        ))
    }

    /// One rule that delays every call of the route by so many milliseconds.
    #[must_use]
    pub fn delay(milliseconds: u64) -> Self {
        Self::one(&format!(
            "rules:\n  - name: late\n    when: {{ route: {ROUTE} }}\n    fault: {{ delay: {milliseconds}ms }}\n"
        ))
    }

    /// Many routes, none with a rule. The route to the origin is found last: its prefix is the shortest.
    #[must_use]
    pub fn routes(count: usize) -> Self {
        Self {
            routes: count,
            ..Self::default()
        }
    }

    fn one(text: &str) -> Self {
        Self {
            scenarios: vec![("bench".to_owned(), text.to_owned())],
            rules: 1,
            ..Self::default()
        }
    }

    /// Writes configuration and scenarios into a folder.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn write(&self, folder: &Path, upstream: SocketAddr) -> io::Result<()> {
        let scenarios = folder.join("scenarios");
        std::fs::create_dir(&scenarios)?;
        for (name, text) in &self.scenarios {
            std::fs::write(scenarios.join(format!("{name}.yaml")), text)?;
        }
        std::fs::write(folder.join("murphy.toml"), self.configuration(upstream))
    }

    fn configuration(&self, upstream: SocketAddr) -> String {
        let each = |(name, _): &(String, String)| format!("{{ name = \"{name}\", for = \"forever\" }}");
        let active: Vec<String> = self.scenarios.iter().map(each).collect();
        let mut text = format!(
            "[log]\nlevel = \"error\"\n\n[proxy]\nlisten = \"127.0.0.1:0\"\nmax_connections = {CONNECTIONS_MAX}\n\n\
             [control]\nlisten = \"127.0.0.1:0\"\n\n\
             [scenarios]\ndir = \"scenarios\"\nactive = [{}]\n",
            active.join(", ")
        );
        for nth in 0..self.routes {
            let (name, path) = match nth {
                0 => (ROUTE.to_owned(), PREFIX.to_owned()),
                1 => (OTHER.to_owned(), "/other-route".to_owned()),
                nth => (format!("more-{nth}"), format!("/more/routes/{nth}")),
            };
            let route = format!("name = \"{name}\"\npath = \"{path}\"\nupstream = \"http://{upstream}\"");
            write!(text, "\n[[routes]]\n{route}\n").ok();
        }
        text
    }

    /// Asks a daemon whether it has in force what it was given.
    ///
    /// # Errors
    /// If it has not.
    pub async fn verify(&self, daemon: &Server) -> Result<(), Void> {
        let control = daemon.addrs.get(1).ok_or("murphy has no control address")?;
        let routes: Value = serde_json::from_slice(&fetch(*control, "/api/v1/routes").await?)?;
        let routes = routes.as_array().ok_or("murphy does not list its routes")?;
        let bench = routes
            .iter()
            .find(|route| route.get("name").is_some_and(|name| name == ROUTE));
        let rules = bench.and_then(|route| route.get("rules")).and_then(Value::as_u64);
        let found = (routes.len(), rules);
        let wanted = (self.routes, Some(self.rules as u64));
        if found == wanted {
            return Ok(());
        }
        Err(
            format!("murphy has (routes, rules of the route) {found:?} in force instead of {wanted:?}")
                .into(),
        )
    }
}

fn idle(nth: usize, route: &str, numbers: &[usize]) -> (String, String) {
    let mut text = "rules:\n".to_owned();
    for number in numbers {
        let when = match number % 2 {
            0 => format!("path: \"/never-{number}/**\""),
            _ => format!("header: {{ x-never-{number}: \"*\" }}"),
        };
        let rule = format!("name: idle-{number}\n    when: {{ route: {route}, {when} }}");
        writeln!(text, "  - {rule}\n    fault: {{ error: internal }}").ok();
    }
    (format!("idle-{nth}"), text)
}
