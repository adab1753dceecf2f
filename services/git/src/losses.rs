//! Asks the node of a fleet what the containers that a plan makes anew have written beside their volumes.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::check::{Checked, Fault};
use schemas::fleet::{Fleet, State};
use schemas::names::Name;
use schemas::plan::{Action, Plan};
use schemas::query::LossesRequest;

use crate::context::Context;

/// How long a pusher waits for that. A node that does not answer in time says nothing.
const WITHIN: Duration = Duration::from_secs(2);

/// A warning for each container that would lose something, and one where nobody knows.
pub(crate) async fn warnings(context: &Context, fleet: &Fleet, plan: &Plan, checked: &Checked) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let there = |name: &&Name| fleet.observed.containers.get(*name).is_some_and(|it| it.state != State::Removed);
    let anew = plan.steps.iter().filter(|step| matches!(step.action, Action::Recreate | Action::Replace));
    let names = anew.map(|step| &step.container).filter(there).take(LossesRequest::MOST);
    let placed = |name: &Name| fleet.desired.containers.get(name).map(|it| it.files.keys().cloned().collect());
    let containers: BTreeMap<Name, Vec<String>> =
        names.map(|name| (name.clone(), placed(name).unwrap_or_default())).collect();
    let node = containers.keys().next().and_then(|name| fleet.observed.containers.get(name)).map(|it| &it.node);
    let Some(node) = node else { return warnings };
    let question = LossesRequest { fleet: fleet.id.clone(), containers };
    match context.bus.losses(node, &question, WITHIN).await {
        Ok(answer) => warnings.extend(answer.losses.iter().map(|it| it.warning(checked))),
        Err(error) => {
            tracing::debug!(%error, fleet = %fleet.id, "what containers would lose is not known");
            warnings.push(schemas::losses::unknown(node));
        }
    }
    warnings
}
