//! The door: Git's smart HTTP protocol, as its `gitprotocol-http` page describes it.
//!
//! The door in front of this one has authenticated: it leaves [`Who`] asks. Names are parsed before anything else, so
//! that no path leaves our folder; what somebody may do is decided before a body is read. A fleet that the log does not know is an empty repository to push to, and none to
//! read.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schemas::access::{Action, Resource, Who, allow};
use schemas::names::FleetId;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::body::{Intake, IntakeError, encoding};
use streams::with_causes;

use crate::context::{Context, InUse};
use crate::exchange::{self, Service};
use crate::opening::{Opening, OpeningError};
use crate::push::NOT_ANY_MORE;
use crate::receive;
use crate::refuse::{Record, Remembered, remember};

/// Which of Git's protocols the client speaks; version 2 changes what an advertisement looks like.
const PROTOCOL: &str = "git-protocol";

#[derive(Debug, Deserialize)]
struct Asked {
    service: Option<String>,
}

/// An answer that is no success: its status, and a line that Git shows to its user.
struct Problem(StatusCode, String);

/// The routes, relative to `/git`.
pub(crate) fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/{owner}/{fleet}/info/refs", get(advertise))
        .route("/{owner}/{fleet}/git-upload-pack", post(fetch))
        .route("/{owner}/{fleet}/git-receive-pack", post(push))
        .with_state(context)
}

async fn advertise(
    State(context): State<Arc<Context>>,
    Path(names): Path<(String, String)>,
    Query(asked): Query<Asked>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, Problem> {
    let (over, headers) = (over(&request), request.headers());
    let fleet = fleet(&names)?;
    let service = match asked.service.as_deref() {
        Some("git-upload-pack") => Service::UploadPack,
        Some("git-receive-pack") => Service::ReceivePack,
        Some(other) => return Err(Problem(StatusCode::FORBIDDEN, format!("unknown service {other:?}"))),
        None => {
            let message = "only the smart HTTP protocol is spoken here: use Git 1.6.6 or newer";
            return Err(Problem(StatusCode::FORBIDDEN, message.to_owned()));
        }
    };
    may(&context, &who, &fleet, service).await?;
    context.at_head().await.map_err(|error| Problem(StatusCode::SERVICE_UNAVAILABLE, with_causes(&error)))?;
    let version_2 = service == Service::UploadPack && protocol(headers) == Some("version=2");
    let (path, _used) = match (context.enter_known(&fleet), service) {
        (Some(repository), _) => {
            settled(&context, &repository).await?;
            (repository.path.clone(), Some(repository))
        }
        (None, Service::ReceivePack) => (context.layout.empty(), None),
        (None, Service::UploadPack) => return Err(no_such_fleet(&fleet)),
    };
    let mut command =
        context.launcher.brief(&path, [service.command(), "--stateless-rpc", "--http-backend-info-refs", "."]);
    if let Some(protocol) = protocol(headers).filter(|_| service == Service::UploadPack) {
        command.env("GIT_PROTOCOL", protocol);
    }
    let refs = context.launcher.output(service.command(), command).await.map_err(broken)?;
    if over.is_cancelled() {
        return Err(Problem(StatusCode::FORBIDDEN, format!("{NOT_ANY_MORE}; try again")));
    }
    let mut body = Vec::with_capacity(refs.len() + 64);
    if !version_2 {
        body.extend_from_slice(&crate::pktline::encode(&format!("# service=git-{}\n", service.command())));
        body.extend_from_slice(crate::pktline::FLUSH);
    }
    body.extend_from_slice(&refs);
    Ok(answer(service, "advertisement", Body::from(body)))
}

async fn fetch(
    State(context): State<Arc<Context>>,
    Path(names): Path<(String, String)>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, Problem> {
    let fleet = fleet(&names)?;
    may(&context, &who, &fleet, Service::UploadPack).await?;
    let (service, packing) = (Service::UploadPack, checked(&request, Service::UploadPack)?);
    let Some(repository) = context.enter_known(&fleet) else { return Err(no_such_fleet(&fleet)) };
    settled(&context, &repository).await?;
    let turn = turn(&context).await?;
    let until = (over(&request), protocol(request.headers()).map(str::to_owned));
    let body = exchange::fetch(&context, repository, turn, until, request.into_body(), packing).await;
    Ok(answer(service, "result", body.map_err(broken)?))
}

async fn push(
    State(context): State<Arc<Context>>,
    Path(names): Path<(String, String)>,
    Extension(who): Extension<Who>,
    request: Request,
) -> Result<Response, Problem> {
    let fleet = fleet(&names)?;
    may(&context, &who, &fleet, Service::ReceivePack).await?;
    let (service, packing) = (Service::ReceivePack, checked(&request, Service::ReceivePack)?);
    if context.shutdown.is_cancelled() {
        let message = "fleetlog is stopping: nothing changed, try again";
        return Err(Problem(StatusCode::SERVICE_UNAVAILABLE, message.to_owned()));
    }
    let who = (who, over(&request));
    let mut intake = Intake::new(request.into_body(), packing, context.config.limits.slow);
    let opening = Opening::read(&mut intake).await.map_err(unreadable)?;
    if opening.is_probe() {
        return Ok(answer(service, "result", Body::empty()));
    }
    let repository = context.enter(&fleet);
    settled(&context, &repository).await?;
    Ok(answer(service, "result", receive::push(&context, repository, who, opening, intake)))
}

/// No push can be made of what came.
fn unreadable(error: OpeningError) -> Problem {
    let status = match &error {
        OpeningError::Intake(IntakeError::Slow(_)) => StatusCode::REQUEST_TIMEOUT,
        OpeningError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        OpeningError::Intake(_) | OpeningError::Nonsense(_) => StatusCode::BAD_REQUEST,
    };
    Problem(status, format!("{}\nnothing changed", with_causes(&error)))
}

/// Until when it holds that they are who they are, as the door in front leaves it; what they do may take long.
fn over(request: &Request) -> CancellationToken {
    request.extensions().get::<CancellationToken>().cloned().unwrap_or_default()
}

/// The fleet that a path names, with or without `.git`.
fn fleet((owner, name): &(String, String)) -> Result<FleetId, Problem> {
    let text = format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(name));
    text.parse().map_err(|error| Problem(StatusCode::NOT_FOUND, with_causes(&error)))
}

/// Refuses who may not do this. A fleet that they may not see is as if there were none; a push that they may not make
/// to one that they see is remembered there.
async fn may(context: &Arc<Context>, who: &Who, fleet: &FleetId, service: Service) -> Result<(), Problem> {
    if !allow(who, Action::See, Resource::Fleet(fleet)) {
        return Err(no_such_fleet(fleet));
    }
    if service == Service::UploadPack || allow(who, Action::Push, Resource::Fleet(fleet)) {
        return Ok(());
    }
    let (owner, role) = (&fleet.owner, who.role_with(&fleet.owner));
    let needed = Action::Push.needed();
    let mut message =
        format!("`{}` is `{role}` with `{owner}`: a push to `{fleet}` needs {needed}\nnothing changed", who.name);
    let mut status = StatusCode::FORBIDDEN;
    if let Some(repository) = context.enter_known(fleet) {
        let mut state = repository.state.lock().await;
        let remembered = remember(context, &repository, who.name.as_str(), &mut state, &[], Record::role()).await;
        if matches!(remembered, Remembered::TooMany(_)) {
            status = StatusCode::TOO_MANY_REQUESTS;
        }
        message.extend(remembered.words().map(|words| format!("\n{words}")));
    }
    Err(Problem(status, message))
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    let known =
        |text: &&str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=:.-".contains(&b));
    headers.get(PROTOCOL)?.to_str().ok().filter(known)
}

/// How the body is packed, where its type is what this service takes.
fn checked(request: &Request, service: Service) -> Result<crate::body::Encoding, Problem> {
    let unsupported = |message| Problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    let expected = format!("application/x-git-{}-request", service.command());
    let seen = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    if seen != expected {
        return Err(unsupported(format!("the content type is {seen:?}, expected {expected:?}")));
    }
    encoding(request.headers())
        .map_err(|seen| unsupported(format!("the content encoding is {seen:?}, expected \"gzip\" or none")))
}

async fn settled(context: &Context, repository: &InUse) -> Result<(), Problem> {
    let mut state = repository.state.lock().await;
    context.settle(repository, &mut state).await.map_err(|error| {
        tracing::error!(fleet = %repository.fleet, error = with_causes(&error), "a repository cannot be served");
        let message = format!("`{}` cannot be served now: {}", repository.fleet, with_causes(&error));
        Problem(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}

/// Waits for a turn, so that many clients at once wait instead of taking the machine down.
async fn turn(context: &Arc<Context>) -> Result<exchange::Turn, Problem> {
    let turns = Arc::clone(&context.fetching).acquire_owned();
    let waited = tokio::time::timeout(context.config.limits.turn, turns).await;
    waited.ok().and_then(Result::ok).ok_or_else(|| {
        let message = format!("too many fetches at once, and none ended within `{}`: try again", crate::key::TURN);
        Problem(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}

fn no_such_fleet(fleet: &FleetId) -> Problem {
    let message = format!("there is no fleet `{fleet}`; the first push makes it: git push -o create origin main");
    Problem(StatusCode::NOT_FOUND, message)
}

fn broken(error: crate::error::GitError) -> Problem {
    tracing::error!(error = with_causes(&error), "Git cannot be run");
    Problem(StatusCode::INTERNAL_SERVER_ERROR, with_causes(&error))
}

fn answer(service: Service, what: &str, body: Body) -> Response {
    let kind = format!("application/x-git-{}-{what}", service.command());
    let mut response = Response::new(body);
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    never_cached(response)
}

/// What Git's own server says, so that no proxy keeps refs.
fn never_cached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::EXPIRES, HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        // Git shows plain text to its user, and nothing else.
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        never_cached((status, plain, format!("{message}\n")).into_response())
    }
}
