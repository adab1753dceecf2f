//! `GET /v1/events`: the log by pages; [`stream`] as it grows.

mod filter;
mod stream;
mod text;

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use schemas::event::Shown;
use streams::{Filter as Follow, ReadError};

use self::filter::Filter;
pub(crate) use self::stream::follow;
use self::text::Text;
use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// Where to go on, for an answer that has no other place for it.
const NEXT: HeaderName = HeaderName::from_static("fleetlog-next");
/// How long a request waits for the position that it names.
const WITHIN: Duration = Duration::from_secs(5);
/// Events that are held in memory at a time.
const CHUNK: usize = 200;

/// A page of the log, oldest first.
pub(crate) async fn page(api: Api, call: Call) -> Result<Response, Problem> {
    let filter = Filter::read(&call)?;
    let limit = call.limit()?;
    let after = call.parsed("after", "a position, such as 17")?.unwrap_or(0);
    let min_position = call.min_position()?;
    if min_position > 0 {
        wait_for(&api, min_position).await?;
    }
    let mut text = Text::new(call.wants_lines());
    let (head, next) = scan(&api, after, limit, &filter, &mut text).await?;
    let next = next.map(|it| it.to_string());
    let (kind, body) = text.end(head, next.as_deref());
    let mut response = reply::at(head, reply::bytes(StatusCode::OK, kind, body));
    if let Some(next) = next.and_then(|it| HeaderValue::try_from(it).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}

/// Writes what the filter lets through. Answers where the log ended when it began, and where to go on: `None` where it
/// came to that end.
async fn scan(
    api: &Api,
    after: u64,
    limit: usize,
    filter: &Filter,
    text: &mut Text,
) -> Result<(u64, Option<u64>), Problem> {
    let head = api.bus.head().await.map_err(problem)?;
    let (mut at, mut seen) = (after, 0);
    while at < head {
        let wanted = if filter.is_all() { CHUNK.min(limit - text.count()) } else { CHUNK };
        let page = api.bus.page(at, wanted).await.map_err(problem)?;
        if page.events.is_empty() {
            // Nothing was appended to the log after `at`, whatever its head: gaps end here too.
            return Ok((head, None));
        }
        for event in &page.events {
            if event.position > head {
                return Ok((head, None));
            }
            at = event.position;
            seen += 1;
            if filter.lets(event) {
                text.push(&Shown::from(event))?;
            }
            if at < head && (text.count() >= limit || text.is_full() || seen >= api.max_scan) {
                return Ok((head, Some(at)));
            }
        }
    }
    Ok((head, None))
}

/// Waits until the log is as long as the request wants it.
async fn wait_for(api: &Api, position: u64) -> Result<(), Problem> {
    let head = api.bus.head().await.map_err(problem)?;
    // From the end of the log, not from the wanted position: a reader cannot begin where nothing is yet.
    let mut follow = api.bus.follow(Follow::All, head);
    let reached = async {
        let mut at = head;
        while at < position {
            at = follow.next().await.map_err(problem)?.position;
        }
        Ok(())
    };
    tokio::time::timeout(WITHIN, reached).await.unwrap_or_else(|_| {
        Err(Problem::behind(format!("the log did not reach position {position} within {} s", WITHIN.as_secs())))
    })
}

fn problem(error: ReadError) -> Problem {
    match error {
        ReadError::Decode { position, source, .. } => {
            Problem::unreadable(format!("the event at position {position} cannot be read: {source}"))
        }
        gap @ ReadError::Gap { .. } => Problem::unreadable(gap.to_string()),
        other => Problem::unavailable(format!("the log does not answer: {other}")),
    }
}
