//! `proc-receive`: makes a push true. Locks the refs, appends one `git.pushed`, moves the refs.
//!
//! Writes `git.pushed`, or `git.refused` where somebody else was first. From `prepare` on everything is finished,
//! whether the pusher is still there or not: refs have moved exactly if the event is in the log.

use std::io;

use schemas::event::{Data, DesiredReinstated, Draft, Event, GitPushed, OverrideUsed, RefUpdate};
use streams::{AppendError, Expected, with_causes};
use tokio::io::AsyncRead;

use crate::context::{Context, names};
use crate::desk::Pen;
use crate::error::GitError;
use crate::fault::{FaultPoint, pause};
use crate::follow::catch_up;
use crate::guards::Override;
use crate::pktline;
use crate::push::{Accepted, Inspected, NOT_ANY_MORE, Push};
use crate::refs;
use crate::refuse::{Refused, remember};
use crate::repository::State;
use crate::settle::mark;
use crate::transaction;

/// What somebody is told whose push came to a standstill.
const TOO_OLD: &str = "the push stood still for too long; nothing changed, try again";

/// Why the refs have not moved.
struct Declined {
    /// What `git push` shows behind each ref.
    reason: String,
    /// More words, and what the log keeps.
    refused: Option<Refused>,
}

/// Answers Git's list of commands: all of them, or none.
pub(crate) async fn proc_receive(
    context: &Context,
    push: &Push,
    input: &mut (impl AsyncRead + Unpin),
    pen: &mut Pen,
) -> u8 {
    let commands = match listen(input, pen).await {
        Ok(commands) => commands,
        Err(error) => {
            tracing::warn!(fleet = %push.repository.fleet, %error, "a push ended before it was accepted");
            return 1;
        }
    };
    let answer = match push.inspection().filter(|inspected| same(&inspected.updates, &commands)) {
        None => Err("not the refs that were inspected; nothing changed, try again".to_owned()),
        Some(inspected) if is_old(context, &inspected) => Err(TOO_OLD.to_owned()),
        Some(inspected) => accept(context, push, &inspected, pen).await,
    };
    if answer.is_err() {
        push.refused();
    }
    for command in &commands {
        let line = match &answer {
            Ok(()) => format!("ok {}\n", command.name),
            Err(reason) => format!("ng {} {reason}\n", command.name),
        };
        pen.answer(&pktline::encode(&line)).await;
    }
    pen.answer(pktline::FLUSH).await;
    0
}

/// Speaks the protocol of `proc-receive` up to the end of the list of commands. Push options are known already.
async fn listen(input: &mut (impl AsyncRead + Unpin), pen: &mut Pen) -> io::Result<Vec<RefUpdate>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let hello = pktline::read(input).await?.unwrap_or_default();
    if !hello.starts_with(b"version=1") {
        return Err(invalid("Git speaks another version of proc-receive"));
    }
    while pktline::read(input).await?.is_some() {}
    pen.answer(&pktline::encode("version=1\n")).await;
    pen.answer(pktline::FLUSH).await;
    let mut commands = Vec::new();
    while let Some(line) = pktline::read(input).await? {
        let line = std::str::from_utf8(&line).map_err(|_| invalid("a ref's name is not UTF-8"))?;
        commands.push(refs::parse_line(line).map_err(|refused| invalid(&refused.message))?);
    }
    Ok(commands)
}

/// Whether Git still wants what was inspected; it leaves out refs whose objects are not whole.
fn same(inspected: &[RefUpdate], commands: &[RefUpdate]) -> bool {
    inspected.len() == commands.len() && commands.iter().all(|command| inspected.contains(command))
}

/// Whether the pack was stored so long ago, as by a machine that slept meanwhile, that another Git service on this log may
/// take it for one that nobody wants before the event that refers to it is there.
fn is_old(context: &Context, inspected: &Inspected) -> bool {
    let Some(stored) = inspected.stored.filter(|_| inspected.pack.is_some()) else { return false };
    let age = streams::clock::now().duration_since(stored);
    age.unsigned_abs() > context.config.limits.orphan / 2
}

/// Accepts the push, or says in a few words why not.
async fn accept(context: &Context, push: &Push, inspected: &Inspected, pen: &mut Pen) -> Result<(), String> {
    pause(context, FaultPoint::AfterQuarantine).await;
    let news = context.news.subscribe();
    let draft = draft(push, inspected);
    let rest: Vec<Draft> = used_override(&draft, inspected).into_iter().chain(reinstated(&draft, inspected)).collect();
    let mut state = push.repository.state.lock().await;
    match append(context, push, inspected, (&draft, &rest), &mut state).await {
        Ok(position) => {
            drop(state);
            pen.say(&format!("accepted at position {position} (event {})", draft.id)).await;
            let commit = inspected.candidate.as_ref().map(|candidate| candidate.commit.clone());
            let no_wait = inspected.options.no_wait;
            let seen = inspected.candidate.as_ref().map(|it| (it.steps.clone(), it.left_alone.clone()));
            let (planned, left_alone) = seen.unwrap_or_default();
            push.accepted(Accepted { position, commit, no_wait, planned, left_alone, news });
            Ok(())
        }
        Err(Declined { reason, refused }) => {
            if let Some(refused) = refused {
                pen.say(&refused.message).await;
                if let Some(record) = refused.record {
                    let (repository, updates) = (&push.repository, &inspected.updates);
                    let remembered = remember(context, repository, &push.actor, &mut state, updates, record).await;
                    if let Some(words) = remembered.words() {
                        pen.say(&words).await;
                    }
                }
            }
            Err(reason)
        }
    }
}

fn draft(push: &Push, inspected: &Inspected) -> Draft {
    let Inspected { updates, options, created, pack, deploy, candidate, .. } = inspected;
    let moved = format!("refs/heads/{deploy}");
    let subject = updates.iter().find(|update| update.name == moved).or(updates.first());
    Draft {
        id: streams::clock::new_id(),
        scope: push.repository.scope(),
        subject: subject.map_or(moved.clone(), |update| update.name.clone()),
        time: streams::clock::now(),
        actor: push.actor.clone(),
        cause: None,
        data: Data::GitPushed(GitPushed {
            created: *created,
            refs: updates.clone(),
            pack: pack.as_ref().map(|(pack, _)| pack.clone()),
            deploy: deploy.clone(),
            commit: candidate.as_ref().map(|candidate| candidate.commit.clone()),
            descriptors: candidate.as_ref().map(|candidate| candidate.changes.clone()).unwrap_or_default(),
            reason: options.reason.clone(),
            allow_destroy: options.allow_destroy.clone(),
        }),
    }
}

/// What an owner let pass, right behind the push: neither is true without the other.
fn used_override(push: &Draft, inspected: &Inspected) -> Option<Draft> {
    let Override { guards, reason } = inspected.overridden.clone()?;
    Some(Draft {
        id: streams::clock::new_id(),
        cause: Some(push.id),
        data: Data::OverrideUsed(OverrideUsed { push: push.id, guards, reason }),
        ..push.clone()
    })
}

/// What it takes in again, likewise.
fn reinstated(push: &Draft, inspected: &Inspected) -> Option<Draft> {
    let commits = inspected.reinstated.clone();
    (!commits.is_empty()).then(|| Draft {
        id: streams::clock::new_id(),
        cause: Some(push.id),
        data: Data::DesiredReinstated(DesiredReinstated { push: push.id, commits }),
        ..push.clone()
    })
}

/// Locks the refs, appends, moves the refs; again, where somebody was first with other refs.
async fn append(
    context: &Context,
    push: &Push,
    inspected: &Inspected,
    (draft, rest): (&Draft, &[Draft]),
    state: &mut State,
) -> Result<u64, Declined> {
    let repository = &push.repository;
    loop {
        still_first(state, inspected)?;
        let prepared = prepare(context, push, inspected).await.map_err(|error| broken(push, &error))?;
        pause(context, FaultPoint::AfterPack).await;
        // Nothing comes between these looks and the append, and it is looked again before another one.
        let appended = match push.over.is_cancelled() {
            true => Err(None),
            false => append_all(context, draft, rest, state.applied).await.map_err(Some),
        };
        let error = match appended {
            Ok(position) => {
                pause(context, FaultPoint::AfterAppend).await;
                let events = (position..).zip(std::iter::once(draft).chain(rest));
                let events = events.map(|(position, draft)| Event { position, draft: draft.clone() }).collect();
                moved(context, push, inspected, events, prepared, state).await;
                return Ok(position);
            }
            Err(error) => error,
        };
        if let Err(abort) = prepared.abort().await {
            // What it held went with it, or is cleared at the next start; the answer is the append's.
            tracing::error!(fleet = %repository.fleet, error = with_causes(&abort), "refs were not let go in order");
        }
        let Some(error) = error else {
            let reason = format!("{NOT_ANY_MORE}; nothing changed");
            return Err(Declined { reason, refused: Some(Refused::right_ended()) });
        };
        match error {
            AppendError::Refused { last } => {
                catch_up(context, repository, state, last).await.map_err(|error| broken(push, &error))?;
            }
            AppendError::Unknown { id } => {
                tracing::warn!(fleet = %repository.fleet, %id, "the outcome of a push is unknown; refs follow the log");
                return Err(Declined { reason: format!("outcome unknown, event {id}"), refused: None });
            }
            AppendError::Unavailable => {
                let message = "the event log does not answer\nnothing changed, try again";
                let reason = "nothing changed, try again".to_owned();
                return Err(Declined { reason, refused: Some(Refused::untold(message)) });
            }
            large @ AppendError::TooLarge { .. } => {
                let refused =
                    Some(Refused::not_allowed("too-large", format!("{}; push less at once", with_causes(&large))));
                return Err(Declined { reason: "too large".to_owned(), refused });
            }
            definite => {
                let message = format!("refused: {}\nnothing changed", with_causes(&definite));
                let reason = "not accepted by the log".to_owned();
                return Err(Declined { reason, refused: Some(Refused::untold(message)) });
            }
        }
    }
}

/// One event by a plain append, which costs the disk a thirtieth of a batch.
async fn append_all(context: &Context, draft: &Draft, rest: &[Draft], expected: u64) -> Result<u64, AppendError> {
    match rest {
        [] => context.bus.append(draft, Expected::At(expected)).await,
        rest => context.bus.append_all(draft, rest, expected).await,
    }
}

/// Locks the refs, with the child that is waiting for that, or another one.
async fn prepare(context: &Context, push: &Push, inspected: &Inspected) -> Result<transaction::Prepared, GitError> {
    let idle = match push.kept() {
        Some(idle) => idle,
        None => transaction::start(&context.launcher, &push.repository.path).await?,
    };
    idle.prepare(&inspected.updates).await
}

/// Whether everything that was inspected still stands as it stood then.
fn still_first(state: &State, inspected: &Inspected) -> Result<(), Declined> {
    let race = |update| Declined { reason: "fetch first".to_owned(), refused: Some(Refused::race(update)) };
    if let Some(update) = state.moved(&inspected.updates) {
        return Err(race(update));
    }
    let created = inspected.created == state.deploy.is_none();
    if let (false, Some(update)) = (created, inspected.updates.first()) {
        return Err(race(update));
    }
    if inspected.candidate.as_ref().is_some_and(|it| it.base != state.desired_at) {
        return Err(Declined { reason: "try again".to_owned(), refused: Some(Refused::rolled_back()) });
    }
    if let Some((folder, inside)) = state.conflict(&inspected.updates) {
        let message = format!("`{inside}` cannot stand beside `{folder}`, which came meanwhile; rename one");
        let refused = Some(Refused::not_allowed("name-conflict", message));
        return Err(Declined { reason: "name conflict".to_owned(), refused });
    }
    Ok(())
}

/// The push is in the log, and what stands right behind it: from here on the push is accepted, and the disk follows or is made to follow.
async fn moved(
    context: &Context,
    push: &Push,
    inspected: &Inspected,
    events: Vec<Event>,
    prepared: transaction::Prepared,
    state: &mut State,
) {
    let repository = &push.repository;
    let was_settled = state.settled;
    let committed = prepared.commit().await;
    pause(context, FaultPoint::AfterCommit).await;
    for event in &events {
        state.take(event);
    }
    repository.note(state);
    let marked = inspected.pack.as_ref().map_or(Ok(()), |(pack, name)| mark(&repository.path, pack.id, name));
    pause(context, FaultPoint::AfterMarker).await;
    if let (Ok(()), Ok(()), true) = (&committed, &marked, was_settled) {
        state.wanted.clear();
        state.settled = crate::layout::point_head(&repository.path, &inspected.deploy).is_ok();
    }
    if let Err(error) = context.settle(repository, state).await {
        // Tried again whenever somebody asks for this repository, and at the next start.
        tracing::error!(fleet = %repository.fleet, error = with_causes(&error), "a repository does not follow the log");
    }
    if state.packs.len() > context.config.limits.repack {
        context.many_packs.notify_one();
    }
    pause(context, FaultPoint::AfterHead).await;
    let position = events.first().map_or(state.applied, |event| event.position);
    tracing::info!(fleet = %repository.fleet, position, refs = names(&inspected.updates), actor = push.actor, "pushed");
}

fn broken(push: &Push, error: &(dyn std::error::Error + 'static)) -> Declined {
    tracing::error!(fleet = %push.repository.fleet, error = with_causes(error), "a push was not accepted");
    let refused = Some(Refused::untold(format!("{}\nnothing changed, try again", with_causes(error))));
    Declined { reason: "nothing changed, try again".to_owned(), refused }
}
