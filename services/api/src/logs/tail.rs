//! `GET /v1/logs/tail`: lines as agents store them, as Server-Sent Events. Straight from the log: nothing waits for the
//! index.

use std::fmt;
use std::str::FromStr;

use axum::response::Response;
use bytes::Bytes;
use schemas::logs::{Expr, Filter, unpack};
use streams::{Lines, ReadError};

use super::{Line, filter};
use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::sse;

/// What a client that comes back sends: the last id that it saw.
const LAST: &str = "last-event-id";

/// A line's place in `LOGS`: its batch's sequence, and how many lines of that batch came up to it.
#[derive(Debug, Clone, Copy)]
struct At {
    position: u64,
    lines: u32,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.position, self.lines)
    }
}

impl FromStr for At {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (position, lines) = text.trim().split_once('.').ok_or(())?;
        Ok(Self { position: position.parse().map_err(|_| ())?, lines: lines.parse().map_err(|_| ())? })
    }
}

/// The lines behind the one that the client saw last, without loss and without doubling; else from now on.
pub(crate) async fn tail(api: Api, call: Call) -> Result<Response, Problem> {
    let filter = filter(&call)?;
    let expr = filter.expr().map_err(|error| Problem::bad_query(&error))?;
    let last = api.bus.lines_kept().await.map_err(|error| problem(&error))?.last;
    let seen: Option<At> = match call.header(LAST) {
        Some(text) => {
            let bad = |()| Problem::bad_parameter("Last-Event-ID", text, "the id of a message of this stream");
            Some(text.parse().map_err(bad)?)
        }
        None => None,
    };
    let after: Option<u64> = call.parsed("after", "`tail` of a page of lines")?;
    let (after, skip) = match (seen, after) {
        // The batch of which only some lines were seen comes once more, without those.
        (Some(at), _) => (at.position.saturating_sub(1), Some(at)),
        (None, after) => (after.unwrap_or(last), None),
    };
    if after > last {
        let expected = format!("at most {last}, where the lines end now");
        return Err(Problem::bad_parameter("after", &after.to_string(), &expected));
    }
    let lines = api.bus.lines(after);
    sse::answer(&api, &call, Tail { lines, filter, expr, skip })
}

struct Tail {
    lines: Lines,
    filter: Filter,
    expr: Expr,
    skip: Option<At>,
}

impl sse::Source for Tail {
    async fn next(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while piece.is_empty() {
            let (position, node, batch) = match self.lines.next().await {
                Ok(next) => next,
                Err(ReadError::Decode { .. }) => continue,
                Err(error) => return Some(sse::end(&problem(&error))),
            };
            let seen = self.skip.take().filter(|it| it.position == position).map_or(0, |it| it.lines);
            for found in unpack(position, &node, batch).filter(|it| it.place.ordinal >= seen) {
                if !self.filter.lets(&self.expr, &found) {
                    continue;
                }
                let id = At { position, lines: found.place.ordinal + 1 }.to_string();
                match sse::message(Some(&id), "line", &Line::from(found)) {
                    Ok(message) => piece.extend_from_slice(&message),
                    Err(error) => {
                        let problem = Problem::unreadable(format!("line {id} cannot be written: {error}"));
                        return Some(sse::end(&problem));
                    }
                }
            }
        }
        Some(piece.into())
    }
}

fn problem(error: &ReadError) -> Problem {
    Problem::unavailable(format!("the log lines cannot be read: {error}"))
}
