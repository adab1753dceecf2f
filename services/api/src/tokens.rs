//! `/v1/tokens`: what opens the door.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use schemas::names::ProfileName;
use schemas::query::{CreateToken, Done, Expiry, RevokeToken, TokenLine, TokenMade, TokensAnswer, TokensRequest};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::profiles::{SERVICE, done};
use crate::reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    profile: ProfileName,
    name: String,
    /// Absent: as long as usual; null: for ever.
    #[serde(default = "usual", deserialize_with = "expiry")]
    expires: Expiry,
}

#[derive(Serialize)]
struct Tokens {
    position: u64,
    tokens: Vec<TokenLine>,
    next: Option<Uuid>,
}

#[derive(Serialize)]
struct Made<'a> {
    id: Uuid,
    token: &'a str,
    profile: &'a ProfileName,
    name: &'a str,
    expires: Option<Timestamp>,
}

/// A page of tokens.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let question = TokensRequest {
        by: call.who()?.clone(),
        profile: call.parsed("profile", "a profile's name, such as `ann`")?,
        after: call.parsed("cursor", "`next` of the page before, a token's id")?,
        limit: u32::try_from(call.limit()?).unwrap_or(u32::MAX),
        min_position: call.min_position()?,
    };
    let TokensAnswer { position, tokens, more } = ask(&api, SERVICE, &question, READ).await?;
    let next = if more { tokens.last().map(|it| it.id) } else { None };
    reply::json_at(position, &Tokens { position, tokens, next })
}

/// Makes one, and shows it this once.
pub(crate) async fn create(api: Api, call: Call) -> Result<Response, Problem> {
    let New { profile, name, expires } = call.json()?;
    let id = call.event_id("create_token")?;
    let question = CreateToken { by: call.who()?.clone(), id, profile, name, expires };
    let TokenMade { position, line, token } = ask(&api, SERVICE, &question, WRITE).await?;
    let made = Made { id: line.id, token: &token, profile: &line.profile, name: &line.name, expires: line.expires };
    Ok(reply::at(position, reply::json(StatusCode::CREATED, &made)?))
}

/// Takes one back.
pub(crate) async fn revoke(api: Api, call: Call) -> Result<Response, Problem> {
    let token = call.id().parse().map_err(|_| Problem::not_found(format!("there is no token {}", call.id())))?;
    let question = RevokeToken { by: call.who()?.clone(), id: call.event_id("revoke_token")?, token };
    let Done { position } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(done(position))
}

const fn usual() -> Expiry {
    Expiry::Usual
}

fn expiry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expiry, D::Error> {
    Ok(Option::<Timestamp>::deserialize(deserializer)?.map_or(Expiry::Never, Expiry::At))
}
