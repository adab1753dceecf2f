//! Asks a service over the bus, and tells its faults as problems.

use std::time::Duration;

use schemas::query::{Fault, FaultCode};
use streams::{AskError, Question};
use uuid::Uuid;

use crate::Api;
use crate::problem::Problem;

/// How long what is only read may take: the service's own wait for a position, and a second for the way.
pub(crate) const READ: Duration = Duration::from_secs(6);
/// How long what is written may take: until the log's answer is definite, and the wait for what follows from it.
pub(crate) const WRITE: Duration = Duration::from_secs(20);

/// Asks `service`, which is named in what the client is told.
pub(crate) async fn ask<Q: Question>(
    api: &Api,
    service: &str,
    question: &Q,
    within: Duration,
) -> Result<Q::Answer, Problem> {
    api.bus.ask(question, within).await.map_err(|error| match error {
        AskError::Fault(fault) => of_fault(service, fault),
        other => Problem::unavailable(format!("the service `{service}` does not answer: {other}")),
    })
}

/// The same where something may have been done although nobody answers: `event` says what came of it.
pub(crate) async fn ask_to_act<Q: Question>(
    api: &Api,
    service: &str,
    question: &Q,
    event: Uuid,
    within: Duration,
) -> Result<Q::Answer, Problem> {
    api.bus.ask(question, within).await.map_err(|error| match error {
        AskError::Fault(fault) => of_fault(service, fault),
        AskError::NobodyThere { .. } => Problem::unavailable(format!("nothing was done: no `{service}` is there")),
        other => Problem::unavailable(format!("outcome unknown, event {event} will tell: `{service}`: {other}")),
    })
}

/// A fault of `service` as HTTP tells it.
fn of_fault(service: &str, Fault { code, message }: Fault) -> Problem {
    match code {
        FaultCode::Behind => Problem::behind(message),
        FaultCode::BadRequest => Problem::bad_request(message),
        FaultCode::NotFound => Problem::not_found(message),
        FaultCode::NotAllowed => Problem::forbidden(message),
        FaultCode::Conflict => Problem::conflict(message),
        FaultCode::Unavailable => Problem::unavailable(message),
        FaultCode::Full => Problem::full(message),
        FaultCode::Stopped => Problem::unavailable(format!("the service `{service}` has stopped: {message}")),
    }
}
