//! Rules of `guards` that a schema cannot say, and the same for an owner's policy, which is one file of its own.

use super::fault::{Fault, Place, quote};
use super::tree::unreadable;
use super::{judge, rule, sorted};
use crate::cron::time_zone;
use crate::descriptors::{Guards, Kind};
use crate::json::{self, Node};
use crate::window::minutes;

/// Tells the faults of guards at `node`.
pub(super) fn read(path: &str, node: &Node, faults: &mut Vec<Fault>) {
    for window in node.get("windows").map(Node::items).unwrap_or_default() {
        let text = |key: &str| window.get(key).and_then(|node| Some((node, node.text()?)));
        if let Some((node, text)) = text("timezone").filter(|(_, text)| !text.is_empty() && time_zone(text).is_none()) {
            faults.push(super::task::no_time_zone(Place::new(path, node.spot), text));
        }
        let (from, to) = (text("from").map_or("00:00", |it| it.1), text("to").map_or("24:00", |it| it.1));
        if let (Some(begin), Some(end)) = (minutes(from), minutes(to))
            && begin == end
        {
            let seen = format!("a window from {} to {}: never", quote(from), quote(to));
            let fault = Fault::new(Place::new(path, window.spot), "empty-window", seen, "an end after its beginning");
            faults.push(fault.hint("leave both out for the whole day".to_owned()));
        }
    }
}

/// An owner's policy as it was written, or all its faults.
pub fn policy(path: &str, bytes: &[u8]) -> Result<Guards, Vec<Fault>> {
    let document = json::read(bytes);
    let mut faults: Vec<Fault> = document
        .faults
        .into_iter()
        .map(|it| Fault::new(Place::new(path, it.spot), it.code, it.seen, it.expected).hint(it.hint))
        .collect();
    let rule = rule::rule(Kind::Fleet).properties.get("guards");
    if let (Some(root), Some(rule), false) = (&document.root, rule, document.torn) {
        faults.extend(judge::judge(rule, root, path));
        read(path, root, &mut faults);
        if faults.is_empty() {
            return serde_json::from_value(root.to_json()).map_err(|error| vec![unreadable(path, root, &error)]);
        }
    }
    Err(sorted(faults, "fault"))
}
