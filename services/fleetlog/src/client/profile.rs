//! `fleetlog profile`, `token` and `member`: who there is, what opens the door, who is what with whom.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use schemas::names::ProfileName;
use schemas::query::{MemberLine, ProfileLine, TokenLine};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use crate::cli::{MemberCommand, ProfileCommand, TokenCommand};

const PROFILES: &str = "/v1/profiles";
const TOKENS: &str = "/v1/tokens";
/// Things in one page of a list.
const PAGE: &str = "1000";

/// Until when a token is to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// For ever.
    Never,
    /// For so long from now.
    In(SignedDuration),
    /// Until then.
    At(Timestamp),
}

impl FromStr for Expires {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let hours = |unit: char, of: i64| text.strip_suffix(unit)?.parse::<u16>().ok().map(|it| i64::from(it) * of);
        if let Some(hours) = hours('d', 24).or_else(|| hours('h', 1)) {
            return Ok(Self::In(SignedDuration::from_hours(hours)));
        }
        text.parse().map(Self::At).map_err(|_| format!("`{text}` is no `30d`, `12h`, RFC 3339 time, or `never`"))
    }
}

#[derive(Deserialize)]
struct Made {
    id: Uuid,
    token: String,
    profile: ProfileName,
    expires: Option<Timestamp>,
}

/// `fleetlog profile …`
pub fn profile(command: &ProfileCommand) -> Result<(), Failure> {
    let remote = Remote::find()?;
    match command {
        ProfileCommand::Add { name, email, output } => {
            let mut body = json!({ "name": name });
            if let Some(email) = email {
                body["email"] = json!(email);
            }
            let made: Value = remote.send("POST", PROFILES, Some(&body))?.read()?;
            if output.json {
                return out::json(&made);
            }
            out::line(&format!("made the profile `{name}`"))
        }
        ProfileCommand::List { output } => {
            let all: Vec<Value> = pages(&remote, PROFILES, "profiles", &[])?;
            if output.json {
                return out::json(&json!({ "profiles": all }));
            }
            let mut table = vec![row(["NAME", "ROLES", "MAIL", "SINCE"])];
            for it in read::<ProfileLine>(all)? {
                let roles: Vec<_> = it.roles.iter().map(|(owner, role)| format!("{owner}:{role}")).collect();
                let roles = if it.admin { "everything".to_owned() } else { or_dash(roles.join(" ")) };
                let mail = it.email.as_ref().map_or("-", |it| it.as_str());
                table.push(row([it.name.as_str(), &roles, mail, &format!("{:.0}", it.created)]));
            }
            out::table("", &table)
        }
        ProfileCommand::Email { name, email, none: _, output } => {
            let body = json!({ "email": email });
            let changed: Value = remote.send("PUT", &format!("{PROFILES}/{name}"), Some(&body))?.read()?;
            if output.json {
                return out::json(&changed);
            }
            let now = if email.is_some() { "has another mail address" } else { "has no mail address any more" };
            out::line(&format!("`{name}` {now}"))
        }
        ProfileCommand::Erase { name, yes: false } => Err(Failure::Usage(format!(
            "erasing `{name}` cannot be undone, and its name is never given again: say --yes"
        ))),
        ProfileCommand::Erase { name, yes: true } => {
            remote.send("DELETE", &format!("{PROFILES}/{name}"), None)?;
            out::line(&format!("erased `{name}`; what it did stays in the log under its name"))
        }
    }
}

/// `fleetlog token …`
pub fn token(command: &TokenCommand) -> Result<(), Failure> {
    let remote = Remote::find()?;
    match command {
        TokenCommand::Create { name, profile, expires, output } => {
            let profile = match profile {
                Some(profile) => profile.clone(),
                None => oneself(&remote)?,
            };
            let expires = match expires {
                Expires::Never => None,
                Expires::In(span) => Some(streams::clock::now() + *span),
                Expires::At(at) => Some(*at),
            };
            let body = json!({ "profile": profile, "name": name, "expires": expires });
            let reply = remote.send("POST", TOKENS, Some(&body))?;
            if output.json {
                return out::json(&reply.read::<Value>()?);
            }
            let Made { id, token, profile, expires } = reply.read()?;
            let until = expires.map_or_else(|| "for ever".to_owned(), |it| format!("until {it:.0}"));
            out::note(&format!("a token of `{profile}`, good {until}, id {id}; it is shown this once:"));
            out::line(&token)
        }
        TokenCommand::List { profile, output } => {
            let of: Vec<_> = profile.iter().map(|it| ("profile", it.to_string())).collect();
            let all: Vec<Value> = pages(&remote, TOKENS, "tokens", &of)?;
            if output.json {
                return out::json(&json!({ "tokens": all }));
            }
            let mut table = vec![row(["ID", "PROFILE", "NAME", "EXPIRES", "LAST USED"])];
            for it in read::<TokenLine>(all)? {
                let expires = it.expires.map_or_else(|| "never".to_owned(), |it| format!("{it:.0}"));
                let used = it.last_used.map_or_else(|| "-".to_owned(), |it| format!("{it:.0}"));
                table.push(row([&it.id.to_string(), it.profile.as_str(), &it.name, &expires, &used]));
            }
            out::table("", &table)
        }
        TokenCommand::Revoke { id } => {
            remote.send("DELETE", &format!("{TOKENS}/{id}"), None)?;
            out::line(&format!("revoked {id}: it opens nothing any more"))
        }
    }
}

/// `fleetlog member …`
pub fn member(command: &MemberCommand) -> Result<(), Failure> {
    let remote = Remote::find()?;
    match command {
        MemberCommand::Set { owner, profile, role } => {
            let path = format!("/v1/owners/{owner}/members/{profile}");
            remote.send("PUT", &path, Some(&json!({ "role": role })))?;
            out::line(&format!("`{profile}` is `{role}` with `{owner}`"))
        }
        MemberCommand::Remove { owner, profile } => {
            remote.send("DELETE", &format!("/v1/owners/{owner}/members/{profile}"), None)?;
            out::line(&format!("`{profile}` is nobody with `{owner}` any more"))
        }
        MemberCommand::List { owner, output } => {
            let all: Vec<Value> = pages(&remote, &format!("/v1/owners/{owner}/members"), "members", &[])?;
            if output.json {
                return out::json(&json!({ "members": all }));
            }
            let mut table = vec![row(["PROFILE", "ROLE"])];
            for it in read::<MemberLine>(all)? {
                table.push(row([it.profile.as_str(), it.role.as_str()]));
            }
            out::table("", &table)
        }
    }
}

/// Who the token at hand is. The admin sees everybody, and has to say.
fn oneself(remote: &Remote) -> Result<ProfileName, Failure> {
    let reply: Value = remote.get(PROFILES, &[("limit", "2".to_owned())], 0)?.read()?;
    let mut profiles: Vec<ProfileLine> = read(list(&reply, "profiles"))?;
    match (profiles.pop(), profiles.pop()) {
        (Some(one), None) => Ok(one.name),
        _ => Err(Failure::Usage("whose is the token to be? say --profile NAME".to_owned())),
    }
}

/// Every page of a list.
fn pages(remote: &Remote, path: &str, name: &str, query: &[(&str, String)]) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", PAGE.to_owned()));
        query.extend(cursor.map(|it| ("cursor", it)));
        let page: Value = remote.get(path, &query, 0)?.read()?;
        all.extend(list(&page, name));
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn list(page: &Value, name: &str) -> Vec<Value> {
    page.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn read<T: DeserializeOwned>(values: Vec<Value>) -> Result<Vec<T>, Failure> {
    serde_json::from_value(Value::Array(values))
        .map_err(|error| Failure::Failed(format!("the platform answered something else than expected: {error}")))
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_span_a_time_or_none() {
        assert_eq!("30d".parse(), Ok(Expires::In(SignedDuration::from_hours(720))));
        assert_eq!("12h".parse(), Ok(Expires::In(SignedDuration::from_hours(12))));
        assert_eq!("never".parse(), Ok(Expires::Never));
        assert!(matches!("2030-01-02T03:04:05Z".parse(), Ok(Expires::At(_))));
        for bad in ["", "d", "-1d", "99999999d", "soon", "30"] {
            assert!(bad.parse::<Expires>().is_err(), "{bad}");
        }
    }
}
