//! `/v1/owners/{owner}/members`: who is what with an owner.

use axum::http::StatusCode;
use axum::response::Response;
use schemas::access::Role;
use schemas::names::{Owner, ProfileName};
use schemas::query::{Done, MemberLine, MembersAnswer, MembersRequest, SetMember};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::profiles::{SERVICE, done, named};
use crate::reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    role: Role,
}

#[derive(Serialize)]
struct Members {
    position: u64,
    members: Vec<MemberLine>,
    next: Option<ProfileName>,
}

/// A page of members.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let question = MembersRequest {
        owner: owner(&call)?,
        after: call.parsed("cursor", "`next` of the page before, such as `ann`")?,
        limit: u32::try_from(call.limit()?).unwrap_or(u32::MAX),
        min_position: call.min_position()?,
    };
    let MembersAnswer { position, members, more } = ask(&api, SERVICE, &question, READ).await?;
    let next = if more { members.last().map(|it| it.profile.clone()) } else { None };
    reply::json_at(position, &Members { position, members, next })
}

/// Gives somebody a role.
pub(crate) async fn set(api: Api, call: Call) -> Result<Response, Problem> {
    let New { role } = call.json()?;
    let profile = named(&call)?;
    let Done { position } = change(&api, &call, profile.clone(), Some(role)).await?;
    Ok(reply::at(position, reply::json(StatusCode::OK, &MemberLine { profile, role })?))
}

/// Takes somebody's role.
pub(crate) async fn remove(api: Api, call: Call) -> Result<Response, Problem> {
    let profile = named(&call)?;
    let Done { position } = change(&api, &call, profile, None).await?;
    Ok(done(position))
}

async fn change(api: &Api, call: &Call, profile: ProfileName, role: Option<Role>) -> Result<Done, Problem> {
    let operation = if role.is_some() { "set_member" } else { "remove_member" };
    let (by, id) = (call.who()?.clone(), call.event_id(operation)?);
    ask(api, SERVICE, &SetMember { by, id, owner: owner(call)?, profile, role }, WRITE).await
}

/// The owner of the path.
pub(crate) fn owner(call: &Call) -> Result<Owner, Problem> {
    call.part("owner").parse().map_err(|error| Problem::not_found(format!("there is no such owner: {error}")))
}
