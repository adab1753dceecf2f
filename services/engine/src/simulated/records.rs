//! What simulated containers write, as Docker would tell it.

use futures_util::StreamExt;

use super::Simulated;
use super::calls::away;
use crate::error::EngineError;
use crate::records::{Output, Record, Records};
use crate::seen::State;

impl Simulated {
    /// The container writes a record.
    pub fn write_record(
        &self,
        container: &str,
        output: Output,
        text: &str,
        ends_line: bool,
    ) -> Result<(), EngineError> {
        let mut world = self.world();
        let at_ns = world.now();
        let entry = world.entry(container)?;
        entry.records.push(Record { output, at_ns, bytes: text.as_bytes().to_vec(), ends_line });
        world.changed();
        Ok(())
    }

    /// Whoever follows the container's records now hears nothing more, as with Docker where its log file is rotated at
    /// the wrong moment.
    pub fn deafen(&self, container: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.entry(container)?.deaf += 1;
        world.changed();
        Ok(())
    }

    /// See [`crate::Engine::last_record`].
    pub async fn last_record(&self, container: &str) -> Result<Option<Record>, EngineError> {
        let mut world = self.arrive().await?;
        Ok(world.entry(container)?.records.last().cloned())
    }

    /// See [`crate::Engine::records`].
    pub async fn records(&self, container: &str, since_ns: i64, follow: bool) -> Result<Records, EngineError> {
        let (id, changes, deaf) = {
            let mut world = self.arrive().await?;
            let changes = world.changes();
            let entry = world.entry(container)?;
            (entry.seen.id.clone(), changes, entry.deaf)
        };
        let start = (self.clone(), id, changes, 0_usize);
        let records = futures_util::stream::unfold(Some(start), move |state| async move {
            let (engine, id, mut changes, mut at) = state?;
            loop {
                changes.mark_unchanged();
                let next = {
                    let mut world = engine.world();
                    if world.away {
                        return Some((Err(away()), None));
                    }
                    match world.entry(&id) {
                        Err(_) => return None,
                        Ok(entry) if follow && entry.deaf != deaf => Err(true),
                        Ok(entry) => {
                            while entry.records.get(at).is_some_and(|it| it.at_ns < since_ns) {
                                at += 1;
                            }
                            let running = entry.seen.state == State::Running;
                            entry.records.get(at).cloned().ok_or(follow && running)
                        }
                    }
                };
                match next {
                    Ok(record) => return Some((Ok(record), Some((engine, id, changes, at + 1)))),
                    Err(true) => {
                        if changes.changed().await.is_err() {
                            return None;
                        }
                    }
                    Err(false) => return None,
                }
            }
        });
        Ok(Records(records.boxed()))
    }
}
