//! Watches how full the streams are that are kept for ever, and says so in the log: `level.raised` on each change.
//!
//! A stream may hold its `max_bytes`, where an operator has set one; else what it holds and what there is left, of the
//! disk and of what our own server allows itself (nine tenths of what was free at its start). What a server that somebody
//! else runs has left is known only where its account has a limit of storage; where not, its levels stay normal.
//!
//! The level is never acted on here: who has to refuse something reads the event.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemas::event::{Data, Draft, Event, Level, LevelRaised, Scope, Topic};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::append::Expected;
use crate::bus::{Bus, info};
use crate::catalog::{EVENTS, PACKS};
use crate::clock;
use crate::error::{AppendError, ReadError};
use crate::follow::Filter;

/// What is watched: what only grows.
const WATCHED: [&str; 2] = [EVENTS, PACKS];
/// With less room than this the level is critical, however little a stream holds: two of the largest messages.
const LEAST_ROOM: u64 = 16 << 20;

/// Where one level ends and the next begins, in percent of what a stream may hold.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// From here on somebody should make room.
    pub warning: u8,
    /// From here on new pushes and observations are refused.
    pub critical: u8,
    /// A level is left only so far below where it began: else a stream at its border would fill the log with its levels.
    pub back: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { warning: 85, critical: 95, back: 3 }
    }
}

impl Thresholds {
    /// The level of a stream that was at `before` and holds `bytes` of `max_bytes`.
    fn level(&self, before: Level, bytes: u64, max_bytes: u64) -> Level {
        let reaches = |percent: u8| u128::from(bytes) * 100 >= u128::from(max_bytes) * u128::from(percent);
        let (warning, critical) = match before {
            Level::Normal => (self.warning, self.critical),
            Level::Warning => (self.warning.saturating_sub(self.back), self.critical),
            Level::Critical => (self.warning.saturating_sub(self.back), self.critical.saturating_sub(self.back)),
        };
        if reaches(critical) {
            Level::Critical
        } else if reaches(warning) {
            Level::Warning
        } else {
            Level::Normal
        }
    }
}

/// What the disk under our own server has.
#[derive(Debug, Clone)]
pub struct Room {
    pub(crate) folder: PathBuf,
    /// What the server allows all of its streams together.
    pub(crate) limit: u64,
}

impl Room {
    /// Bytes that all streams together may take.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that the streams may still take, where they hold `held` together.
    fn left(&self, held: u64) -> std::io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize).min(self.limit.saturating_sub(held)))
    }
}

/// Looks at the streams again and again.
pub struct LevelWatch {
    bus: Bus,
    room: Option<Room>,
    thresholds: Thresholds,
    levels: BTreeMap<String, Level>,
    /// The last position on the levels' subject.
    last: u64,
}

impl LevelWatch {
    /// Watches over `bus`; `room` is our own server's, none where somebody else runs it.
    pub fn new(bus: Bus, room: Option<Room>, thresholds: Thresholds) -> Self {
        Self { bus, room, thresholds, levels: BTreeMap::new(), last: 0 }
    }

    /// Looks every so often until `shutdown`. What fails is tried again at the next look.
    pub async fn run(mut self, every: Duration, shutdown: CancellationToken) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // Not cancelled in the middle: an append is run to its end.
            if let Err(error) = self.look().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot tell how full the log is; still trying"
                );
            }
        }
    }

    /// Looks once, and says in the log what has changed.
    pub async fn look(&mut self) -> Result<(), LevelError> {
        self.catch_up().await?;
        for stream in WATCHED {
            let Some(fill) = self.fill(stream).await? else { continue };
            let before = self.levels.get(stream).copied().unwrap_or(Level::Normal);
            // Left only once there is twice as much, like any other level a bit further down.
            let least = if before == Level::Critical { 2 * LEAST_ROOM } else { LEAST_ROOM };
            let level = match fill.left {
                Some(left) if left < least => Level::Critical,
                _ => self.thresholds.level(before, fill.bytes, fill.max_bytes),
            };
            if level != before {
                self.tell(stream, level, &fill).await?;
            }
        }
        Ok(())
    }

    /// Takes what the log says about levels, ours and another process's.
    async fn catch_up(&mut self) -> Result<(), LevelError> {
        let last = self.bus.last_on(&Scope::Platform, Topic::Level).await?.map_or(0, |it| it.position);
        if last > self.last {
            let mut follow = self.bus.follow(Filter::Subject(Scope::Platform, Topic::Level), self.last);
            while self.last < last {
                let event = follow.next().await?;
                self.fold(&event);
            }
        }
        Ok(())
    }

    fn fold(&mut self, event: &Event) {
        self.last = event.position;
        if let Data::LevelRaised(it) = &event.data {
            self.levels.insert(it.stream.clone(), it.level);
        }
    }

    async fn fill(&self, stream: &'static str) -> Result<Option<Fill>, LevelError> {
        let api = |source| ReadError::Api { what: stream.to_owned(), source };
        let info = self.bus.reading(stream, || async { info(self.bus.jetstream(), stream).await.map_err(api) }).await?;
        let bytes = info.state.bytes;
        if let Some(max_bytes) = u64::try_from(info.config.max_bytes).ok().filter(|it| *it > 0) {
            return Ok(Some(Fill { bytes, max_bytes, left: None }));
        }
        let ask = || async { self.bus.jetstream().query_account().await.map_err(|it| api(it.into())) };
        let account = self.bus.reading(stream, ask).await?;
        let left = match &self.room {
            Some(room) => room.left(account.storage).map_err(|source| LevelError::Disk { source })?,
            None => match account.limits.max_storage.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0) {
                Some(limit) => limit.saturating_sub(account.storage),
                None => return Ok(None),
            },
        };
        Ok(Some(Fill { bytes, max_bytes: bytes.saturating_add(left), left: Some(left) }))
    }

    async fn tell(&mut self, stream: &'static str, level: Level, fill: &Fill) -> Result<(), LevelError> {
        let (bytes, max_bytes) = (fill.bytes, fill.max_bytes);
        let draft = Draft {
            id: clock::new_id(),
            scope: Scope::Platform,
            subject: format!("streams/{stream}"),
            time: clock::now(),
            actor: "fleetlog".to_owned(),
            cause: None,
            data: Data::LevelRaised(LevelRaised { stream: stream.to_owned(), level, bytes, max_bytes }),
        };
        match self.bus.append(&draft, Expected::At(self.last)).await {
            Ok(position) => {
                match level {
                    Level::Normal => tracing::info!(stream, bytes, max_bytes, "there is room in the log again"),
                    Level::Warning => tracing::warn!(stream, bytes, max_bytes, "the log fills up: make room"),
                    Level::Critical => {
                        tracing::error!(
                            stream,
                            bytes,
                            max_bytes,
                            "the log is nearly full: pushes and observations wait"
                        );
                    }
                }
                self.last = position;
                self.levels.insert(stream.to_owned(), level);
                Ok(())
            }
            // Another process was first: the next look sees what it says.
            Err(AppendError::Refused { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How full a stream is.
struct Fill {
    bytes: u64,
    max_bytes: u64,
    /// What is left where the stream has no limit of its own.
    left: Option<u64>,
}

/// Why a level is not known, or not told.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// The server does not tell.
    #[error("cannot read how full the log is")]
    Read(#[from] ReadError),
    /// The disk does not tell.
    #[error("cannot read how full the disk under the log is")]
    Disk {
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The log does not take it.
    #[error("cannot say in the log how full it is")]
    Append(#[from] AppendError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_left_below_where_it_began() {
        let thresholds = Thresholds::default();
        let mut level = Level::Normal;
        let mut seen = Vec::new();
        for percent in [0, 84, 85, 94, 95, 100, 95, 93, 92, 91, 83, 82, 81, 84, 85, 96, 10] {
            level = thresholds.level(level, percent, 100);
            seen.push((percent, level));
        }
        use Level::{Critical, Normal, Warning};
        let levels = [
            Normal, Normal, Warning, Warning, Critical, Critical, Critical, Critical, Critical, Warning, Warning,
            Warning, Normal, Normal, Warning, Critical, Normal,
        ];
        assert_eq!(seen.iter().map(|it| it.1).collect::<Vec<_>>(), levels, "{seen:?}");
    }

    #[test]
    fn large_numbers_do_not_overflow() {
        assert_eq!(Thresholds::default().level(Level::Normal, u64::MAX, u64::MAX), Level::Critical);
        assert_eq!(Thresholds::default().level(Level::Normal, 1, u64::MAX), Level::Normal);
    }
}
