//! A request, read by what the table says about its route.

use std::str::FromStr;

use axum::extract::{Query, RawPathParams};
use axum::http::{HeaderMap, Uri, header};
use schemas::names::FleetId;

use crate::problem::Problem;
use crate::routes::{Place, Route};

/// The header that makes a read wait.
const MIN_POSITION: &str = "fleetlog-min-position";
/// Where a list has no `limit`.
const DEFAULT_LIMIT: usize = 100;
/// What `limit` is at most.
const MAX_LIMIT: usize = 1_000;

/// A request, with nothing in it that its route does not know.
pub(crate) struct Call {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Call {
    /// Refuses query parameters that the route does not know, and those that come twice.
    pub fn read(route: &Route, path: &RawPathParams, uri: &Uri, headers: HeaderMap) -> Result<Self, Problem> {
        let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri)
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
        Ok(Self { path, query, headers })
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
