//! `delay`: wait, then go on.

use std::time::Duration;

use murphy_core::draw::Law;
use murphy_core::effect::{Delay as DelayEffect, DelayAt, Effect};
use murphy_core::problem::{Path, Problem};
use murphy_core::span::{DURATION_MAX, Span, parse_duration};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess};
use serde_json::json;

use crate::check::Check;
use crate::forms::{Forms, Scalar, forms, or_short};
use crate::kind::{Ctx, Kind};

/// The longest wait unless `cap` says otherwise.
pub const CAP_DEFAULT: Duration = Duration::from_secs(600);

const LAWS: [&str; 6] = ["fixed", "uniform", "normal", "lognormal", "pareto", "exponential"];

/// The call waits and then goes on as if nothing had happened. How long follows one of six laws; `delay: 2s`
/// is short for `delay: { fixed: 2s }`. The wait is drawn when the call is decided, so that a seed reproduces
/// it, and ends at once when the fault is switched off.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Delay", transform = all_forms)]
pub struct Delay {
    /// Always the same wait.
    pub fixed: Option<Span>,
    /// Any wait between two bounds is equally likely.
    pub uniform: Option<Uniform>,
    /// Waits around a mean, cut at zero.
    pub normal: Option<Normal>,
    /// Waits like those of real services: most are near the median, some are much longer.
    pub lognormal: Option<LogNormal>,
    /// A heavy tail above a minimum.
    pub pareto: Option<Pareto>,
    /// Waits between events that come independently.
    pub exponential: Option<Exponential>,
    /// When: before the request goes upstream, before the response's head, or before its body.
    #[serde(default)]
    pub at: DelayAt,
    /// No wait is longer than this (10 minutes unless it is given).
    pub cap: Option<Span>,
}

/// Bounds of a uniform law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Uniform {
    /// The shortest wait.
    pub min: Span,
    /// The longest wait.
    pub max: Span,
}

/// Parameters of a normal law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Normal {
    /// The mean.
    pub mean: Span,
    /// The standard deviation.
    pub deviation: Span,
}

/// Parameters of a lognormal law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct LogNormal {
    /// The median: half of the waits are longer.
    pub median: Span,
    /// The standard deviation of the natural logarithm; 1 makes one wait in a hundred ten times the median.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub sigma: f64,
}

/// Parameters of a Pareto law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Pareto {
    /// The shortest wait.
    pub min: Span,
    /// The shape; the smaller, the heavier the tail.
    #[schemars(range(min = 0.1, max = 100.0))]
    pub shape: f64,
}

/// Parameters of an exponential law.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Exponential {
    /// The mean.
    pub mean: Span,
}

fn all_forms(schema: &mut Schema) {
    let one: Vec<_> = LAWS.iter().map(|law| json!({ "required": [law] })).collect();
    schema.insert("oneOf".to_owned(), one.into());
    or_short(
        schema,
        json!({ "type": "string", "description": "A fixed wait.", "examples": ["2s"] }),
    );
}

impl Forms for Delay {
    const WANTED: &'static str =
        "a duration such as 2s, or one law: { normal: { mean: 800ms, deviation: 200ms } }";

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let Scalar::Text(text) = scalar else {
            return Err(scalar.refuse(Self::WANTED));
        };
        let wait = parse_duration(text).map_err(E::custom)?;
        Ok(Self {
            fixed: Some(Span(wait)),
            ..Self::default()
        })
    }
}
forms!(Delay);

impl Delay {
    /// The laws that were written, with their parameters checked.
    fn laws(&self, check: &mut Check) -> Vec<(&'static str, Law)> {
        let mut laws = Vec::new();
        if let Some(Span(wait)) = self.fixed {
            check.some_time(&["fixed"], wait);
            laws.push(("fixed", Law::Fixed(wait)));
        }
        if let Some(Uniform { min, max }) = self.uniform {
            check.some_time(&["uniform", "max"], max.0);
            if min > max {
                check.refuse(&["uniform", "min"], min, format!("at most max, which is {max}"));
            }
            laws.push((
                "uniform",
                Law::Uniform {
                    min: min.0,
                    max: max.0,
                },
            ));
        }
        if let Some(Normal { mean, deviation }) = self.normal {
            check.some_time(&["normal", "mean"], mean.0);
            laws.push((
                "normal",
                Law::Normal {
                    mean: mean.0,
                    deviation: deviation.0,
                },
            ));
        }
        if let Some(LogNormal { median, sigma }) = self.lognormal {
            check.some_time(&["lognormal", "median"], median.0);
            check.within(&["lognormal", "sigma"], sigma, &(0.0..=10.0));
            laws.push((
                "lognormal",
                Law::LogNormal {
                    median: median.0,
                    sigma,
                },
            ));
        }
        if let Some(Pareto { min, shape }) = self.pareto {
            check.some_time(&["pareto", "min"], min.0);
            check.within(&["pareto", "shape"], shape, &(0.1..=100.0));
            laws.push(("pareto", Law::Pareto { min: min.0, shape }));
        }
        if let Some(Exponential { mean }) = self.exponential {
            check.some_time(&["exponential", "mean"], mean.0);
            laws.push(("exponential", Law::Exponential { mean: mean.0 }));
        }
        laws
    }
}

impl Kind for Delay {
    const SUMMARY: &'static str = "Waits by a law of latency, then goes on.";
    const EXAMPLE: &'static str =
        "delay:\n  lognormal: { median: 800ms, sigma: 0.6 }\n  at: headers\n  cap: 30s";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        let laws = self.laws(&mut check);
        if laws.len() != 1 {
            let found = match laws.as_slice() {
                [] => "no law".to_owned(),
                laws => laws
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(" and "),
            };
            check.add(Problem::new(
                Path::root(),
                found,
                format!("one of {}", LAWS.join(", ")),
            ));
        }
        let cap = self.cap.map_or(CAP_DEFAULT, |cap| cap.0);
        check.some_time(&["cap"], cap);
        if let Some(Span(fixed)) = self.fixed
            && fixed > cap
        {
            let wanted = format!("at most the cap, which is {}", Span(cap));
            let problem = Problem::new(Path::root().key("fixed"), Span(fixed), wanted);
            check.add(problem.hint(format!("a larger cap can be given, up to {}", Span(DURATION_MAX))));
        }
        let effect = laws.first().map(|(_, law)| {
            Effect::Delay(DelayEffect {
                at: self.at,
                law: *law,
                cap,
            })
        });
        check.done_with(effect.map(|effect| vec![effect]))
    }
}

#[cfg(test)]
mod tests;
