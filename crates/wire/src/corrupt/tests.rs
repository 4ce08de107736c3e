//! Tests of damaged bodies.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const JSON_KINDS: [Corrupt; 4] = [
    Corrupt::UnclosedString,
    Corrupt::TrailingComma,
    Corrupt::WrongQuote,
    Corrupt::Nan,
];

/// Any JSON value of a moderate size.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| Value::from(number)),
        r#"[a-z"\\/\n{}\[\],:' é☃]{0,8}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((r#"[a-z"\\:,é]{0,4}"#, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn damage(body: &str, how: Corrupt, bits: u64) -> Result<String, Skip> {
    corrupt(body.as_bytes(), how, bits).map(|damaged| String::from_utf8(damaged.body).unwrap())
}

#[test]
fn each_kind_does_what_it_is_called() {
    let body = r#"{"a":[1]}"#;
    for (how, want) in [
        (Corrupt::UnclosedString, r#"{"a:[1]}"#),
        (Corrupt::TrailingComma, r#"{"a":[1,]}"#),
        (Corrupt::WrongQuote, r#"{'a':[1]}"#),
        (Corrupt::Nan, r#"{"a":[NaN]}"#),
    ] {
        assert_eq!(damage(body, how, 0).as_deref(), Ok(want), "{how:?}");
    }
}

#[test]
fn the_bits_choose_the_place() {
    let body = r#"{"a":1,"b":2,"c":3}"#;
    let places: std::collections::BTreeSet<String> = (0..3)
        .map(|bits| damage(body, Corrupt::Nan, bits).unwrap())
        .collect();
    assert_eq!(places.len(), 3);
}

#[test]
fn what_cannot_be_damaged_is_said_so() {
    for how in JSON_KINDS {
        assert_eq!(damage("<html>", how, 1), Err(Skip::NotJson), "{how:?}");
        assert_eq!(damage("", how, 1), Err(Skip::DoesNotApply), "{how:?}");
    }
    assert_eq!(damage("[1]", Corrupt::WrongQuote, 1), Err(Skip::DoesNotApply));
    assert_eq!(damage("1", Corrupt::TrailingComma, 1), Err(Skip::DoesNotApply));
    assert_eq!(damage("[[]]", Corrupt::Nan, 1), Err(Skip::DoesNotApply));
    assert_eq!(damage("x", Corrupt::FlipBytes(0), 1), Err(Skip::DoesNotApply));
}

#[test]
fn a_byte_that_is_no_utf8_stands_inside_a_string() {
    for bits in 0..50 {
        let damaged = corrupt(br#"[10000000, "ab"]"#, Corrupt::InvalidUtf8, bits << 31).unwrap();
        assert!((12..15).contains(&damaged.at), "{damaged:?}");
        assert_eq!(damaged.body[damaged.at], 0xff);
    }
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn json_is_no_json_any_more(value in json(), bits: u64, pretty: bool) {
        let body = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        for how in JSON_KINDS {
            match corrupt(&body, how, bits) {
                Ok(damaged) => {
                    prop_assert!(serde_json::from_slice::<Value>(&damaged.body).is_err(), "{how:?}");
                    prop_assert!(std::str::from_utf8(&damaged.body).is_ok());
                    prop_assert_eq!(corrupt(&body, how, bits), Ok(damaged));
                }
                // Only because the text has no such part.
                Err(skip) => {
                    prop_assert_eq!(skip, Skip::DoesNotApply);
                    let text = String::from_utf8(body.clone()).unwrap();
                    let lacks_the_part = match how {
                        Corrupt::UnclosedString | Corrupt::WrongQuote => !text.contains('"'),
                        Corrupt::TrailingComma => !value.is_array() && !value.is_object(),
                        _ => value.is_array() || value.is_object(),
                    };
                    prop_assert!(lacks_the_part, "{text}");
                }
            }
        }
    }

    #[test]
    fn utf8_is_none_any_more(body in proptest::collection::vec(any::<u8>(), 1..100), value in json(), bits: u64) {
        for body in [body, serde_json::to_vec(&value).unwrap()] {
            let damaged = corrupt(&body, Corrupt::InvalidUtf8, bits).unwrap();
            prop_assert!(std::str::from_utf8(&damaged.body).is_err());
        }
    }

    #[test]
    fn just_so_many_bytes_are_changed(
        body in proptest::collection::vec(any::<u8>(), 1..300), count in 1_u32..400, bits: u64,
    ) {
        let damaged = corrupt(&body, Corrupt::FlipBytes(count), bits).unwrap();
        let changed: Vec<usize> = (0..body.len()).filter(|at| body[*at] != damaged.body[*at]).collect();
        prop_assert_eq!(damaged.body.len(), body.len());
        prop_assert_eq!(changed.len(), (count as usize).min(body.len()));
        prop_assert_eq!(changed[0], damaged.at);
    }
}
