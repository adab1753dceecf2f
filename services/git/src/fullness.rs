//! Whether the log has room for pushes: told by `level.raised`, and by nothing else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use schemas::event::{Data, Event, Level, LevelRaised};

use crate::context::lock;

/// What the log said last about each stream that is nearly full.
#[derive(Debug, Default)]
pub(crate) struct Fullness {
    critical: Mutex<BTreeMap<String, LevelRaised>>,
}

impl Fullness {
    /// Takes an event of the log.
    pub(crate) fn take(&self, event: &Event) {
        let Data::LevelRaised(it) = &event.data else { return };
        let mut critical = lock(&self.critical);
        match it.level {
            Level::Critical => critical.insert(it.stream.clone(), it.clone()),
            Level::Normal | Level::Warning => critical.remove(&it.stream),
        };
    }

    /// Why no push is taken now, for the pusher; none: there is room.
    pub(crate) fn refusal(&self) -> Option<String> {
        let critical = lock(&self.critical);
        let it = critical.values().next()?;
        Some(format!(
            "refused: {it}; new pushes are refused until there is room again, what undoes something still works\n\
             nothing changed"
        ))
    }
}
