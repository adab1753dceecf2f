//! Task → what its agent gets: references looked up, nothing left to decide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RenderFault;
use super::render::{Renderer, escape};
use crate::descriptors::{Desired, Stop, TaskLimits};
use crate::names::Name;
use crate::units::{Size, Span};

/// Where a step finds the file that `$FLEETLOG_OUTPUT` names.
pub const OUTPUT_FOLDER: &str = "/fleetlog";

/// A task as its agent gets it. Never in an event: it holds rendered values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The image, with its tag or digest.
    pub image: String,
    /// Environment of every step.
    pub env: BTreeMap<String, String>,
    /// What to run, in order.
    pub steps: Vec<RenderedStep>,
    /// How long the whole run may take.
    pub within: Span,
    /// How a step is stopped.
    pub stop: Stop,
    /// Whether steps are in the fleet's network.
    pub network: bool,
    /// `uid[:gid]`
    pub user: String,
    /// Path in the container → the volume's descriptor.
    pub volumes: BTreeMap<String, Name>,
    /// Paths that are in memory.
    pub tmpfs: BTreeMap<String, Size>,
    /// Whether the root can be written to.
    pub writable: bool,
    /// How much of the node a step may use.
    pub limits: TaskLimits,
}

/// One step, rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedStep {
    /// The command as an argv array.
    pub command: Vec<String>,
    /// How long it may take; as long as the run where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// Renders one task of a fleet; all its faults at once.
pub fn render_task(name: &Name, desired: &Desired) -> Result<TaskSpec, Vec<RenderFault>> {
    let Some(task) = desired.tasks.get(name) else {
        return Err(vec![RenderFault {
            pointer: String::new(),
            code: "unknown-task",
            message: format!("there is no task `{name}`"),
            expected: "the name of a task of this fleet".to_owned(),
            hint: None,
        }]);
    };
    let mut at = Renderer { desired, faults: Vec::new() };
    let image = at.image(&task.image);
    let env = task.env.iter().map(|(key, value)| (key.clone(), at.text(&format!("/env/{}", escape(key)), value)));
    let env = env.collect();
    let steps = task.steps.iter().enumerate().map(|(index, step)| RenderedStep {
        command: at.argv(&format!("/steps/{index}/run"), &step.run),
        within: step.within,
    });
    let steps = steps.collect();
    if !at.faults.is_empty() {
        return Err(at.faults);
    }
    Ok(TaskSpec {
        image,
        env,
        steps,
        within: task.within,
        stop: task.stop.clone(),
        network: task.network,
        user: task.user.0.clone(),
        volumes: task.volumes.clone(),
        tmpfs: task.tmpfs.clone(),
        writable: task.writable,
        limits: task.limits.clone(),
    })
}
