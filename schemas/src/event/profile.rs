//! Profiles, their tokens, and who is a member where. No mail address and no token is in them: events are for ever.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::Role;
use crate::descriptors::Guards;
use crate::names::{Owner, ProfileName};

/// Somebody has a profile from now on. Its event's id is the profile's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCreated {
    /// What it is called.
    pub name: ProfileName,
    /// Whether it may do everything everywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
}

/// A profile is gone, with the key to all that was sealed for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileErased {
    /// Its id.
    pub profile: Uuid,
}

/// A token was made. Its event's id is the token's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// Whose it is.
    pub profile: Uuid,
    /// What it is for.
    pub name: String,
    /// The keyed digest of it, in hexadecimal: the token itself is shown once and kept nowhere.
    pub digest: String,
    /// The end of its validity; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A token opens nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// Its id.
    pub token: Uuid,
}

/// A profile has a role with an owner from now on, instead of the one that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSet {
    /// With whom.
    pub owner: Owner,
    /// Who.
    pub profile: Uuid,
    /// As what.
    pub role: Role,
}

/// A profile has no role with an owner any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRemoved {
    /// With whom.
    pub owner: Owner,
    /// Who.
    pub profile: Uuid,
}

/// An owner has another policy from now on: what no push to a deploy branch of theirs may bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Whose.
    pub owner: Owner,
    /// All of it.
    pub guards: Guards,
}
