//! Paths about what containers wrote.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, CURSOR, JSON, Parameter, Place, Route, Shape, query};
use crate::{logs, sse};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[PAGE, TAIL];

const QUERY: Parameter = query(
    "query",
    Shape::Text,
    "words, \"phrases\", field:value (owner, fleet, container, stream, node, run), AND, OR, NOT or -, parentheses",
);
const FLEET: Parameter = query("fleet", Shape::Text, "only of this fleet, `owner/fleet`");
const CONTAINER: Parameter = query("container", Shape::Text, "only of the container, or the task, with this name");
const FROM: Parameter = query("from", Shape::Time, "only lines of this time or later");
const TO: Parameter = query("to", Shape::Time, "only lines before this time");

const PAGE: Route = Route {
    method: Method::GET,
    path: "/v1/logs",
    operation: "logs",
    summary: "Lines that containers and runs wrote, in the order of their times; found within two seconds.",
    parameters: &[
        QUERY,
        FLEET,
        CONTAINER,
        FROM,
        TO,
        query("limit", Shape::UpTo(5_000), "at most so many; 100 where absent"),
        query("order", Shape::Text, "`backward`, the newest first, where absent; or `forward`"),
        CURSOR,
    ],
    body: None,
    answer: Answer {
        status: 200,
        summary: "a page of lines; `tail` is what GET /v1/logs/tail?after= goes on from without loss",
        content: &[(JSON, Some("Logs"))],
        positioned: false,
        problems: &[400, 403, 503],
    },
    needs: Action::Enter,
    handler: |api, call| Box::pin(logs::page(api, call)),
};

const TAIL: Route = Route {
    method: Method::GET,
    path: "/v1/logs/tail",
    operation: "tail",
    summary: "Lines as they are written, as Server-Sent Events: `event` is `line`, `data` a line as in a page.",
    parameters: &[
        QUERY,
        FLEET,
        CONTAINER,
        FROM,
        TO,
        query("after", Shape::Position, "`tail` of a page of lines: go on behind it; from now on where absent"),
        Parameter {
            name: "Last-Event-ID",
            place: Place::Header,
            shape: Shape::Text,
            help: "the last id that was seen: goes before `after`, and neither loses nor doubles a line",
        },
    ],
    body: None,
    answer: Answer {
        status: 200,
        summary: "lines without an end; a comment every 15 s of silence",
        content: &[(sse::KIND, None)],
        positioned: false,
        problems: &[400, 403, 503],
    },
    needs: Action::Enter,
    handler: |api, call| Box::pin(logs::tail(api, call)),
};
