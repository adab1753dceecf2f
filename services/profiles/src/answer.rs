//! Answers the questions of the other services.

use std::future::Future;
use std::sync::Arc;

use schemas::query::Fault;
use streams::{Asked, Question, Questions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::error::Error;

/// Questions of one kind that are answered at the same time; the next waits until one of them is.
const AT_ONCE: usize = 64;

/// A question that this service answers.
pub(crate) trait Answered: Question + Clone + Send + Sync + 'static {
    /// The answer.
    fn answered(self, desk: &Desk) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

/// Answers every question of one kind until it is told to stop, and finishes those that it has taken: an event that is
/// on its way has to be followed to its end.
pub(crate) async fn all<Q>(
    mut questions: Questions<Q>,
    desk: Arc<Desk>,
    shutdown: &CancellationToken,
) -> Result<(), Error>
where
    Q: Answered,
    Q::Answer: Send,
{
    let subject = Q::SUBJECT;
    let mut under_way = JoinSet::new();
    let end = loop {
        // Every arm is cancel-safe: a cancelled `next` has taken no question, a cancelled `join_next` no result.
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            Some(end) = under_way.join_next() => note(subject, end),
            asked = questions.next(), if under_way.len() < AT_ONCE => {
                let Some(asked) = asked else { break Err(Error::Closed { subject }) };
                under_way.spawn(answer(asked, Arc::clone(&desk)));
            }
        }
    };
    while let Some(end) = under_way.join_next().await {
        note(subject, end);
    }
    end
}

async fn answer<Q>(asked: Asked<Q>, desk: Arc<Desk>)
where
    Q: Answered,
    Q::Answer: Send,
{
    let answer = asked.question.clone().answered(&desk).await;
    if let Err(error) = asked.reply(answer).await {
        // The asker's own deadline tells it; here it is only worth a line.
        tracing::warn!(subject = Q::SUBJECT, error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}

fn note(subject: &'static str, end: Result<(), tokio::task::JoinError>) {
    if let Err(error) = end {
        tracing::error!(subject, %error, "an answer ended before it was given");
    }
}
