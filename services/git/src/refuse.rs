//! Refusals: what the pusher is told, and the one `git.refused` that an existing fleet remembers.

use schemas::check::Fault;
use schemas::event::{Data, Draft, GitRefused, RefUpdate, Refusal};
use streams::{AppendError, Expected, with_causes};
use tokio::time::Instant;

use crate::context::Context;
use crate::error::SettleError;
use crate::follow::catch_up;
use crate::limit::Over;
use crate::opening::Opening;
use crate::push::{NOT_ANY_MORE, Push};
use crate::repository::{Repository, State};
use crate::tally::{AT_ONCE, ONE_MORE};

/// Refs of a refused push that are remembered: events are for ever.
const REFS: usize = 100;

/// A push that is not accepted. Git's client colours a line that begins with `error:`, where its terminal shows colours.
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

impl Record {
    /// Who pushes may not.
    pub(crate) fn role() -> Self {
        Self { refusal: Refusal::NotAllowed, codes: vec!["role".to_owned()], faults: 1 }
    }
}

impl Refused {
    /// Who pushes may not move this ref.
    pub(crate) fn role(message: String) -> Self {
        Self { message: format!("error: refused: {message}\nnothing changed"), record: Some(Record::role()) }
    }

    /// Who pushes was let in, and is not any more.
    pub(crate) fn right_ended() -> Self {
        Self { message: format!("error: refused: {NOT_ANY_MORE}\nnothing changed"), record: Some(Record::role()) }
    }

    /// Leaves no trace, such as where the log is away.
    pub(crate) fn untold(message: impl Into<String>) -> Self {
        Self { message: message.into(), record: None }
    }

    /// What it asks for is not allowed.
    pub(crate) fn not_allowed(code: &str, message: impl Into<String>) -> Self {
        let record = Record { refusal: Refusal::NotAllowed, codes: vec![code.to_owned()], faults: 1 };
        Self { message: format!("error: refused: {}\nnothing changed", message.into()), record: Some(record) }
    }

    /// It is over a limit.
    pub(crate) fn over(over: &Over) -> Self {
        Self::not_allowed(over.code, over.to_string())
    }

    /// Git itself has turned it down before any hook, and has said why: its objects are broken, or not all there.
    pub(crate) fn by_git() -> Self {
        Self::not_allowed(
            "unpack",
            "Git does not take what was sent, for the reason above: `git fsck` tells whether your clone is whole, and what \
             is missing there a new clone has; then push again",
        )
    }

    /// Somebody else was first.
    pub(crate) fn race(update: &RefUpdate) -> Self {
        let message = format!("error: refused: `{}` has moved meanwhile; fetch first\nnothing changed", update.name);
        let record = Record { refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 1 };
        Self { message, record: Some(record) }
    }

    /// Something else is desired than what it was planned for, though its refs have not moved.
    pub(crate) fn rolled_back() -> Self {
        let message = "error: refused: what is desired has changed meanwhile; fetch, then try again\nnothing changed";
        let record = Record { refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 1 };
        Self { message: message.to_owned(), record: Some(record) }
    }

    /// The tree has faults.
    pub(crate) fn faults(message: String, faults: &[Fault]) -> Self {
        let mut codes: Vec<String> = faults.iter().map(|fault| fault.code.to_string()).collect();
        codes.sort();
        codes.dedup();
        let record = Record { refusal: Refusal::Faults, codes, faults: faults.len() };
        Self { message: format!("{message}\nerror: refused, nothing changed"), record: Some(record) }
    }
}

/// Remembers the refusal of a push that never came to a hook, such as one that is over a limit. The words are what its
/// pusher has to know of that.
pub(crate) async fn recall(context: &Context, push: &Push, opening: &Opening, refused: Refused) -> Option<String> {
    let record = refused.record.filter(|_| !opening.updates.is_empty() && !opening.is_plan())?;
    let mut state = push.repository.state.lock().await;
    remember(context, &push.repository, &push.actor, &mut state, &opening.updates, record).await.words()
}

/// What became of the memory of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// It is in the log, or there is no fleet that could remember.
    Yes,
    /// The log does not answer; the words say so.
    Unsaid(String),
    /// There were too many of the same before; the words say so.
    TooMany(String),
}

impl Remembered {
    /// What the pusher has to know about that, if anything.
    pub(crate) fn words(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Unsaid(words) | Self::TooMany(words) => Some(words),
        }
    }
}

/// Remembers a refusal, where the fleet exists. The caller holds the fleet's lock.
pub(crate) async fn remember(
    context: &Context,
    repository: &Repository,
    actor: &str,
    state: &mut State,
    updates: &[RefUpdate],
    record: Record,
) -> Remembered {
    // Above 95 %, the room that is left is for what undoes something.
    if state.deploy.is_none() || context.fullness.refusal().is_some() {
        return Remembered::Yes;
    }
    if !context.tally.one_more(actor, &repository.fleet, Instant::now()) {
        tracing::debug!(fleet = %repository.fleet, actor, codes = ?record.codes, "too many refused pushes to remember");
        return Remembered::TooMany(format!(
            "`{actor}` had {AT_ONCE} pushes to `{}` refused within a short time: this one is not written to the log, \
             and of further ones only one in {} s",
            repository.fleet,
            ONE_MORE.as_secs()
        ));
    }
    let draft = Draft {
        id: streams::clock::new_id(),
        scope: repository.scope(),
        subject: updates.first().map_or_else(|| "refs".to_owned(), |update| update.name.clone()),
        time: streams::clock::now(),
        actor: actor.to_owned(),
        cause: None,
        data: Data::GitRefused(GitRefused {
            refs: updates.iter().take(REFS).cloned().collect(),
            refusal: record.refusal,
            codes: record.codes,
            faults: u32::try_from(record.faults).unwrap_or(u32::MAX),
        }),
    };
    match append(context, repository, state, &draft).await {
        Ok(()) => Remembered::Yes,
        Err(error) => {
            tracing::warn!(fleet = %repository.fleet, error, "a refused push could not be remembered");
            Remembered::Unsaid(format!("this refusal could not be written to the log: {error}"))
        }
    }
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
                caught.map_err(|error| with_causes(&error))?;
            }
            Err(error) => return Err(with_causes(&error)),
        }
    }
}
