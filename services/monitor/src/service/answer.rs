//! Answers the questions of the other services.

use std::future::Future;
use std::sync::Arc;

use schemas::query::{Fault, FaultCode, ScrapeAnswer, ScrapeRequest, TargetsAnswer, TargetsRequest};
use streams::{Asked, Question, Questions};
use tokio::task::JoinSet;
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
    mut questions: Questions<Q>,
    shared: &Arc<Shared>,
    shutdown: &CancellationToken,
) -> Result<(), ServiceError>
where
    Q: ToMonitor,
    Q::Answer: Send,
{
    let subject = Q::SUBJECT;
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
                let Some(asked) = asked else { return Err(ServiceError::Closed { subject }) };
                under_way.spawn(answer(asked, shared.clone()));
            }
        }
    }
    under_way.shutdown().await;
    Ok(())
}

async fn answer<Q>(asked: Asked<Q>, shared: Arc<Shared>)
where
    Q: ToMonitor,
    Q::Answer: Send,
{
    let answer = asked.question.answer(&shared).await;
    if let Err(error) = asked.reply(answer).await {
        // The asker's own deadline tells it; here it is only worth a line.
        tracing::warn!(subject = Q::SUBJECT, error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}
