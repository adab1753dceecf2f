//! Answers `req.logger.search`, each on a thread of its own.

use std::sync::Arc;

use schemas::query::{Fault, FaultCode, LogsAnswer, LogsRequest};
use streams::{AtEnd, Questions};
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
    questions: Questions<LogsRequest>,
    shelf: &Arc<Shelf>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let served = questions.serve(AT_ONCE, AtEnd::Drop, shutdown, |question| {
        let shelf = Arc::clone(shelf);
        async move {
            let searched = tokio::task::spawn_blocking(move || search(&question, &shelf)).await;
            searched.unwrap_or_else(|error| {
                Err(Fault { code: FaultCode::Stopped, message: format!("the search broke off: {error}") })
            })
        }
    });
    Ok(served.await?)
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
