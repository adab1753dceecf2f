//! Docker's exec: made, started with its output attached, and asked how it ended.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::connection::CALL;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::exec::Executed;

/// Docker says that a command has ended a moment after its output has: so it is asked again after this time.
const ENDS: Duration = Duration::from_millis(20);

impl Docker {
    /// See [`crate::Engine::exec`].
    pub async fn exec(
        &self,
        container: &str,
        command: &[String],
        most: usize,
        within: Duration,
    ) -> Result<Executed, EngineError> {
        let (what, thing) = (format!("run a command in container `{container}`"), format!("container `{container}`"));
        let deadline = Instant::now() + within;
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let options = &options;
        let call = move |client: bollard::Docker| async move { client.create_exec(container, options.clone()).await };
        let made = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await?;
        let slow = |_| EngineError::Slow { what: what.clone(), within };
        let read = self.read_to_its_end(&made.id, &what, &thing, most);
        let mut executed = timeout_at(deadline, read).await.map_err(slow)??;
        executed.exit_code = timeout_at(deadline, self.exit_code(&made.id, &what)).await.map_err(slow)??;
        Ok(executed)
    }

    async fn read_to_its_end(&self, id: &str, what: &str, thing: &str, most: usize) -> Result<Executed, EngineError> {
        let explain = classify::missing(what, thing);
        let started = self.connection.client().await?.start_exec(id, None).await.map_err(&explain)?;
        let mut executed = Executed::default();
        let StartExecResults::Attached { mut output, input: _input } = started else { return Ok(executed) };
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(&explain)?;
            let to_stderr = matches!(piece, LogOutput::StdErr { .. });
            executed.take(to_stderr, &piece.into_bytes(), most);
        }
        Ok(executed)
    }

    /// How it ended, once it has.
    async fn exit_code(&self, id: &str, what: &str) -> Result<i64, EngineError> {
        loop {
            let call = move |client: bollard::Docker| async move { client.inspect_exec(id).await };
            let seen = self.connection.call(what, CALL, call, classify::refused(what)).await?;
            match seen.exit_code {
                Some(code) if seen.running != Some(true) => return Ok(code),
                _ => tokio::time::sleep(ENDS).await,
            }
        }
    }
}
