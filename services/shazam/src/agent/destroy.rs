//! Removes a volume with its data: only what the log says a push allowed, only what is of this fleet by its labels, and
//! nothing that a container still has.

use std::time::Duration;

use schemas::plan::destroy::is_doomed;
use schemas::query::FleetRequest;
use schemas::spec::resource_name;
use schemas::work::Command;
use streams::with_causes;

use super::error::StepError;
use super::host::{FLEET, Host, NAME};

/// How long the registry may take for an answer.
const WITHIN: Duration = Duration::from_secs(5);

impl Host {
    /// Doing it again does nothing.
    pub(super) async fn destroy(&self, command: &Command) -> Result<(), StepError> {
        let name = resource_name(&command.fleet, Some(&command.container));
        let Some(volume) = self.engine.volume(&name).await? else { return Ok(()) };
        let label = |key: &str| volume.labels.get(key).map(String::as_str);
        let (fleet, descriptor) = (command.fleet.to_string(), command.container.as_str());
        if !self.is_ours(&volume.labels) || label(FLEET) != Some(fleet.as_str()) || label(NAME) != Some(descriptor) {
            return Err(StepError::Stranger { kind: "volume", name });
        }
        self.must_be_doomed(command).await?;
        self.let_go_of_volume(&name).await?;
        // Docker itself refuses one that a container still has, whoever's that is.
        self.engine.remove_volume(&name).await?;
        Ok(())
    }

    /// Asks for the fleet as the log has it: a command alone destroys nothing.
    async fn must_be_doomed(&self, command: &Command) -> Result<(), StepError> {
        let question = FleetRequest { fleet: command.fleet.clone(), min_position: command.position };
        let refused = |why: String| StepError::NotDestroyed { volume: command.container.to_string(), why };
        let answer = self.bus.ask(&question, WITHIN).await.map_err(|error| refused(with_causes(&error)))?;
        match answer.fleet {
            Some(fleet) if is_doomed(&fleet, &fleet.desired, &command.container) => Ok(()),
            _ => Err(refused("no push allows that".to_owned())),
        }
    }
}
