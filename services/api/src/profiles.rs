//! `/v1/profiles`: who there is.

use axum::http::StatusCode;
use axum::response::Response;
use schemas::names::ProfileName;
use schemas::query::{
    CreateProfile, Done, EraseProfile, Mail, ProfileLine, ProfileMade, ProfilesAnswer, ProfilesRequest, SetMail,
};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// What answers questions about profiles, tokens and members.
pub(crate) const SERVICE: &str = "profiles";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: ProfileName,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `null` takes it away; what is not said is not guessed.
    #[serde(deserialize_with = "Option::deserialize")]
    email: Option<String>,
}

#[derive(Serialize)]
struct Profiles {
    position: u64,
    profiles: Vec<ProfileLine>,
    next: Option<ProfileName>,
}

/// A page of profiles.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let after = call.parsed("cursor", "`next` of the page before, such as `ann`")?;
    let limit = u32::try_from(call.limit()?).unwrap_or(u32::MAX);
    let question = ProfilesRequest { by: call.who()?.clone(), after, limit, min_position: call.min_position()? };
    let ProfilesAnswer { position, profiles, more } = ask(&api, SERVICE, &question, READ).await?;
    let next = if more { profiles.last().map(|it| it.name.clone()) } else { None };
    reply::json_at(position, &Profiles { position, profiles, next })
}

/// Makes one.
pub(crate) async fn create(api: Api, call: Call) -> Result<Response, Problem> {
    let New { name, email } = call.json()?;
    let email = mail(email)?;
    let question = CreateProfile { by: call.who()?.clone(), id: call.event_id("create_profile")?, name, email };
    let ProfileMade { position, profile } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::CREATED, &profile)?))
}

/// Changes where its mail goes.
pub(crate) async fn change(api: Api, call: Call) -> Result<Response, Problem> {
    let Change { email } = call.json()?;
    let question = SetMail { by: call.who()?.clone(), name: named(&call)?, email: mail(email)? };
    let ProfileMade { position, profile } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::OK, &profile)?))
}

/// An address. What was sent is not repeated where it is none: it may be one all the same.
fn mail(text: Option<String>) -> Result<Option<Mail>, Problem> {
    let email = text.map(|it| Mail::parse(&it)).transpose();
    email.map_err(|error| Problem::bad_request(format!("`email` is {error}")))
}

/// Erases one.
pub(crate) async fn erase(api: Api, call: Call) -> Result<Response, Problem> {
    let id = call.event_id("erase_profile")?;
    let question = EraseProfile { by: call.who()?.clone(), id, name: named(&call)? };
    let Done { position } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(done(position))
}

/// The profile that the path names. What is no name is no profile either.
pub(crate) fn named(call: &Call) -> Result<ProfileName, Problem> {
    call.part("name").parse().map_err(|error| Problem::not_found(format!("there is no such profile: {error}")))
}

/// It is so, from `position` on.
pub(crate) fn done(position: u64) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    reply::at(position, response)
}
