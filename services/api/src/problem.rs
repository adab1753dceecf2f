//! The one border from what went wrong to an RFC 9457 problem document.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::access::{Action, Who};
use serde_json::{Map, Value, json};

/// What went wrong, as HTTP tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    /// For programs: the end of the problem's `type`.
    code: &'static str,
    /// The same for every problem of the code.
    title: &'static str,
    /// What was seen here, what was expected, a hint.
    detail: String,
    /// Members of the code's own.
    more: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), more: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// No token, or a wrong one.
    pub fn not_authenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not-authenticated",
            "a token is needed",
            "no valid token came with the request: send `Authorization: Bearer TOKEN` (or Basic with the token as \
             password); the first one lies in the file `admin.token` of the data folder",
        )
    }

    /// A token came, but lets nobody in: why.
    pub fn token_denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-authenticated", "the token does not let you in", detail)
    }

    /// Nobody can be let in now.
    pub fn blind(detail: impl Into<String>) -> Self {
        Self::unavailable(detail)
    }

    /// A token that does not open this.
    pub(crate) fn not_allowed(who: &Who, action: Action) -> Self {
        let detail = format!("`{}` may not do this: it needs {}", who.name, action.needed());
        Self::new(StatusCode::FORBIDDEN, "not-allowed", "not allowed", detail)
    }

    /// What only the service that was asked could tell: who asks may not do this.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not-allowed", "not allowed", detail)
    }

    /// It contradicts what is there already.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "it contradicts what is there", detail)
    }

    /// Descriptors with faults, all of them.
    pub(crate) fn faults(report: String, faults: &[schemas::check::Fault]) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "faults", "the descriptors have faults", report).with("faults", json!(faults))
    }

    /// No such path.
    pub(crate) fn unknown_path(path: &str) -> Self {
        let detail = format!("there is no `{path}` here: see /openapi.json for every path");
        Self::new(StatusCode::NOT_FOUND, "unknown-path", "no such path", detail)
    }

    /// A process without the API.
    pub(crate) fn not_served_here(path: &str) -> Self {
        let detail =
            format!("`{path}` is not served by this process: ask one that serves `api`, such as `fleetlog up`");
        Self::new(StatusCode::NOT_FOUND, "unknown-path", "no such path", detail)
    }

    /// The path is right, the thing is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "not found", detail)
    }

    /// The path does not take the method.
    pub(crate) fn method_not_allowed(method: &str, path: &str) -> Self {
        let detail = format!("`{path}` does not take `{method}`: the header `Allow` says what it takes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "method not allowed", detail)
    }

    /// A query parameter that the path does not know.
    pub(crate) fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let expected = match known {
            [] => "it takes none".to_owned(),
            known => format!("it knows {}", list(known)),
        };
        let detail = format!("this path does not know the query parameter `{name}`: {expected}");
        Self::new(StatusCode::BAD_REQUEST, "unknown-parameter", "unknown query parameter", detail)
            .with("parameter", json!(name))
            .with("known", json!(known))
    }

    /// A parameter's value that cannot be read.
    pub(crate) fn bad_parameter(name: &str, seen: &str, expected: &str) -> Self {
        let detail = format!("`{name}` is `{seen}`, but has to be {expected}");
        Self::new(StatusCode::BAD_REQUEST, "bad-parameter", "a parameter cannot be read", detail)
            .with("parameter", json!(name))
    }

    /// A search that cannot be read, and where.
    pub(crate) fn bad_query(error: &schemas::logs::QueryError) -> Self {
        let detail = format!("`query`, {error}");
        Self::new(StatusCode::BAD_REQUEST, "bad-query", "the query cannot be read", detail)
            .with("parameter", json!("query"))
            .with("column", json!(error.column))
    }

    /// A request that cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "the request cannot be read", detail)
    }

    /// What the request wants to see is not there yet.
    pub(crate) fn behind(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "behind", "the wanted position was not reached in time", detail)
    }

    /// A part of the platform does not answer; another try may go well.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "a part of the platform does not answer", detail)
    }

    /// There is no room in the log for what this would write.
    pub(crate) fn full(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", "the log is nearly full", detail)
    }

    /// The platform is on its way up.
    pub(crate) fn starting() -> Self {
        let detail = "the platform is starting: /readyz turns 200 once it is up";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "not ready yet", detail)
    }

    /// The log holds something that this version cannot read.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "the log cannot be read", detail)
    }

    /// The document.
    pub fn to_value(&self) -> Value {
        let mut document = Map::new();
        document.insert("type".to_owned(), json!(format!("urn:fleetlog:problem:{}", self.code)));
        document.insert("title".to_owned(), json!(self.title));
        document.insert("status".to_owned(), json!(self.status.as_u16()));
        document.insert("detail".to_owned(), json!(self.detail));
        document.extend(self.more.clone());
        Value::Object(document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_value().to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"fleetlog\""));
        }
        response
    }
}

/// Names for people: `a`, `b` and `c`.
fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
