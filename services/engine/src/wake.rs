//! Wake-ups: something changed, so look again. They may be lost where Docker goes away, and are never the truth.

use std::fmt;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::error::EngineError;
use crate::seen::{HealthStatus, Labels};

/// Something changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// What kind of thing.
    pub kind: Kind,
    /// What happened to it.
    pub action: Action,
    /// Docker's id; a volume's is its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A container's labels. Docker tells none of a volume or a network: know these by their names.
    pub labels: Labels,
    /// Docker's own time of it, in nanoseconds since 1970.
    pub at_ns: i64,
    /// How the container ended, with [`Action::Die`].
    pub exit_code: Option<i64>,
}

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A container.
    Container,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It was made.
    Create,
    /// It was started.
    Start,
    /// It ended, however that came.
    Die,
    /// It ended because it was asked to; comes after its [`Action::Die`].
    Stop,
    /// It is gone.
    Destroy,
    /// Its health changed.
    Health(HealthStatus),
    /// A process of it was killed for want of memory.
    Oom,
    /// It has another name now.
    Rename,
    /// It was frozen.
    Pause,
    /// It goes on.
    Unpause,
    /// It has other limits, or another restart policy, now.
    Update,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Start => f.write_str("start"),
            Self::Die => f.write_str("die"),
            Self::Stop => f.write_str("stop"),
            Self::Destroy => f.write_str("destroy"),
            Self::Health(status) => write!(f, "health_status: {status}"),
            Self::Oom => f.write_str("oom"),
            Self::Rename => f.write_str("rename"),
            Self::Pause => f.write_str("pause"),
            Self::Unpause => f.write_str("unpause"),
            Self::Update => f.write_str("update"),
        }
    }
}

/// The wake-ups of one engine, from the moment on that they were asked for.
pub struct Wakes(pub(crate) BoxStream<'static, Result<Wake, EngineError>>);

impl Wakes {
    /// The next one. An error is the end: connect again, and then look at everything, because some may be lost.
    ///
    /// Cancel-safe: a wake-up that was not returned comes with the next call.
    pub async fn next(&mut self) -> Result<Wake, EngineError> {
        self.0
            .next()
            .await
            .unwrap_or_else(|| Err(EngineError::Away { reason: "the stream of events ended".to_owned() }))
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakes")
    }
}
