//! Makes the router from the table.

use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::routes::{ROUTES, Route};

/// Every path of the table; a problem document for what is in none of them.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, serve(route, api.clone()));
    }
    router.fallback(unknown_path).method_not_allowed_fallback(unknown_method)
}

fn serve(route: &'static Route, api: Api) -> MethodRouter {
    // Every method of the table is one that axum knows; HEAD is answered by GET.
    let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
    on(filter, move |path: RawPathParams, uri: Uri, headers: HeaderMap| answer(route, api, path, uri, headers))
}

async fn answer(route: &'static Route, api: Api, path: RawPathParams, uri: Uri, headers: HeaderMap) -> Response {
    let end = match Call::read(route, &path, &uri, headers) {
        Ok(call) => (route.handler)(api, call).await,
        Err(problem) => Err(problem),
    };
    end.unwrap_or_else(IntoResponse::into_response)
}

async fn unknown_path(request: Request) -> Problem {
    Problem::unknown_path(request.uri().path())
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    Problem::method_not_allowed(method.as_str(), uri.path())
}
