//! Listens for what others ask, and listens anew where questions come no more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use schemas::query::Fault;
use streams::{AtEnd, Question, Questions, with_causes};

use crate::context::Context;

/// Questions of one kind that are answered at a time; the next ones wait on the bus.
pub(crate) const AT_ONCE: usize = 4;
/// The time between two tries to be asked.
const AGAIN: Duration = Duration::from_secs(1);

/// Answers questions of one kind until the service ends.
pub(crate) async fn serve<Q, F, A>(context: &Arc<Context>, at_once: usize, answer: F)
where
    Q: Question<Answer: Send> + Send + 'static,
    F: Fn(Arc<Context>, Q) -> A,
    A: Future<Output = Result<Q::Answer, Fault>> + Send + 'static,
{
    while let Some(questions) = listen::<Q>(context).await {
        let served = questions
            .serve(at_once, AtEnd::Finish, &context.shutdown, |question| answer(Arc::clone(context), question));
        if let Err(error) = served.await {
            tracing::warn!(%error, "listening anew");
        }
    }
}

/// None: the service ends.
async fn listen<Q: Question>(context: &Context) -> Option<Questions<Q>> {
    loop {
        let error = tokio::select! {
            () = context.shutdown.cancelled() => return None,
            questions = context.bus.answer::<Q>() => match questions {
                Ok(questions) => return Some(questions),
                Err(error) => error,
            },
        };
        let error = with_causes(&error);
        tracing::warn!(subject = Q::SUBJECT, error, "questions cannot be heard, trying again");
        tokio::select! {
            () = context.shutdown.cancelled() => return None,
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
