//! `GET /`

use axum::http::StatusCode;
use axum::response::Response;

use crate::problem::Problem;
use crate::reply;

/// The page. It holds nothing that needs a token.
const PAGE: &str = include_str!("welcome.html");

/// What this is, and where to go.
pub(crate) async fn page() -> Result<Response, Problem> {
    Ok(reply::bytes(StatusCode::OK, "text/html; charset=utf-8", PAGE))
}
