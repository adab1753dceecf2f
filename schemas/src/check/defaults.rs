//! Gives every container what `fleet.json` says for all of them.

use super::fault::in_fleet_file;
use super::{judge, rule};
use crate::descriptors::{JOINED, Kind};
use crate::json::{Member, Node, Value};

/// What is said for all containers, with its places in `fleet.json`.
#[derive(Default)]
pub(super) struct Defaults(Vec<Member>);

impl Defaults {
    /// What `fleet.json` says, as far as it is sound: what is not is told there, and once.
    pub(super) fn of(fleet: &Node) -> Self {
        let keys = &rule::rule(Kind::Container).properties;
        let sound = |it: &&Member| keys.get(&it.key).is_some_and(|rule| judge::is_sound(rule, &it.node));
        let said = fleet.get("defaults").map(Node::members).unwrap_or_default();
        let mut members: Vec<Member> = said.iter().filter(sound).cloned().collect();
        members.iter_mut().for_each(mark_member);
        Self(members)
    }

    /// Adds what a container does not say itself.
    pub(super) fn give(&self, container: &mut Node) {
        let Value::Object(own) = &mut container.value else { return };
        for ours in &self.0 {
            match own.iter_mut().find(|it| it.key == ours.key) {
                None => own.push(ours.clone()),
                Some(theirs) if JOINED.contains(&ours.key.as_str()) => join(&mut theirs.node, &ours.node),
                Some(_) => {}
            }
        }
    }
}

/// Adds the members that are not there.
fn join(own: &mut Node, more: &Node) {
    let Value::Object(own) = &mut own.value else { return };
    for member in more.members() {
        if own.iter().all(|it| it.key != member.key) {
            own.push(member.clone());
        }
    }
}

fn mark_member(member: &mut Member) {
    member.spot = in_fleet_file(member.spot);
    mark(&mut member.node);
}

/// Says of all places that they are in `fleet.json`. The tree is at most [`crate::json::MAX_DEPTH`] deep.
fn mark(node: &mut Node) {
    node.spot = in_fleet_file(node.spot);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(mark),
        Value::Object(members) => members.iter_mut().for_each(mark_member),
        _ => {}
    }
}
