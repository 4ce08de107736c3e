//! Values that may be written in several forms: a number or a text, and often a mapping besides.
//!
//! Untagged enums would do it too, but lose the place and the reason of every mistake inside. Mistakes are
//! reported as custom errors, because those are the ones that readers of YAML attach to the very value.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::Deserializer;
use serde::de::{self, MapAccess, Visitor};
use serde_json::{Value, json};

/// A value that is no list and no mapping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// `null`, or no value at all.
    Nothing,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// The error that this scalar is not what was wanted.
    pub(crate) fn refuse<E: de::Error>(self, wanted: &str) -> E {
        E::custom(format_args!("found {self}, wanted {wanted}"))
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A type that may be written in several forms. [`forms!`] makes it `Deserialize`.
pub(crate) trait Forms: Sized {
    /// What may be written, for messages.
    const WANTED: &'static str;

    /// The short form.
    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E>;

    /// The full form, if there is one.
    fn from_map<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(de::Error::custom(format_args!(
            "found a mapping, wanted {}",
            Self::WANTED
        )))
    }
}

/// The visitor of a [`Forms`] type.
pub(crate) struct FormsVisitor<T>(PhantomData<T>);

impl<T> FormsVisitor<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Forms> Visitor<'de> for FormsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::from_scalar(Scalar::Text(text))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        T::from_scalar(Scalar::Whole(number))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::from_scalar(i64::try_from(number).map_or(Scalar::Number(number as f64), Scalar::Whole))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        T::from_scalar(Scalar::Number(number))
    }
    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<T, E> {
        T::from_scalar(Scalar::Flag(flag))
    }
    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        T::from_scalar(Scalar::Nothing)
    }
    fn visit_none<E: de::Error>(self) -> Result<T, E> {
        T::from_scalar(Scalar::Nothing)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

/// Makes a [`Forms`] type readable.
macro_rules! forms {
    ($ty:ty) => {
        impl<'de> serde::Deserialize<'de> for $ty {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::forms::FormsVisitor::<$ty>::new())
            }
        }
    };
}
pub(crate) use forms;

/// Makes a kind whose parameters all have defaults readable from nothing: `hang:`. The kind's derived reader
/// must be inherent (`#[serde(remote = "Self")]`).
macro_rules! may_be_empty {
    ($ty:ty, $wanted:literal) => {
        impl $crate::forms::Forms for $ty {
            const WANTED: &'static str = $wanted;

            fn from_scalar<E: serde::de::Error>(scalar: $crate::forms::Scalar<'_>) -> Result<Self, E> {
                match scalar {
                    $crate::forms::Scalar::Nothing => Ok(Self::default()),
                    other => Err(other.refuse(Self::WANTED)),
                }
            }
            fn from_map<'de, A: serde::de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
                Self::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }
        $crate::forms::forms!($ty);
    };
}
pub(crate) use may_be_empty;

/// The whole numbers that parameters are made of.
pub(crate) trait Int: TryFrom<i64> {
    const WANTED: &'static str;
}

impl Int for u16 {
    const WANTED: &'static str = "a whole number from 0 to 65535";
}

impl Int for u32 {
    const WANTED: &'static str = "a whole number from 0 to 4294967295";
}

impl Int for i64 {
    const WANTED: &'static str = "a whole number";
}

struct Whole<T>(T);

impl<T: Int> Forms for Whole<T> {
    const WANTED: &'static str = T::WANTED;

    fn from_scalar<E: de::Error>(scalar: Scalar<'_>) -> Result<Self, E> {
        let number = match scalar {
            Scalar::Whole(number) => T::try_from(number).ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| scalar.refuse(Self::WANTED))
    }
}

/// Reads a whole number; a mistake is reported with what was found and what was wanted.
pub(crate) fn whole<'de, T: Int, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer
        .deserialize_any(FormsVisitor::<Whole<T>>::new())
        .map(|Whole(number)| number)
}

/// Turns the schema of the full form into one that takes `short` as well.
pub(crate) fn or_short(schema: &mut Schema, short: Value) {
    let mut full = std::mem::take(schema).to_value();
    let description = full
        .as_object_mut()
        .and_then(|object| object.remove("description"));
    let mut both = Schema::try_from(json!({ "anyOf": [full, short] })).unwrap_or_default();
    if let Some(description) = description {
        both.insert("description".to_owned(), description);
    }
    *schema = both;
}

/// Turns the schema of the full form into one that takes `null` as well.
pub(crate) fn or_nothing(schema: &mut Schema) {
    or_short(schema, json!({ "type": "null" }));
}
