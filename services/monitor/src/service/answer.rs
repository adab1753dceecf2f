//! Answers the questions of the other services.

use std::future::Future;
use std::sync::Arc;

use schemas::query::{Fault, FaultCode, ScrapeAnswer, ScrapeRequest, TargetsAnswer, TargetsRequest};
use streams::{AtEnd, Question, Questions};
use tokio_util::sync::CancellationToken;

use super::{Shared, targets};
use crate::error::ServiceError;

/// Questions of one kind that are answered at the same time; the next waits until one of them is.
const AT_ONCE: usize = 16;

/// A question to the monitor.
pub trait ToMonitor: Question + Send + Sync + 'static {
    /// Its answer.
    fn answer(&self, shared: &Shared) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

impl ToMonitor for ScrapeRequest {
    async fn answer(&self, shared: &Shared) -> Result<ScrapeAnswer, Fault> {
        Ok(shared.scrape(&self.who).await)
    }
}

impl ToMonitor for TargetsRequest {
    async fn answer(&self, shared: &Shared) -> Result<TargetsAnswer, Fault> {
        // An incomplete list would make Prometheus drop targets; without an answer it keeps those that it has.
        let targets = targets::targets(shared, &self.who).await.map_err(|error| Fault {
            code: FaultCode::Unavailable,
            message: format!("the registry does not tell which containers serve metrics: {error}"),
        })?;
        Ok(TargetsAnswer { targets })
    }
}

/// Answers every question of one kind until it is told to stop.
pub async fn all<Q>(
    questions: Questions<Q>,
    shared: &Arc<Shared>,
    shutdown: &CancellationToken,
) -> Result<(), ServiceError>
where
    Q: ToMonitor,
    Q::Answer: Send,
{
    let served = questions.serve(AT_ONCE, AtEnd::Drop, shutdown, |question| {
        let shared = Arc::clone(shared);
        async move { question.answer(&shared).await }
    });
    Ok(served.await?)
}
