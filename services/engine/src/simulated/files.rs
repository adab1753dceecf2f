//! Files in simulated containers, and signals to them. Files are texts here: what is none is shown as far as it is one.

use super::Simulated;
use crate::error::EngineError;
use crate::files::NewFile;
use crate::seen::State;

impl Simulated {
    /// See [`crate::Engine::put_files`].
    pub async fn put_files(&self, container: &str, folder: &str, files: &[NewFile]) -> Result<(), EngineError> {
        let mut world = self.arrive().await?;
        for file in files {
            let path = format!("{}/{}", folder.trim_end_matches('/'), file.path);
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            world.files(container, &path)?.insert(path, text);
        }
        Ok(())
    }

    /// See [`crate::Engine::signal`]. A process that nobody taught the signal goes on.
    pub async fn signal(&self, container: &str, signal: &str) -> Result<bool, EngineError> {
        let mut world = self.arrive().await?;
        let entry = world.entry(container)?;
        if entry.seen.state != State::Running {
            return Ok(false);
        }
        let signal = signal.trim_start_matches("SIG").to_owned();
        let ends = entry.handlers.get(&signal).copied().flatten();
        entry.signals.push(signal);
        let name = entry.seen.name.clone();
        if let Some(code) = ends {
            world.end(&name, code, false)?;
        }
        Ok(true)
    }

    /// The signals that the container's process got by [`crate::Engine::signal`], oldest first.
    pub fn signals(&self, container: &str) -> Result<Vec<String>, EngineError> {
        Ok(self.world().entry(container)?.signals.clone())
    }
}
