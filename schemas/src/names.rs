//! The names of things, parsed once at the border and true ever after.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{seen}` is not {expected}")]
pub struct NameError {
    /// The text as it came in.
    pub seen: String,
    /// What would have been right, as a noun phrase.
    pub expected: &'static str,
}

const LABEL: &str = "a lower-case DNS label of at most 63 characters, such as `web-1`";
const LABEL_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const KEY: &str = "a lower-case key of letters, digits and `_` that starts with a letter, such as `db_url`";
const KEY_PATTERN: &str = "^[a-z][a-z0-9_]{0,127}$";

/// Whether `text` is an RFC 1123 label in lower case.
fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    (1..=63).contains(&bytes.len()) && bytes.iter().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $test:path, $expected:expr, $pattern:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $test(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { seen: text.to_owned(), expected: $expected })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
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

name!(
    /// A person or a team that owns fleets.
    Owner, is_label, LABEL, LABEL_PATTERN
);
name!(
    /// The second half of a fleet's name.
    FleetName, is_label, LABEL, LABEL_PATTERN
);
name!(
    /// A descriptor: a container, a volume, a task or a group of variables.
    Name, is_label, LABEL, LABEL_PATTERN
);
name!(
    /// A Docker host with an agent.
    NodeName, is_label, LABEL, LABEL_PATTERN
);
name!(
    /// Somebody who can be let in: a person or a program.
    ProfileName, is_label, LABEL, LABEL_PATTERN
);
name!(
    /// A variable or a secret.
    Key, is_key, KEY, KEY_PATTERN
);

impl ProfileName {
    /// The profile of the first token, which may do everything.
    pub fn admin() -> Self {
        Self("admin".into())
    }
}

/// A fleet's whole name, `owner/fleet`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetId {
    /// Who owns it.
    pub owner: Owner,
    /// What it is called there.
    pub name: FleetName,
}

impl fmt::Display for FleetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for FleetId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError {
            seen: text.to_owned(),
            expected: "an owner and a fleet, such as `acme/shop`, each a lower-case DNS label",
        };
        let (owner, name) = text.split_once('/').ok_or_else(error)?;
        Ok(Self { owner: owner.parse().map_err(|_| error())?, name: name.parse().map_err(|_| error())? })
    }
}

impl Serialize for FleetId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FleetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who does something: a profile that a door has authenticated, or a service such as `shazam`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

/// A Git object id in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Oid(Box<str>);

impl Oid {
    /// The id in hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Git's id of a file that says this.
    pub fn of_blob(content: &[u8]) -> Self {
        let mut hash = sha1_smol::Sha1::new();
        hash.update(format!("blob {}\0", content.len()).as_bytes());
        hash.update(content);
        Self(hash.digest().to_string().into_boxed_str())
    }

    /// The first eight digits, as people read them.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// `None` for Git's all-zero id, which says "no object".
    pub fn parse_present(text: &str) -> Result<Option<Self>, NameError> {
        if text.len() >= 40 && text.bytes().all(|b| b == b'0') { Ok(None) } else { text.parse().map(Some) }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Oid {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && (text.len() == 40 || text.len() == 64) {
            Ok(Self(text.into()))
        } else {
            Err(NameError { seen: text.to_owned(), expected: "a Git object id of 40 or 64 hexadecimal digits" })
        }
    }
}

impl<'de> Deserialize<'de> for Oid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_rfc_1123_in_lower_case() {
        let long = "a".repeat(63);
        for good in ["a", "web-1", "0", long.as_str()] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let longer = "a".repeat(64);
        for bad in ["", "Web", "-a", "a-", "a.b", "a_b", "ä", longer.as_str(), "a/b", ".."] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fleets_have_exactly_two_parts() {
        assert_eq!("acme/shop".parse::<FleetId>().unwrap().to_string(), "acme/shop");
        for bad in ["acme", "acme/", "/shop", "acme/shop/x", "Acme/shop", "../shop"] {
            assert!(bad.parse::<FleetId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_zero_id_is_no_object() {
        assert_eq!(Oid::parse_present(&"0".repeat(40)).unwrap(), None);
        assert!(Oid::parse_present(&"a".repeat(40)).unwrap().is_some());
        assert!(Oid::parse_present("main").is_err());
    }
}
