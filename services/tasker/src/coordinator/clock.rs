//! The clock that schedules are read by: the system's, or one that somebody else moves.

use jiff::Timestamp;
use tokio::sync::watch;

/// What time it is for schedules. Events carry the system's time, whatever this one shows.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<watch::Receiver<Timestamp>>);

impl Clock {
    /// One that shows what was said last.
    pub fn moved_by(times: watch::Receiver<Timestamp>) -> Self {
        Self(Some(times))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.as_ref().map_or_else(streams::clock::now, |times| *times.borrow())
    }

    /// Returns once somebody moved it; the system's moves by itself. Cancel-safe.
    pub(super) async fn moved(&mut self) {
        if let Some(times) = &mut self.0
            && times.changed().await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
