//! Which nodes there are, from their signs of life; answers `req.shazam.nodes`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemas::names::NodeName;
use schemas::query::{NodeLine, NodesAnswer};
use schemas::work::Beat;

/// A node that was not heard of for so long is away.
pub const SILENCE: Duration = Duration::from_secs(8);

/// Every node that was heard of. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Nodes(Arc<Mutex<BTreeMap<NodeName, Heard>>>);

/// When a node was last heard of, and why its Docker cannot be reached; none: it can.
type Heard = (Instant, Option<String>);

impl Nodes {
    /// Takes a sign of life; true where the node is new.
    pub fn heard(&self, beat: Beat, now: Instant) -> bool {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.insert(beat.node, (now, beat.away)).is_none()
    }

    /// The node of the agent that a fleet is bound to, once it was heard of; for one that is not bound, the platform's
    /// only agent, and of several the first by name.
    pub fn of(&self, agent: Option<&NodeName>) -> Option<NodeName> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.keys().find(|node| agent.is_none_or(|agent| agent == *node)).cloned()
    }

    /// Whether that node, or of several the first by name, is there now, and its Docker with it.
    pub fn is_there(&self, agent: Option<&NodeName>, now: Instant) -> bool {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes.iter().find(|(node, _)| agent.is_none_or(|agent| agent == *node));
        node.is_some_and(|(_, (heard, away))| away.is_none() && now.saturating_duration_since(*heard) <= SILENCE)
    }

    /// All of them, for people.
    pub fn answer(&self, now: Instant) -> NodesAnswer {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = nodes.iter().map(|(node, (heard, away))| {
            let silent = now.saturating_duration_since(*heard);
            let away = match away {
                _ if silent > SILENCE => Some(format!("no sign of life for {} s", silent.as_secs())),
                away => away.clone(),
            };
            NodeLine { node: node.clone(), away }
        });
        NodesAnswer { nodes: lines.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_node_is_away() {
        let nodes = Nodes::default();
        let start = Instant::now();
        let node: NodeName = "n1".parse().unwrap();
        assert!(nodes.heard(Beat { node: node.clone(), away: None }, start));
        assert!(!nodes.heard(Beat { node: node.clone(), away: None }, start));
        assert_eq!(nodes.answer(start).nodes, [NodeLine { node: node.clone(), away: None }]);
        let later = start + SILENCE + Duration::from_secs(1);
        assert_eq!(nodes.answer(later).nodes[0].away.as_deref(), Some("no sign of life for 9 s"));
        nodes.heard(Beat { node, away: Some("Docker is not reachable".to_owned()) }, later);
        assert_eq!(nodes.answer(later).nodes[0].away.as_deref(), Some("Docker is not reachable"));
    }
}
