//! What every verb has at hand, and how an event gets written: decided on what is known, appended behind it, known here
//! before anybody is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemas::access::Who;
use schemas::event::{Data, Draft, Scope, Topic};
use schemas::query::{Fault, FaultCode};
use streams::{AppendError, Bus, Expected, ReadError, View, with_causes};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::keys::Keys;
use crate::known::Known;
use crate::used::Used;

/// How long anything waits for the fold.
const WITHIN: Duration = Duration::from_secs(5);
/// How often an event is decided anew because somebody else was first.
const TRIES: usize = 16;

/// Everything that an answer is made from.
pub(crate) struct Desk {
    pub(crate) bus: Bus,
    pub(crate) view: View<Known>,
    pub(crate) keys: Keys,
    pub(crate) used: Arc<Used>,
    /// One write at a time: each decides on what the one before it has done.
    pen: Mutex<()>,
    /// Something that should be erased may still be there.
    litter: AtomicBool,
}

/// Where an event goes.
pub(crate) struct Line {
    pub(crate) id: Uuid,
    pub(crate) scope: Scope,
    pub(crate) topic: Topic,
    /// The thing.
    pub(crate) subject: String,
    pub(crate) actor: String,
}

/// What follows from what is known.
pub(crate) enum Decided {
    /// It is so already, since this position.
    Already(u64),
    /// This has to happen.
    Append(Box<Data>),
}

impl Decided {
    /// This has to happen.
    pub(crate) fn append(data: Data) -> Self {
        Self::Append(Box::new(data))
    }
}

impl Desk {
    pub(crate) fn new(bus: Bus, view: View<Known>, keys: Keys, used: Arc<Used>) -> Self {
        Self { bus, view, keys, used, pen: Mutex::new(()), litter: AtomicBool::new(false) }
    }

    /// The right to write.
    pub(crate) async fn pen(&self) -> MutexGuard<'_, ()> {
        self.pen.lock().await
    }

    /// Writes an event, unless it is so already; answers from which position on it is so. Who calls holds the pen.
    pub(crate) async fn write(
        &self,
        line: Line,
        decide: impl Fn(&Known) -> Result<Decided, Fault>,
    ) -> Result<u64, Fault> {
        let time = streams::clock::now();
        for _ in 0..TRIES {
            let (decided, last) = self.view.read(|known, _| (decide(known), known.last(&line.scope, line.topic)));
            let data = match decided? {
                Decided::Already(position) => return Ok(position),
                Decided::Append(data) => data,
            };
            let draft = Draft {
                id: line.id,
                scope: line.scope.clone(),
                subject: line.subject.clone(),
                time,
                actor: line.actor.clone(),
                cause: None,
                data: *data,
            };
            match self.bus.append(&draft, Expected::At(last)).await {
                Ok(position) => {
                    // Known to the doors of this process before anybody hears that it is done.
                    self.reached(position).await?;
                    return Ok(position);
                }
                Err(AppendError::Refused { last }) => self.reached(last).await?,
                Err(error) => return Err(fault(&error)),
            }
        }
        let message = "others keep changing the same: nothing changed, try again";
        Err(Fault { code: FaultCode::Unavailable, message: message.to_owned() })
    }

    /// Waits until all that concerns us up to `position` is known.
    pub(crate) async fn wait_for(&self, position: u64) -> Result<(), Fault> {
        if let Some(why) = self.view.stopped() {
            return Err(Fault { code: FaultCode::Stopped, message: why });
        }
        if self.view.position() >= position {
            return Ok(());
        }
        // Most positions are fleets' events: what counts is the last one before it that is none.
        let head = self.bus.head().await.map_err(|error| away(&error))?;
        if head < position {
            let message = format!("the log ends at position {head}, before {position}");
            return Err(Fault { code: FaultCode::Behind, message });
        }
        let ours = self.bus.system_head().await.map_err(|error| away(&error))?;
        self.reached(ours.min(position)).await
    }

    /// Erases what is kept in `KEYS` of everybody who is not there any more: what an erasure did not finish, what was
    /// stored for a profile that never came to be.
    pub(crate) async fn sweep(&self) -> Result<(), ReadError> {
        let _pen = self.pen().await;
        for holder in self.bus.key_holders().await? {
            if self.view.read(|known, _| known.profile_of(holder).is_none()) {
                self.bus.erase_keys(holder).await?;
                tracing::info!(profile = %holder, "erased what was sealed for a profile that is not there");
            }
        }
        Ok(())
    }

    /// Says that a sweep is due.
    pub(crate) fn note_litter(&self) {
        self.litter.store(true, Ordering::Relaxed);
    }

    /// Whether a sweep is due; not any more.
    pub(crate) fn take_litter(&self) -> bool {
        self.litter.swap(false, Ordering::Relaxed)
    }

    async fn reached(&self, position: u64) -> Result<(), Fault> {
        self.view.at_least(position, WITHIN).await.map_err(|behind| {
            let code = if self.view.stopped().is_some() { FaultCode::Stopped } else { FaultCode::Behind };
            Fault { code, message: format!("the profiles are not there yet: {behind}") }
        })
    }
}

impl Line {
    pub(crate) fn platform(id: Uuid, topic: Topic, subject: String, by: &Who) -> Self {
        Self { id, scope: Scope::Platform, topic, subject, actor: by.name.to_string() }
    }
}

/// Nothing was found where something should be.
pub(crate) fn not_found(message: impl Into<String>) -> Fault {
    Fault { code: FaultCode::NotFound, message: message.into() }
}

pub(crate) fn conflict(message: impl Into<String>) -> Fault {
    Fault { code: FaultCode::Conflict, message: message.into() }
}

pub(crate) fn bad_request(message: impl Into<String>) -> Fault {
    Fault { code: FaultCode::BadRequest, message: message.into() }
}

pub(crate) fn not_allowed(by: &Who, needed: &str) -> Fault {
    Fault { code: FaultCode::NotAllowed, message: format!("`{}` may not do this: it needs {needed}", by.name) }
}

/// A key that was used for something else before.
pub(crate) fn used_otherwise() -> Fault {
    conflict("this Idempotency-Key has made something else already: take a new one")
}

pub(crate) fn away(error: &dyn std::error::Error) -> Fault {
    Fault { code: FaultCode::Unavailable, message: with_causes(error) }
}

fn fault(error: &AppendError) -> Fault {
    let message = match error {
        AppendError::Unknown { id } => {
            format!("outcome unknown, event {id}: ask again with the same Idempotency-Key, or look at the lists")
        }
        other => format!("{other}; nothing changed"),
    };
    Fault { code: FaultCode::Unavailable, message }
}
