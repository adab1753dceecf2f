//! The one place that finds out who asks, for every path and before a body is read. What they may do is decided behind
//! it, from what it leaves in the request's extensions: `Who`, the `Actor` of events, and until when that holds.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use profiles::{Denied, Doorkeeper, Pass};
use schemas::names::Actor;

/// What somebody without a token is told by Git.
const TOKEN_NEEDED: &str = "a token is needed: use it as the password, http://NAME:TOKEN@HOST/git/OWNER/FLEET.git";

/// Lets a request through as who its token says, or answers it with 401. Open paths are everybody's.
pub async fn check(State(door): State<Doorkeeper>, mut request: Request, next: Next) -> Response {
    if api::is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let Some(token) = presented(request.headers()) else { return refuse(request.uri().path(), None) };
    match door.admit(&token, streams::clock::now()) {
        Ok(Pass { who, over }) => {
            let extensions = request.extensions_mut();
            extensions.insert(Actor(who.name.to_string()));
            extensions.insert(who);
            // For Git, which does not know the API's type.
            extensions.insert(over.clone());
            extensions.insert(api::Until(over));
            next.run(request).await
        }
        Err(denied) => refuse(request.uri().path(), Some(denied)),
    }
}

/// The token that a request carries.
fn presented(headers: &HeaderMap) -> Option<String> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let value = value.trim();
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        value.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        // The name before the colon does not matter: the token says who it is.
        pair.split_once(':')?.1.to_owned()
    } else {
        return None;
    };
    Some(token).filter(|it| !it.is_empty())
}

/// Git asks for credentials only after a 401 that names `Basic`; it shows the text to its user.
fn refuse(path: &str, denied: Option<Denied>) -> Response {
    let blind = matches!(denied, Some(Denied::Blind(_)));
    if path != "/git" && !path.starts_with("/git/") {
        return match denied {
            None => api::Problem::not_authenticated(),
            Some(it) if blind => api::Problem::blind(it.to_string()),
            Some(it) => api::Problem::token_denied(it.to_string()),
        }
        .into_response();
    }
    let text = denied.map_or_else(|| TOKEN_NEEDED.to_owned(), |it| it.to_string());
    if blind {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{text}\n")).into_response();
    }
    let mut response = (StatusCode::UNAUTHORIZED, format!("{text}\n")).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"fleetlog\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(authorization: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        presented(&headers)
    }

    #[test]
    fn a_token_comes_in_two_forms_and_no_other() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for good in ["Bearer fl_secret", "bearer  fl_secret ", &basic("admin:fl_secret"), &basic(":fl_secret")] {
            assert_eq!(token(good).as_deref(), Some("fl_secret"), "{good}");
        }
        let bad = ["Bearer ", "fl_secret", "Digest fl_secret", "Basic %%%", "Basic"].map(str::to_owned);
        for bad in bad.into_iter().chain([basic("fl_secret"), basic("fl_secret:")]) {
            assert_eq!(token(&bad), None, "{bad}");
        }
        assert_eq!(presented(&HeaderMap::new()), None);
    }
}
