//! The one place that checks the token, for every path and before a body is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::names::Actor;
use subtle::ConstantTimeEq as _;

/// Knows the one token.
#[derive(Clone)]
pub struct Door {
    token: Arc<str>,
}

impl Door {
    /// Lets in who has this token, as `admin`.
    pub fn new(token: &str) -> Self {
        Self { token: token.into() }
    }

    /// Whether the request carries the token, as `Bearer` or as the password of `Basic`.
    fn knows(&self, headers: &HeaderMap) -> bool {
        presented(headers).is_some_and(|token| token.as_bytes().ct_eq(self.token.as_bytes()).into())
    }
}

/// Lets a request through as `admin`, or answers it with 401. Open paths are everybody's.
pub async fn check(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    if api::is_open(request.uri().path()) {
        return next.run(request).await;
    }
    if !door.knows(request.headers()) {
        return refuse(request.uri().path());
    }
    request.extensions_mut().insert(Actor("admin".to_owned()));
    next.run(request).await
}

/// The token that a request carries.
fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    // The name before the colon does not matter: the token says who it is.
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// Git asks for credentials only after a 401 that names `Basic`; it shows the text to its user.
fn refuse(path: &str) -> Response {
    if path != "/git" && !path.starts_with("/git/") {
        return api::Problem::not_authenticated().into_response();
    }
    let text = "a token is needed: use it as the password, http://admin:TOKEN@HOST/git/OWNER/FLEET.git\n";
    let mut response = (StatusCode::UNAUTHORIZED, text).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"fleetlog\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(authorization: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        Door::new("fl_secret").knows(&headers)
    }

    #[test]
    fn the_token_opens_in_both_forms_and_nothing_else_does() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for good in ["Bearer fl_secret", "bearer fl_secret", &basic("admin:fl_secret"), &basic(":fl_secret")] {
            assert!(knows(good), "{good}");
        }
        let bad = ["Bearer fl_secre", "Bearer fl_secret2", "Bearer ", "fl_secret", "Digest fl_secret", "Basic %%%"];
        for bad in bad.into_iter().map(str::to_owned).chain([basic("fl_secret"), basic("fl_secret:"), basic("a:b")]) {
            assert!(!knows(&bad), "{bad}");
        }
        assert!(!Door::new("fl_secret").knows(&HeaderMap::new()));
    }
}
