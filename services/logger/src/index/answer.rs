//! Answers `req.logger.search`, each on a thread of its own.

use std::sync::Arc;

use schemas::query::{Fault, FaultCode, LogsAnswer, LogsRequest};
use streams::{Asked, Question, Questions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::search;
use super::shelf::Shelf;
use crate::error::Error;

/// Searches at the same time; the next waits until one of them is done.
const AT_ONCE: usize = 4;
/// Lines in one answer.
const MAX_LIMIT: u32 = 5_000;

/// Answers every question until it is told to stop.
pub(super) async fn all(
    mut questions: Questions<LogsRequest>,
    shelf: &Arc<Shelf>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let subject = LogsRequest::SUBJECT;
    let mut under_way = JoinSet::new();
    loop {
        // Every arm is cancel-safe: a cancelled `next` has taken no question, a cancelled `join_next` no result.
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(end) = under_way.join_next() => {
                if let Err(error) = end {
                    tracing::error!(subject, %error, "an answer ended before it was given");
                }
            }
            asked = questions.next(), if under_way.len() < AT_ONCE => {
                let Some(asked) = asked else { return Err(Error::Closed { subject }) };
                under_way.spawn(answer(asked, shelf.clone()));
            }
        }
    }
    under_way.shutdown().await;
    Ok(())
}

async fn answer(asked: Asked<LogsRequest>, shelf: Arc<Shelf>) {
    let question = asked.question.clone();
    let searched = tokio::task::spawn_blocking(move || search(&question, &shelf)).await;
    let answer = searched.unwrap_or_else(|error| {
        Err(Fault { code: FaultCode::Stopped, message: format!("the search broke off: {error}") })
    });
    if let Err(error) = asked.reply(answer).await {
        // The asker's own deadline tells it; here it is only worth a line.
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}

fn search(question: &LogsRequest, shelf: &Shelf) -> Result<LogsAnswer, Fault> {
    let bad = |message| Fault { code: FaultCode::BadRequest, message };
    let expr = question.filter.expr().map_err(|error| bad(error.to_string()))?;
    if !(1..=MAX_LIMIT).contains(&question.limit) {
        return Err(bad(format!("the limit is {}, expected 1 to {MAX_LIMIT}", question.limit)));
    }
    // Read before the days: what is said to be there has to be.
    let applied = *shelf.applied().borrow();
    search::page(&shelf.all(), question, &expr, applied).map_err(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "a search failed");
        error.fault()
    })
}
