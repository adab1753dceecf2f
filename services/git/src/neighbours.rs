//! Whom a pushed tree would get in the way of: host ports that other fleets publish on the
//! same node, and paths of it that they write to.
//!
//! Asks the registry who has them, and Shazam for the node where the log does not know it; writes nothing. A tree that
//! wants nothing of its node asks nobody.

use std::collections::BTreeSet;

use schemas::access::Who;
use schemas::check::{Checked, Fault};
use schemas::names::{FleetId, NodeName};
use schemas::neighbours::{clashes, wanted};
use schemas::query::{NeighboursAnswer, NeighboursRequest, NodesRequest};
use streams::AskError;

use crate::context::Context;

/// What other fleets have of what some trees want.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    answer: Option<NeighboursAnswer>,
    /// Where a fleet runs that is bound to no agent, and of which the log does not know it yet.
    first: Option<NodeName>,
}

impl Neighbours {
    /// Asks once for all trees of a push, by whatever name they go.
    pub(crate) async fn ask<'c>(
        context: &Context,
        fleet: &FleetId,
        trees: impl Iterator<Item = &'c Checked>,
        min_position: u64,
    ) -> Result<Self, AskError> {
        let trees: Vec<&Checked> = trees.collect();
        let parts: BTreeSet<_> = trees.iter().flat_map(|it| wanted(&it.desired)).collect();
        if parts.is_empty() {
            return Ok(Self::default());
        }
        let (within, parts) = (context.config.limits.ask, parts.into_iter().collect());
        // Pushes of others that this service has seen count.
        let min_position = min_position.max(*context.position.borrow());
        let answer = context.bus.ask(&NeighboursRequest { fleet: fleet.clone(), parts, min_position }, within).await?;
        let unbound = answer.node.is_none() && trees.iter().any(|it| it.desired.agent().is_none());
        let mut first = None;
        if unbound && !answer.held.is_empty() {
            // Not there, it is taken for any of them.
            let nodes = context.bus.ask(&NodesRequest {}, within).await;
            first = nodes.ok().and_then(|it| Some(it.nodes.into_iter().next()?.node));
        }
        Ok(Self { answer: Some(answer), first })
    }

    /// What stands in the way of one tree.
    pub(crate) fn clashes(&self, checked: &Checked, who: Option<&Who>) -> Vec<Fault> {
        let Some(answer) = &self.answer else { return Vec::new() };
        let node = checked.desired.agent().or(answer.node.as_ref()).or(self.first.as_ref());
        clashes(checked, node, &answer.held, who)
    }
}
