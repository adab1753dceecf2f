//! A node, as a file describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::NodeName;

/// The node that a fleet runs on: `nodes/<name>.json`. Without one, it is the platform's only agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Node {
    /// The agent that does the fleet's work, by the name that it was started with; the platform's only one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<NodeName>,
    /// Where others reach the node, an IP address or a host name: what `{{ nodes.<name>.address }}` stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9:]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$"))]
    pub address: Option<String>,
}
