//! Makes the router from the table.

use axum::Router;
use axum::extract::{RawPathParams, Request};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemas::access::Action;

use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::routes::{Route, routes};
use crate::sse::Until;

/// Every path of the table; a problem document for what is in none of them.
pub fn router(api: Api) -> Router {
    let mut router = Router::new();
    for route in routes() {
        router = router.route(route.path, serve(route, api.clone()));
    }
    router.fallback(unknown_path).method_not_allowed_fallback(unknown_method)
}

fn serve(route: &'static Route, api: Api) -> MethodRouter {
    // Every method of the table is one that axum knows; HEAD is answered by GET.
    let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
    on(filter, move |path: RawPathParams, request: Request| async move {
        answer(route, api, &path, request).await.unwrap_or_else(IntoResponse::into_response)
    })
}

/// Whether who asks may do this is decided before the body is read.
async fn answer(route: &'static Route, api: Api, path: &RawPathParams, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut call = Call::read(route, path, parts)?;
    call.must_be_allowed(route.needs)?;
    if route.body.is_some() {
        call.take_body(body).await?;
        call.must_still_be_let_in()?;
    }
    let until = call.until();
    let answer = (route.handler)(api, call);
    // A write that has begun is finished; what only reads ends with the right to read.
    match until.filter(|_| route.method == Method::GET || route.needs == Action::Plan) {
        None => answer.await,
        Some(Until(over)) => tokio::select! {
            biased;
            () = over.cancelled() => Err(Call::not_let_in_any_more()),
            answer = answer => answer,
        },
    }
}

async fn unknown_path(request: Request) -> Problem {
    Problem::unknown_path(request.uri().path())
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    Problem::method_not_allowed(method.as_str(), uri.path())
}
