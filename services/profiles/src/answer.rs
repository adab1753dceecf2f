//! Answers the questions of the other services.

use std::future::Future;
use std::sync::Arc;

use schemas::query::Fault;
use streams::{AtEnd, Question, Questions};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::error::Error;

/// Questions of one kind that are answered at the same time; the next waits until one of them is.
const AT_ONCE: usize = 64;

/// A question that this service answers.
pub(crate) trait Answered: Question + Send + Sync + 'static {
    /// The answer.
    fn answered(self, desk: &Desk) -> impl Future<Output = Result<Self::Answer, Fault>> + Send;
}

/// Answers every question of one kind until it is told to stop, and finishes those that it has taken: an event that is
/// on its way has to be followed to its end.
pub(crate) async fn all<Q>(questions: Questions<Q>, desk: Arc<Desk>, shutdown: &CancellationToken) -> Result<(), Error>
where
    Q: Answered,
    Q::Answer: Send,
{
    let served = questions.serve(AT_ONCE, AtEnd::Finish, shutdown, |question| {
        let desk = Arc::clone(&desk);
        async move { question.answered(&desk).await }
    });
    Ok(served.await?)
}
