//! A request, read by what the table says about its route.

use std::str::FromStr;

use axum::body::{Body, to_bytes};
use axum::extract::{Query, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use schemas::access::{self, Action, Resource, Who, allow};
use schemas::names::{FleetId, Owner};
use schemas::query::At;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::problem::Problem;
use crate::routes::{Place, Route};
use crate::sse::Until;

/// The header that makes a read wait.
const MIN_POSITION: &str = "fleetlog-min-position";
/// The header that makes a write happen once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Characters of such a key.
const MAX_KEY: usize = 255;
/// The name space of ids that are derived from such keys.
const KEYED_EVENTS: Uuid = Uuid::from_u128(0x5d1f_6a52_93c4_4f0e_8a3b_27c9_e1b0_64d7);
/// Where a list has no `limit`.
const DEFAULT_LIMIT: usize = 100;
/// How long a body may take to come.
const BODY_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);
/// Bytes of a body.
const MAX_BODY_BYTES: usize = 1 << 20;
/// What `limit` is at most.
const MAX_LIMIT: usize = 1_000;

/// A request, with nothing in it that its route does not know.
pub(crate) struct Call {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    who: Option<Who>,
    until: Option<Until>,
    body: Bytes,
}

impl Call {
    /// Refuses query parameters that the route does not know, and those that come twice.
    pub fn read(route: &Route, path: &RawPathParams, mut parts: Parts) -> Result<Self, Problem> {
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?;
        let known: Vec<_> = route.parameters.iter().filter(|it| it.place == Place::Query).map(|it| it.name).collect();
        for (index, (name, _)) in query.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::unknown_parameter(name, &known));
            }
            if query[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_request(format!("the query parameter `{name}` comes twice: give it once")));
            }
        }
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (who, until) = (parts.extensions.remove::<Who>(), parts.extensions.remove::<Until>());
        Ok(Self { path, query, headers: parts.headers, who, until, body: Bytes::new() })
    }

    /// Refuses who may not do `action` with the fleet or the owner that the path names, else with the platform.
    pub fn must_be_allowed(&self, action: Action) -> Result<(), Problem> {
        if action == Action::Open {
            return Ok(());
        }
        let who = self.who()?;
        let owner = || -> Option<Owner> { find(&self.path, "owner")?.parse().ok() };
        let allowed = match (self.fleet().ok(), owner()) {
            (Some(fleet), _) => allow(who, action, Resource::Fleet(&fleet)),
            (None, Some(owner)) => allow(who, action, Resource::Owner(&owner)),
            (None, None) => allow(who, action, Resource::Platform),
        };
        if allowed { Ok(()) } else { Err(Problem::not_allowed(who, action)) }
    }

    /// Who asks, as the door in front of this one found out.
    pub fn who(&self) -> Result<&Who, Problem> {
        self.who.as_ref().ok_or_else(Problem::not_authenticated)
    }

    /// The owners with whom who asks may do `action`, for the filter of a list; none: all of them.
    pub fn owners(&self, action: Action) -> Result<Option<Vec<Owner>>, Problem> {
        Ok(access::owners(self.who()?, action))
    }

    /// Until when who asks may go on reading; none: for as long as the platform runs.
    pub fn until(&self) -> Option<Until> {
        self.until.clone()
    }

    /// Reads the body, which may not be longer than 1 MiB.
    pub async fn take_body(&mut self, body: Body) -> Result<(), Problem> {
        let too_long = |error| Problem::bad_request(format!("the body cannot be read, or is over 1 MiB: {error}"));
        let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, MAX_BODY_BYTES)).await;
        let late = |_| Problem::bad_request(format!("the body did not come within {} s", BODY_WITHIN.as_secs()));
        self.body = read.map_err(late)?.map_err(too_long)?;
        Ok(())
    }

    /// Refuses who is not let in any more: a body takes as long as its sender likes.
    pub fn must_still_be_let_in(&self) -> Result<(), Problem> {
        match &self.until {
            Some(Until(over)) if over.is_cancelled() => Err(Self::not_let_in_any_more()),
            _ => Ok(()),
        }
    }

    /// What they are told.
    pub fn not_let_in_any_more() -> Problem {
        Problem::token_denied("what let this request in when it began does not hold any more: send it again")
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as what it has to be; an empty one counts as `{}`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body = if self.body.is_empty() { b"{}" } else { &self.body[..] };
        serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))
    }

    /// The id of the event that this call leads to: the same for the same `Idempotency-Key` of the same profile, so that
    /// it happens once; a new one where there is no key.
    pub fn event_id(&self, operation: &str) -> Result<Uuid, Problem> {
        let Some(key) = self.headers.get(IDEMPOTENCY_KEY) else { return Ok(streams::clock::new_id()) };
        let key = key.to_str().unwrap_or_default();
        if !(1..=MAX_KEY).contains(&key.len()) {
            let expected = format!("from 1 to {MAX_KEY} letters, digits and signs, such as a UUID");
            return Err(Problem::bad_parameter("Idempotency-Key", key, &expected));
        }
        // A line end is in none of the three.
        let name = format!("{}\n{operation}\n{key}", self.who()?.name);
        Ok(Uuid::new_v5(&KEYED_EVENTS, name.as_bytes()))
    }

    /// A varying part of the path.
    pub fn part(&self, name: &str) -> &str {
        find(&self.path, name).unwrap_or_default()
    }

    /// A header, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    /// A query parameter; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        find(&self.query, name).filter(|it| !it.is_empty())
    }

    /// A query parameter as what it has to be.
    pub fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse().map_err(|_| Problem::bad_parameter(name, text, expected));
        self.text(name).map(read).transpose()
    }

    /// `?limit=`
    pub fn limit(&self) -> Result<usize, Problem> {
        const EXPECTED: &str = "a whole number from 1 to 1000";
        match self.parsed("limit", EXPECTED)? {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            Some(limit) => Err(Problem::bad_parameter("limit", &limit.to_string(), EXPECTED)),
        }
    }

    /// The fleet of the path. What is no name is no fleet either.
    pub fn fleet(&self) -> Result<FleetId, Problem> {
        let part = |name| find(&self.path, name).unwrap_or_default();
        let text = format!("{}/{}", part("owner"), part("fleet"));
        text.parse().map_err(|error| Problem::not_found(format!("there is no such fleet: {error}")))
    }

    /// `{id}` of the path.
    pub fn id(&self) -> &str {
        find(&self.path, "id").unwrap_or_default()
    }

    /// `?at=`
    pub fn at(&self) -> Result<Option<At>, Problem> {
        let read = |text: &str| text.parse().map_err(|error| Problem::bad_request(format!("`at`: {error}")));
        self.text("at").map(read).transpose()
    }

    /// The position that the answer has to show at least; 0 where the request does not say.
    pub fn min_position(&self) -> Result<u64, Problem> {
        let Some(value) = self.headers.get(MIN_POSITION) else { return Ok(0) };
        let text = String::from_utf8_lossy(value.as_bytes());
        text.trim()
            .parse()
            .map_err(|_| Problem::bad_parameter("Fleetlog-Min-Position", &text, "a position, such as 17"))
    }

    /// Whether the client asks for one JSON document a line, and not before for one as a whole.
    pub fn wants_lines(&self) -> bool {
        let accepted = self.headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok());
        let kinds = accepted.flat_map(|it| it.split(',')).filter_map(|it| it.split(';').next());
        kinds
            .map(str::trim)
            .find_map(|kind| match kind {
                "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(true),
                "application/json" | "*/*" | "application/*" => Some(false),
                _ => None,
            })
            .unwrap_or(false)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}
