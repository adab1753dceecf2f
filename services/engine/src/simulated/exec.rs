//! Commands in simulated containers: what one does is what the test says.

use std::time::Duration;

use super::Simulated;
use crate::error::EngineError;
use crate::exec::Executed;
use crate::seen::State;

/// How a command ends that is not there.
const NOT_FOUND: i64 = 127;

impl Simulated {
    /// What a program does from now on, whenever it is run in the container; none: it never ends.
    pub fn on_exec(&self, container: &str, program: &str, ends: Option<Executed>) -> Result<(), EngineError> {
        self.world().entry(container)?.programs.insert(program.to_owned(), ends);
        Ok(())
    }

    /// The commands that were run in the container, oldest first.
    pub fn executed(&self, container: &str) -> Result<Vec<Vec<String>>, EngineError> {
        Ok(self.world().entry(container)?.executed.clone())
    }

    /// See [`crate::Engine::exec`].
    pub async fn exec(
        &self,
        container: &str,
        command: &[String],
        most: usize,
        within: Duration,
    ) -> Result<Executed, EngineError> {
        let what = format!("run a command in container `{container}`");
        let ends = {
            let mut world = self.arrive().await?;
            let entry = world.entry(container)?;
            if entry.seen.state != State::Running {
                let message = format!("Container {} is not running", entry.seen.id);
                return Err(EngineError::Refused { what, status: 409, message });
            }
            entry.executed.push(command.to_vec());
            let program = command.first().map(String::as_str).unwrap_or_default();
            let missing = || Some(Executed { exit_code: NOT_FOUND, ..Executed::default() });
            entry.programs.get(program).cloned().unwrap_or_else(missing)
        };
        let Some(ends) = ends else {
            tokio::time::sleep(within).await;
            return Err(EngineError::Slow { what, within });
        };
        let mut executed = Executed { exit_code: ends.exit_code, ..Executed::default() };
        executed.take(false, &ends.stdout, most);
        executed.take(true, &ends.stderr, most);
        Ok(executed)
    }
}
