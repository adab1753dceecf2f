//! Refusals: what the pusher is told, and the one `git.refused` that an existing fleet remembers.

use schemas::check::Fault;
use schemas::event::{Data, Draft, GitRefused, RefUpdate, Refusal};
use streams::{AppendError, Expected};

use crate::context::{Context, chain};
use crate::error::SettleError;
use crate::follow::catch_up;
use crate::push::Push;
use crate::repository::{Repository, State};

/// A push that is not accepted.
#[derive(Debug)]
pub(crate) struct Refused {
    /// For the pusher.
    pub(crate) message: String,
    /// What the log keeps of it; none: it leaves no trace.
    pub(crate) record: Option<Record>,
}

/// What the log keeps of a refusal: no content.
#[derive(Debug)]
pub(crate) struct Record {
    refusal: Refusal,
    codes: Vec<String>,
    faults: usize,
}

impl Refused {
    /// Leaves no trace, such as where the log is away.
    pub(crate) fn untold(message: impl Into<String>) -> Self {
        Self { message: message.into(), record: None }
    }

    /// What it asks for is not allowed.
    pub(crate) fn not_allowed(code: &str, message: impl Into<String>) -> Self {
        let record = Record { refusal: Refusal::NotAllowed, codes: vec![code.to_owned()], faults: 1 };
        Self { message: format!("refused: {}\nnothing changed", message.into()), record: Some(record) }
    }

    /// Somebody else was first.
    pub(crate) fn race(update: &RefUpdate) -> Self {
        let message = format!("refused: `{}` has moved meanwhile; fetch first\nnothing changed", update.name);
        let record = Record { refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 1 };
        Self { message, record: Some(record) }
    }

    /// The tree has faults.
    pub(crate) fn faults(message: String, faults: &[Fault]) -> Self {
        let mut codes: Vec<String> = faults.iter().map(|fault| fault.code.to_string()).collect();
        codes.sort();
        codes.dedup();
        let record = Record { refusal: Refusal::Faults, codes, faults: faults.len() };
        Self { message: format!("{message}\nrefused, nothing changed"), record: Some(record) }
    }
}

/// Remembers a refusal, where the fleet exists. Says what the pusher has to know about that, if anything.
/// The caller holds the fleet's lock.
pub(crate) async fn remember(
    context: &Context,
    push: &Push,
    state: &mut State,
    updates: &[RefUpdate],
    record: Record,
) -> Option<String> {
    state.deploy.as_ref()?;
    let draft = Draft {
        id: streams::clock::new_id(),
        scope: push.repository.scope(),
        subject: updates.first().map_or_else(|| "refs".to_owned(), |update| update.name.clone()),
        time: streams::clock::now(),
        actor: push.actor.clone(),
        cause: None,
        data: Data::GitRefused(GitRefused {
            refs: updates.to_vec(),
            refusal: record.refusal,
            codes: record.codes,
            faults: u32::try_from(record.faults).unwrap_or(u32::MAX),
        }),
    };
    let remembered = append(context, &push.repository, state, &draft).await;
    remembered.err().map(|error| {
        tracing::warn!(fleet = %push.repository.fleet, error, "a refused push could not be remembered");
        format!("this refusal could not be written to the log: {error}")
    })
}

async fn append(context: &Context, repository: &Repository, state: &mut State, draft: &Draft) -> Result<(), String> {
    loop {
        match context.bus.append(draft, Expected::At(state.applied)).await {
            Ok(position) => {
                state.applied = position;
                return Ok(());
            }
            Err(AppendError::Refused { last }) => {
                let caught: Result<(), SettleError> = catch_up(context, repository, state, last).await;
                caught.map_err(|error| chain(&error))?;
            }
            Err(error) => return Err(chain(&error)),
        }
    }
}
