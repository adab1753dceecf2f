//! `GET /v1/events/stream`: the log as it grows, as Server-Sent Events.

use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use schemas::event::Shown;
use streams::{Filter as Which, Follow, ReadError};

use super::filter::Filter;
use super::problem;
use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::sse;

/// What a client that comes back sends: the last id that it saw.
const LAST: &str = "last-event-id";
/// Bytes that go out as one piece, where so much is there already.
const PIECE: usize = 64 << 10;

/// The events behind the one that the client saw last, without loss and without doubling.
pub(crate) async fn follow(api: Api, call: Call) -> Result<Response, Problem> {
    const EXPECTED: &str = "a position, such as 17";
    let filter = Filter::read(&call)?;
    let (name, after) = match call.header(LAST).map(str::trim).filter(|it| !it.is_empty()) {
        // A browser that comes back asks for the same URL: what it saw since goes before that.
        Some(text) => {
            let read = text.parse().map_err(|_| Problem::bad_parameter("Last-Event-ID", text, EXPECTED));
            ("Last-Event-ID", read?)
        }
        None => ("after", call.parsed("after", EXPECTED)?.unwrap_or(0)),
    };
    let head = api.bus.head().await.map_err(problem)?;
    if after > head {
        let expected = format!("a position of this log, which ends at {head}");
        return Err(Problem::bad_parameter(name, &after.to_string(), &expected));
    }
    let log = Log { follow: api.bus.follow(Which::All, after), filter, over: false };
    sse::answer(&api, &call, log)
}

struct Log {
    follow: Follow,
    filter: Filter,
    over: bool,
}

impl sse::Source for Log {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut piece = Vec::new();
        while piece.is_empty() {
            let event = self.follow.next().await;
            self.take(event, &mut piece);
            // What is there already goes out with it.
            while !self.over && piece.len() < PIECE {
                let Some(event) = self.follow.next().now_or_never() else { break };
                self.take(event, &mut piece);
            }
        }
        Some(piece.into())
    }
}

impl Log {
    /// Writes an event that the filter lets through. One that cannot be read is the end, which is said.
    fn take(&mut self, event: Result<schemas::event::Event, ReadError>, piece: &mut Vec<u8>) {
        let written = event.map_err(problem).and_then(|event| {
            if !self.filter.lets(&event) {
                return Ok(Vec::new());
            }
            let id = event.position.to_string();
            let unwritable = |error| Problem::unreadable(format!("event {id} cannot be written: {error}"));
            sse::message(Some(&id), event.data.kind(), &Shown::from(&event)).map_err(unwritable)
        });
        match written {
            Ok(message) => piece.extend_from_slice(&message),
            Err(problem) => {
                self.over = true;
                piece.extend_from_slice(&sse::end(&problem));
            }
        }
    }
}
