//! `headers`: header fields are set, added or removed.

use murphy_core::effect::{Effect, HeadEdit, Side};
use murphy_core::problem::{Path, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::{Check, at};
use crate::fields::{FIELDS_MAX, Fields, header_name};
use crate::kind::{Ctx, Kind};

/// Header fields of the request or of the response are removed, set or added, in this order. Fields that say
/// where a message ends, and those that belong to one connection, cannot be touched.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Of which message.
    #[serde(default)]
    pub side: Side,
    /// Fields that replace those of the same name.
    #[serde(default)]
    pub set: Fields,
    /// Fields that are added to those of the same name.
    #[serde(default)]
    pub add: Fields,
    /// Names whose fields are removed.
    #[serde(default)]
    pub remove: Vec<String>,
}

impl Kind for Headers {
    const SUMMARY: &'static str = "Sets, adds or removes header fields of the request or the response.";
    const EXAMPLE: &'static str =
        "headers:\n  side: response\n  set: { cache-control: no-store }\n  remove: [x-request-id]";
    const TERMINAL: bool = false;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if self.set.is_empty() && self.add.is_empty() && self.remove.is_empty() {
            check.add(Problem::new(
                Path::root(),
                "nothing to do",
                "at least one of set, add and remove",
            ));
        }
        if self.remove.len() > FIELDS_MAX {
            check.refuse(
                &["remove"],
                self.remove.len(),
                format!("at most {FIELDS_MAX} names"),
            );
        }
        let path = at(&["remove"]);
        let remove = (self.remove.iter().enumerate())
            .filter_map(|(nth, name)| header_name(&mut check, &path.index(nth), name))
            .collect();
        let edit = HeadEdit {
            side: self.side,
            remove,
            set: self.set.compile(&mut check, &at(&["set"])),
            add: self.add.compile(&mut check, &at(&["add"])),
            malformed: false,
        };
        check.done(vec![Effect::Head(edit)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems};

    use http::{HeaderName, HeaderValue};

    #[test]
    fn fields_are_removed_set_and_added() {
        let name = HeaderName::from_static;
        let value = HeaderValue::from_static;
        let wanted = HeadEdit {
            side: Side::Request,
            remove: vec![name("x-gone")],
            set: vec![(name("x-a"), value("1"))],
            add: vec![(name("x-b"), value("2")), (name("x-b"), value("3"))],
            malformed: false,
        };
        assert_eq!(
            effect("headers: { side: request, set: { X-A: 1 }, add: { x-b: [2, 3] }, remove: [X-Gone] }"),
            Effect::Head(wanted)
        );
    }

    #[test]
    fn an_edit_must_do_something_and_leave_the_framing_alone() {
        assert_eq!(
            problems("headers: {}"),
            ["headers: found nothing to do, wanted at least one of set, add and remove"]
        );
        let found =
            problems("headers: { set: { content-length: 1 }, remove: [x, \"a:\", transfer-encoding] }");
        let places: Vec<_> = found
            .iter()
            .filter_map(|problem| problem.split(": ").next())
            .collect();
        assert_eq!(
            places,
            [
                "headers.remove[1]",
                "headers.remove[2]",
                "headers.set.content-length"
            ]
        );
        let many = vec!["x"; FIELDS_MAX + 1].join(", ");
        assert_eq!(
            problems(&format!("headers: {{ remove: [{many}] }}")),
            ["headers.remove: found 65, wanted at most 64 names"]
        );
        assert_eq!(
            problems(&format!("headers: {{ set: {{ x: [{many}] }} }}")),
            ["headers.set: found 65, wanted at most 64 fields"]
        );
    }
}
