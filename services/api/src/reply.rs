//! Good answers: JSON, with the position that they show.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The header that says which position an answer shows.
pub const POSITION: HeaderName = HeaderName::from_static("fleetlog-position");

/// JSON that does not come from the log.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value)
        .map_err(|error| Problem::unreadable(format!("the answer cannot be written as JSON: {error}")))?;
    Ok(bytes(status, "application/json", body))
}

/// JSON that shows the log at a position.
pub(crate) fn json_at(position: u64, value: &impl Serialize) -> Result<Response, Problem> {
    Ok(at(position, json(StatusCode::OK, value)?))
}

/// JSON that is written already.
pub(crate) fn written(value: Box<RawValue>) -> Response {
    bytes(StatusCode::OK, "application/json", String::from(Box::<str>::from(value)))
}

/// Says which position an answer shows.
pub(crate) fn at(position: u64, mut response: Response) -> Response {
    response.headers_mut().insert(POSITION, HeaderValue::from(position));
    response
}

/// A body that is already written.
pub(crate) fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
