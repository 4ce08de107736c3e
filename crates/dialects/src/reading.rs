//! Reading facts from a body: what is not as it should be is not a fact.

use serde_json::Value;

/// How many entries a list has.
pub(crate) fn length(list: Option<&Value>) -> Option<u32> {
    u32::try_from(list?.as_array()?.len()).ok()
}

/// The names in a list of things; `name` finds that of one.
pub(crate) fn names<'v>(
    list: Option<&'v Value>,
    name: impl Fn(&'v Value) -> Option<&'v Value>,
) -> Vec<String> {
    let things = list.and_then(Value::as_array).into_iter().flatten();
    things
        .filter_map(|thing| name(thing)?.as_str())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_list_and_has_no_name_is_left_out() {
        assert_eq!(length(Some(&json!([1, 2]))), Some(2));
        assert_eq!((length(Some(&json!({}))), length(None)), (None, None));
        let list = json!([{ "name": "a" }, { "name": 3 }, "b", { "name": "c" }]);
        assert_eq!(names(Some(&list), |thing| thing.get("name")), ["a", "c"]);
        assert!(names(Some(&json!("x")), Some).is_empty());
    }
}
