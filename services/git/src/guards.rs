//! Guards of a push: what the owner's policy and the accepted `fleet.json` forbid, and the owner's word that lets one push
//! pass all the same.

use std::collections::BTreeMap;
use std::sync::Mutex;

use schemas::access::{Action, Resource, Who, allow};
use schemas::check::{Checked, Fault, report};
use schemas::descriptors::{Desired, Guards};
use schemas::event::{Data, Event};
use schemas::guards::{Law, hits, names};
use schemas::names::{FleetId, Owner};

use crate::context::{Context, lock};
use crate::desk::Pen;
use crate::options::Options;
use crate::refuse::Refused;

/// Said where `-o override` was not needed: it leaves no event.
pub(crate) const NOTHING_TO_PASS: &str = "override: this push hits no guard, there is nothing to let pass";

/// The policy of every owner who has one, as far as the log was read.
#[derive(Debug, Default)]
pub(crate) struct Policies(Mutex<BTreeMap<Owner, Guards>>);

impl Policies {
    /// Takes an event; those about other things change nothing.
    pub(crate) fn take(&self, event: &Event) {
        if let Data::PolicySet(it) = &event.data {
            lock(&self.0).insert(it.owner.clone(), it.guards.clone());
        }
    }

    /// An owner's policy; one that guards nothing where none was ever set.
    pub(crate) fn of(&self, owner: &Owner) -> Guards {
        lock(&self.0).get(owner).cloned().unwrap_or_default()
    }
}

/// What somebody let pass, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Override {
    /// The guards that were hit.
    pub(crate) guards: Vec<String>,
    /// Why they may be.
    pub(crate) reason: String,
}

/// When a tree is to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Now.
    Now,
    /// Whenever that may be: it is only planned.
    Later,
}

/// What a tree hits. `in_force` is what the last accepted push said in its `fleet.json`, and what is desired, which a
/// rollback may have changed since; none: there is no such fleet yet.
pub(crate) fn hit(
    context: &Context,
    fleet: &FleetId,
    in_force: Option<(&Guards, &Desired)>,
    checked: &Checked,
    applied: Applied,
) -> Vec<Fault> {
    let (guards, desired) = in_force.unzip();
    let policy = context.policies.of(&fleet.owner);
    let now = (applied == Applied::Now).then(streams::clock::now);
    hits(checked, Law { owner: &fleet.owner, policy: &policy, guards, desired, now })
}

/// Whether who pushes may say `-o override`, where they do.
pub(crate) fn may_override(who: &Who, fleet: &FleetId, options: &Options) -> Result<(), Refused> {
    if options.override_with.is_none() || allow(who, Action::Govern, Resource::Fleet(fleet)) {
        return Ok(());
    }
    let message = format!(
        "`-o override` needs {}: `{}` is `{}` with `{}`",
        Action::Govern.needed(),
        who.name,
        who.role_with(&fleet.owner),
        fleet.owner
    );
    Err(Refused::role(message))
}

/// Lets a push pass the guards that it hits, where an owner says so. All its other faults stay faults.
pub(crate) async fn pass(
    mut faults: Vec<Fault>,
    hits: Vec<Fault>,
    options: &Options,
    pen: &mut Pen,
) -> Result<Option<Override>, Refused> {
    let reason = options.override_with.as_ref();
    if reason.is_none() {
        faults.extend(hits.iter().cloned());
        faults.sort();
    }
    if !faults.is_empty() {
        return Err(Refused::faults(report(&faults), &faults));
    }
    let Some(reason) = reason else { return Ok(None) };
    if hits.is_empty() {
        pen.say(NOTHING_TO_PASS).await;
        return Ok(None);
    }
    for hit in &hits {
        // Who says it needs no hint how.
        pen.say(&format!("overridden: {}: {} ({})", hit.place(), hit.seen, hit.expected)).await;
    }
    let guards = names(&hits);
    pen.say(&format!("override: lets this push pass `{}`: {reason}", guards.join("`, `"))).await;
    Ok(Some(Override { guards, reason: reason.clone() }))
}
