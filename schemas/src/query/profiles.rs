//! What is asked of the profiles on `req.profiles.<verb>`. What writes carries who asks: the service decides with
//! `access::allow` what only it can, such as whose token one is.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Role, Who};
use crate::names::{Owner, ProfileName};

/// A mail address. Never in an event, never in a log: its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mail(String);

impl Mail {
    /// Characters at most (RFC 5321).
    const LONGEST: usize = 254;

    /// Reads an address. The error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let text = text.trim();
        let plain = text.len() <= Self::LONGEST && !text.chars().any(|it| it.is_whitespace() || it.is_control());
        let halves = text.rsplit_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !name.contains('@') && !host.is_empty() && !host.contains(['/', ':', '<', '>'])
        });
        if plain && halves { Ok(Self(text.to_owned())) } else { Err(NotAnAddress) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(..)")
    }
}

/// Why a text is no mail address. It does not say which text: that may be one all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address: expected NAME@HOST of at most 254 characters")]
pub struct NotAnAddress;

/// `req.profiles.list`: profiles in the order of their names: all of them for the admin, one's own for everybody else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfilesRequest {
    /// Who asks.
    pub by: Who,
    /// Only those after this one.
    #[serde(default)]
    pub after: Option<ProfileName>,
    /// At most so many.
    pub limit: u32,
    /// Wait until the profiles are there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`ProfilesRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfilesAnswer {
    /// Position of the profiles when they answered.
    pub position: u64,
    /// The page.
    pub profiles: Vec<ProfileLine>,
    /// Whether there are more.
    pub more: bool,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileLine {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: ProfileName,
    /// Whether it may do everything everywhere.
    pub admin: bool,
    /// Since when it is there.
    pub created: Timestamp,
    /// Where its mail goes, where it said so.
    pub email: Option<Mail>,
    /// What it is with whom.
    pub roles: BTreeMap<Owner, Role>,
}

/// `req.profiles.create`: make a profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateProfile {
    /// Who asks.
    pub by: Who,
    /// The event's id, and so the profile's: the same id makes one profile, however often it is asked.
    pub id: Uuid,
    /// What it is to be called.
    pub name: ProfileName,
    /// Where its mail goes.
    pub email: Option<Mail>,
}

/// The answer to [`CreateProfile`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProfileMade {
    /// Position of its event.
    pub position: u64,
    /// The profile.
    pub profile: ProfileLine,
}

/// `req.profiles.mail`: change or take a profile's mail address. It is in no event, so neither is its change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetMail {
    /// Who asks: the admin, or whose it is.
    pub by: Who,
    /// Whose.
    pub name: ProfileName,
    /// Where its mail goes from now on; none: nowhere.
    pub email: Option<Mail>,
}

/// `req.profiles.erase`: erase a profile, and all that was sealed for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EraseProfile {
    /// Who asks.
    pub by: Who,
    /// The event's id.
    pub id: Uuid,
    /// Which.
    pub name: ProfileName,
}

/// The answer to what changes something and has nothing else to tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Done {
    /// Position from which on it is so.
    pub position: u64,
}

/// `req.profiles.tokens`: tokens that are neither revoked nor a gone profile's, the oldest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokensRequest {
    /// Who asks: all tokens for the admin, one's own for everybody else.
    pub by: Who,
    /// Only this profile's.
    #[serde(default)]
    pub profile: Option<ProfileName>,
    /// Only those after this one.
    #[serde(default)]
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
    /// Wait until the profiles are there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`TokensRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokensAnswer {
    /// Position of the profiles when they answered.
    pub position: u64,
    /// The page.
    pub tokens: Vec<TokenLine>,
    /// Whether there are more.
    pub more: bool,
}

/// One token. What it opens with is not in it: that is shown once and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLine {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub profile: ProfileName,
    /// What it is for.
    pub name: String,
    /// Since when it is there.
    pub created: Timestamp,
    /// The end of its validity; none: it has none.
    pub expires: Option<Timestamp>,
    /// The hour in which it was last used, as far as it is known.
    pub last_used: Option<Timestamp>,
}

/// Until when a token is to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expiry {
    /// As long as tokens usually are: 90 days.
    Usual,
    /// For ever.
    Never,
    /// Until then.
    At(Timestamp),
}

/// `req.profiles.token`: make a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateToken {
    /// Who asks.
    pub by: Who,
    /// The event's id, and so the token's.
    pub id: Uuid,
    /// Whose it is to be.
    pub profile: ProfileName,
    /// What it is for.
    pub name: String,
    /// Until when.
    pub expires: Expiry,
}

/// The answer to [`CreateToken`].
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenMade {
    /// Position of its event.
    pub position: u64,
    /// The token as a list shows it.
    pub line: TokenLine,
    /// The token itself, this once.
    pub token: String,
}

impl fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenMade").field("line", &self.line).finish_non_exhaustive()
    }
}

/// `req.profiles.revoke`: revoke a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeToken {
    /// Who asks.
    pub by: Who,
    /// The event's id.
    pub id: Uuid,
    /// Which.
    pub token: Uuid,
}

/// `req.profiles.members`: who is what with an owner, in the order of their names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MembersRequest {
    /// With whom.
    pub owner: Owner,
    /// Only those after this one.
    #[serde(default)]
    pub after: Option<ProfileName>,
    /// At most so many.
    pub limit: u32,
    /// Wait until the profiles are there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`MembersRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MembersAnswer {
    /// Position of the profiles when they answered.
    pub position: u64,
    /// The page.
    pub members: Vec<MemberLine>,
    /// Whether there are more.
    pub more: bool,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// Who.
    pub profile: ProfileName,
    /// As what.
    pub role: Role,
}

/// `req.profiles.member`: give somebody a role with an owner, or take it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetMember {
    /// Who asks.
    pub by: Who,
    /// The event's id.
    pub id: Uuid,
    /// With whom.
    pub owner: Owner,
    /// Who.
    pub profile: ProfileName,
    /// As what; none: not any more.
    pub role: Option<Role>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_halves_and_is_never_repeated() {
        for good in ["ann@example.org", " a.b+c@sub.example.org ", "\u{e4}@example.org", "a@localhost"] {
            assert_eq!(Mail::parse(good).unwrap().as_str(), good.trim());
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for bad in ["", "ann", "@example.org", "ann@", "a b@example.org", "a@b@c", "Ann <a@b>", long.as_str()] {
            let error = Mail::parse(bad).unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        assert_eq!(format!("{:?}", Mail::parse("ann@example.org").unwrap()), "Mail(..)");
    }
}
