//! Amounts that carry their unit: durations and sizes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::NameError;

const SPAN: &str = "a duration with its unit (ms, s, m, h), such as \"500ms\" or \"30s\"";
const SIZE: &str = "a size with its unit (B, KiB, MiB, GiB), such as \"64MiB\"";

const SPAN_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A duration in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// So many whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }
}

impl From<Span> for std::time::Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(span.0)
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// Reads `<digits><unit>`; the product has to fit.
fn parse(text: &str, units: &[(&str, u64)], expected: &'static str) -> Result<u64, NameError> {
    let error = || NameError { seen: text.to_owned(), expected };
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (digits, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1;
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(error)
}

/// Writes the amount in the largest unit that divides it, so that equal amounts read the same.
fn write(amount: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let smallest = units[units.len() - 1];
    let (unit, factor) = if amount == 0 {
        smallest
    } else {
        units.iter().copied().find(|(_, factor)| amount.is_multiple_of(*factor)).unwrap_or(smallest)
    };
    write!(f, "{}{unit}", amount / factor)
}

macro_rules! unit {
    ($name:ident, $units:expr, $expected:expr, $pattern:expr) => {
        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                parse(text, &$units, $expected).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, &$units, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $expected, "pattern": $pattern })
            }
        }
    };
}

unit!(Span, SPAN_UNITS, SPAN, "^[0-9]{1,9}(ms|s|m|h)$");
unit!(Size, SIZE_UNITS, SIZE, "^[0-9]{1,12}(B|KiB|MiB|GiB)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_the_same_after_a_round_trip() {
        for (text, canonical) in [("500ms", "500ms"), ("1000ms", "1s"), ("90s", "90s"), ("120s", "2m"), ("0s", "0ms")] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), canonical);
        }
        for (text, canonical) in [("64MiB", "64MiB"), ("1024KiB", "1MiB"), ("7B", "7B")] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn an_amount_without_a_unit_is_refused() {
        for bad in ["30", "s", "", "-1s", "1.5s", "1 s", "1d", "99999999999999999999h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
        for bad in ["64", "64MB", "64mib"] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?}");
        }
    }
}
