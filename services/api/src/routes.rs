//! The one table of paths. The router, the contract (`/openapi.json`) and the door's list of open paths are made from it.

mod events;
mod fleets;
mod logs;
mod metrics;
mod operate;
mod plan;
mod platform;
mod policy;
mod profiles;
mod pulls;
mod registry;
mod runs;
mod volumes;

use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;
use schemas::access::Action;

use crate::Api;
use crate::call::Call;
use crate::problem::Problem;

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` where a part of it varies.
    pub path: &'static str,
    /// What generated clients call it.
    pub operation: &'static str,
    /// What it is for, in a line.
    pub summary: &'static str,
    /// Everything that it takes; another query parameter is refused.
    pub parameters: &'static [Parameter],
    /// The shape of its JSON body in the contract, where it takes one; at most 1 MiB.
    pub body: Option<&'static str>,
    /// What it answers when it goes well.
    pub answer: Answer,
    /// What who asks has to be allowed to do, with the fleet or the owner that the path names.
    pub needs: Action,
    pub(crate) handler: Handler,
}

/// Answers a call.
pub(crate) type Handler = fn(Api, Call) -> BoxFuture<'static, Result<Response, Problem>>;

/// Something that a request can carry.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it looks like.
    pub shape: Shape,
    /// What it does.
    pub help: &'static str,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path; always needed.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// What a parameter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A lower-case DNS label.
    Label,
    /// A UUID.
    Id,
    /// A position in the log.
    Position,
    /// From 1 to the number.
    UpTo(u32),
    /// An RFC 3339 time.
    Time,
}

/// What a path answers when it goes well.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Media type → name of the shape in the contract; none: it has no fixed shape.
    pub content: &'static [(&'static str, Option<&'static str>)],
    /// Whether it reads the log, and so carries `Fleetlog-Position`.
    pub positioned: bool,
    /// Statuses of the problems that it may answer with, besides 401 and 403.
    pub problems: &'static [u16],
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: Place::Header,
    shape: Shape::Text,
    help: "the same key by the same profile has its effect once, however often it is sent",
};

const fn path(name: &'static str, help: &'static str) -> Parameter {
    Parameter { name, place: Place::Path, shape: Shape::Label, help }
}

const fn query(name: &'static str, shape: Shape, help: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, shape, help }
}

const OWNER: Parameter = path("owner", "who owns the fleet");
const FLEET: Parameter = path("fleet", "the fleet's name");
const LIMIT: Parameter = query("limit", Shape::UpTo(1_000), "at most so many; 100 where absent");
const CURSOR: Parameter = query("cursor", Shape::Text, "where to go on: `next` of the page before");
const AT: Parameter =
    query("at", Shape::Text, "a position, a time (RFC 3339) or a commit (7 digits or more); now where absent");
const MIN_POSITION: Parameter = Parameter {
    name: "Fleetlog-Min-Position",
    place: Place::Header,
    shape: Shape::Position,
    help: "wait until the answer shows the log at least up to here; 504 where that takes longer than 5 s",
};

/// Every path, by room.
const ROOMS: &[&[Route]] = &[
    runs::ROUTES,
    platform::ROUTES,
    metrics::ROUTES,
    fleets::ROUTES,
    operate::ROUTES,
    volumes::ROUTES,
    registry::ROUTES,
    events::ROUTES,
    logs::ROUTES,
    plan::ROUTES,
    pulls::ROUTES,
    profiles::ROUTES,
    policy::ROUTES,
];

/// Every path.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    ROOMS.iter().copied().flatten()
}

/// Whether a path is answered without a token.
pub fn is_open(path: &str) -> bool {
    routes().any(|route| route.needs == Action::Open && route.path == path)
}
