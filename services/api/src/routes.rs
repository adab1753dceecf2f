//! The one table of paths. The router, the contract (`/openapi.json`) and the door's list of open paths are made from it.

use axum::http::Method;
use axum::response::Response;
use futures_util::future::BoxFuture;

use crate::call::Call;
use crate::problem::Problem;
use crate::{Api, events, fleets, health, openapi, rollouts, welcome};

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
    /// What it answers when it goes well.
    pub answer: Answer,
    /// Whether it is answered without a token.
    pub open: bool,
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
    /// What it is, in a line.
    pub summary: &'static str,
    /// Media type → name of the shape in the contract; none: it has no fixed shape.
    pub content: &'static [(&'static str, Option<&'static str>)],
    /// Whether it reads the log, and so carries `Fleetlog-Position`.
    pub positioned: bool,
    /// Statuses of the problems that it may answer with, besides 401.
    pub problems: &'static [u16],
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

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
const AT: Parameter = query("at", Shape::Text, "a position, a time or a commit; not yet: refused");
const MIN_POSITION: Parameter = Parameter {
    name: "Fleetlog-Min-Position",
    place: Place::Header,
    shape: Shape::Position,
    help: "wait until the answer shows the log at least up to here; 504 where that takes longer than 5 s",
};

/// Every path.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/",
        operation: "welcome",
        summary: "What this is, and where to go.",
        parameters: &[],
        answer: Answer {
            summary: "a page for people",
            content: &[("text/html", None)],
            positioned: false,
            problems: &[],
        },
        open: true,
        handler: |_, _| Box::pin(welcome::page()),
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        operation: "health",
        summary: "Whether the process is alive.",
        parameters: &[],
        answer: Answer { summary: "it is alive", content: &[(JSON, Some("Health"))], positioned: false, problems: &[] },
        open: true,
        handler: |_, _| Box::pin(health::alive()),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        operation: "readiness",
        summary: "Whether every service is ready, and why not; 503 with the same shape while one is not.",
        parameters: &[],
        answer: Answer {
            summary: "every service is ready",
            content: &[(JSON, Some("Readiness"))],
            positioned: false,
            problems: &[],
        },
        open: true,
        handler: |api, _| Box::pin(health::ready(api)),
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        operation: "contract",
        summary: "This contract.",
        parameters: &[],
        answer: Answer { summary: "OpenAPI 3.1", content: &[(JSON, None)], positioned: false, problems: &[] },
        open: true,
        handler: |_, _| Box::pin(openapi::serve()),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets",
        operation: "fleets",
        summary: "Every fleet, in the order of their names.",
        parameters: &[LIMIT, CURSOR, MIN_POSITION],
        answer: Answer {
            summary: "a page of fleets",
            content: &[(JSON, Some("Fleets"))],
            positioned: true,
            problems: &[400, 503, 504],
        },
        open: false,
        handler: |api, call| Box::pin(fleets::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}",
        operation: "state",
        summary: "A fleet's desired and observed state, now.",
        parameters: &[OWNER, FLEET, AT, MIN_POSITION],
        answer: Answer {
            summary: "the fleet's state",
            content: &[(JSON, Some("State"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        open: false,
        handler: |api, call| Box::pin(fleets::state(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/rollouts",
        operation: "rollouts",
        summary: "A fleet's newest rollouts, the newest first.",
        parameters: &[OWNER, FLEET, LIMIT, CURSOR, MIN_POSITION],
        answer: Answer {
            summary: "a page of rollouts",
            content: &[(JSON, Some("Rollouts"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        open: false,
        handler: |api, call| Box::pin(rollouts::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/rollouts/{id}",
        operation: "rollout",
        summary: "One rollout with its steps.",
        parameters: &[
            OWNER,
            FLEET,
            Parameter { name: "id", place: Place::Path, shape: Shape::Id, help: "the rollout's id" },
            MIN_POSITION,
        ],
        answer: Answer {
            summary: "the rollout",
            content: &[(JSON, Some("Rollout"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        open: false,
        handler: |api, call| Box::pin(rollouts::one(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/events",
        operation: "events",
        summary: "The log, oldest first, as a JSON page or one event a line (NDJSON), by `Accept`.",
        parameters: &[
            query("after", Shape::Position, "only events after this position: `next` of the page before"),
            LIMIT,
            query("type", Shape::Text, "only this type: `fleetlog.git.pushed.v1`, or short `git.pushed`"),
            query("subject", Shape::Text, "only about this thing: `containers/api`, or `containers/*`"),
            query("actor", Shape::Text, "only by this profile or service"),
            query("from", Shape::Time, "only events of this time or later"),
            query("to", Shape::Time, "only events before this time"),
            query("fleet", Shape::Text, "only of this fleet, `owner/fleet`"),
            MIN_POSITION,
        ],
        answer: Answer {
            summary: "a page of events; `next` (NDJSON: the header `Fleetlog-Next`) is where to go on, also where a \
                      filter left nothing of what one request may look through",
            content: &[(JSON, Some("Events")), (NDJSON, Some("Event"))],
            positioned: true,
            problems: &[400, 500, 503, 504],
        },
        open: false,
        handler: |api, call| Box::pin(events::page(api, call)),
    },
];

/// Whether a path is answered without a token.
pub fn is_open(path: &str) -> bool {
    ROUTES.iter().any(|route| route.open && route.path == path)
}
