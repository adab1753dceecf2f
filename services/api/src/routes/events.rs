//! Paths about the log.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, JSON, LIMIT, MIN_POSITION, NDJSON, Parameter, Place, Route, Shape, query};
use crate::{events, sse};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[PAGE, STREAM];

const PAGE: Route = Route {
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
    body: None,
    answer: Answer {
        status: 200,
        summary: "a page of events; `next` (NDJSON: the header `Fleetlog-Next`) is where to go on, also where a \
                      filter left nothing of what one request may look through",
        content: &[(JSON, Some("Events")), (NDJSON, Some("Event"))],
        positioned: true,
        problems: &[400, 500, 503, 504],
    },
    needs: Action::Enter,
    handler: |api, call| Box::pin(events::page(api, call)),
};

const STREAM: Route = Route {
    method: Method::GET,
    path: "/v1/events/stream",
    operation: "follow",
    summary: "The log as it grows, oldest first, as Server-Sent Events: `id` is the position, `event` the type.",
    parameters: &[
        query("after", Shape::Position, "only events after this position; from the first one where absent"),
        Parameter {
            name: "Last-Event-ID",
            place: Place::Header,
            shape: Shape::Position,
            help: "the last position that was seen: goes before `after`, and neither loses nor doubles an event",
        },
        query("type", Shape::Text, "only this type: `fleetlog.git.pushed.v1`, or short `git.pushed`"),
        query("subject", Shape::Text, "only about this thing: `containers/api`, or `containers/*`"),
        query("actor", Shape::Text, "only by this profile or service"),
        query("from", Shape::Time, "only events of this time or later"),
        query("to", Shape::Time, "only events before this time"),
        query("fleet", Shape::Text, "only of this fleet, `owner/fleet`"),
    ],
    body: None,
    answer: Answer {
        status: 200,
        summary: "`data` is an event as in a page; a comment every 15 s of silence; a message `problem` where the log \
                  cannot be read further",
        content: &[(sse::KIND, None)],
        positioned: false,
        problems: &[400, 500, 503],
    },
    needs: Action::Enter,
    handler: |api, call| Box::pin(events::follow(api, call)),
};
