//! Answers questions as they come, a bounded number at a time: the loop that every service runs for what it is asked.

use std::future::Future;

use schemas::query::Fault;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::request::{Asked, Place, Question, Questions};

/// What becomes of the answers that are being worked out when a service is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// They are finished: an effect that is on its way has to be followed to its end.
    Finish,
    /// They are dropped: who only waits for a position is not kept waiting for a service that goes.
    Drop,
}

/// Questions come no more, although nobody asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the questions on `{subject}` ended: is the connection to NATS closed?")]
pub struct Closed {
    /// The subject of the questions.
    pub subject: &'static str,
}

impl<Q> Questions<Q>
where
    Q: Question<Answer: Send> + 'static,
{
    /// Answers every question until it is told to stop, `at_once` of them at the same time; the next waits on the bus.
    pub async fn serve<F, A>(
        mut self,
        at_once: usize,
        at_end: AtEnd,
        shutdown: &CancellationToken,
        answer: F,
    ) -> Result<(), Closed>
    where
        F: Fn(Q) -> A,
        A: Future<Output = Result<Q::Answer, Fault>> + Send + 'static,
    {
        let mut under_way = JoinSet::new();
        let end = loop {
            // Every arm is cancel-safe: a cancelled `next` has taken no question, a cancelled `join_next` no result.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                Some(end) = under_way.join_next() => note(Q::SUBJECT, end),
                asked = self.next(), if under_way.len() < at_once => {
                    let Some(asked) = asked else { break Err(Closed { subject: Q::SUBJECT }) };
                    let Asked { question, place } = asked;
                    under_way.spawn(deliver::<Q, A>(place, answer(question)));
                }
            }
        };
        match at_end {
            AtEnd::Drop => under_way.shutdown().await,
            AtEnd::Finish => {
                while let Some(end) = under_way.join_next().await {
                    note(Q::SUBJECT, end);
                }
            }
        }
        end
    }
}

async fn deliver<Q, A>(place: Place, answer: A)
where
    Q: Question,
    A: Future<Output = Result<Q::Answer, Fault>>,
{
    if let Err(error) = place.reply(answer.await).await {
        // The asker's own deadline tells it; here it is only worth a line.
        tracing::warn!(subject = Q::SUBJECT, error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}

fn note(subject: &'static str, end: Result<(), JoinError>) {
    if let Err(error) = end {
        tracing::error!(subject, %error, "an answer ended before it was given");
    }
}

/// Runs one of a service's loops, and ends the others, which hold `all`, when it fails: none of them is of use alone.
pub async fn guarded<E>(all: &CancellationToken, run: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    let end = run.await;
    if end.is_err() {
        all.cancel();
    }
    end
}
