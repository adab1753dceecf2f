//! What is most likely a secret: a fleet's files stay in Git and in the event log for ever, so none belongs there.
//!
//! Two nets. Texts that look like what well-known issuers give out are found wherever they stand. Values of variables
//! and of environments are also judged by their key. A fault names the place and the kind, and never the value.

use std::collections::BTreeSet;

mod keys;
mod shapes;

use super::fault::{Fault, Place, quote};
use super::tree::Source;
use crate::descriptors::{ALLOW, Kind, Path, VALUE};
use crate::json::{Member, Node, Spot, Value};

/// The code of such a fault.
const CODE: &str = "likely-secret";

const EXPECTED: &str = "no secret in a fleet's files: they stay in Git and in the event log for ever";
/// What to do about it.
const TAKE_OUT: &str = "take it out of the commit (`git commit --amend`); a secret store comes next, until then let the \
                        container read it from a volume";

/// Finds every value of a descriptor that is most likely a secret.
pub(super) fn find(source: &Source, root: &Node, found: &mut Vec<Fault>) {
    let mut scan = Scan { source, found };
    match source.at {
        Path::Named(Kind::Variables, _) => root.members().iter().for_each(|member| scan.keyed(member)),
        Path::Fleet => {
            scan.node(root);
            parameters(source, root, scan.found);
        }
        _ => scan.node(root),
    }
}

/// The value of a parameter is asked for at a fork, and stays in the fork's files: none can be a secret.
fn parameters(source: &Source, root: &Node, found: &mut Vec<Fault>) {
    for Member { key, node, spot, .. } in root.get("parameters").map(Node::members).unwrap_or_default() {
        let default = node.get("default");
        if node.get("type").and_then(Node::text) == Some("bool")
            || matches!(default, Some(Node { value: Value::Bool(_), .. }))
        {
            continue;
        }
        // What a name says without a value, it says of one that looks like a path.
        let literal = default.and_then(Node::text).filter(|it| !it.trim().is_empty()).unwrap_or("/");
        if let Some(word) = keys::suspect(key, literal) {
            let seen = format!("parameter {}: its name says `{word}`", quote(key));
            let expected = "no secret among the parameters: what a fork is given for them stays in its files for ever";
            let hint = "take it out, and let the container read the secret from a volume (a secret store comes next); if it is none, give it another name";
            found.push(Fault::new(source.place(*spot), CODE, seen, expected).hint(hint.to_owned()));
        }
    }
}

/// Tells what was found. Other faults and warnings at its place are left out: they might quote it.
pub(super) fn refuse(found: Vec<Fault>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    if !found.is_empty() {
        let places: BTreeSet<Place> = found.iter().map(Fault::place).collect();
        for told in [&mut *faults, warnings] {
            told.retain(|fault| !places.contains(&fault.place()));
        }
        faults.extend(found);
    }
}

/// Tells the lines of a text that is no descriptor in which something looks like a secret.
pub(super) fn refuse_lines(path: &str, bytes: &[u8], faults: &mut Vec<Fault>) {
    for (line, text) in (1..).zip(String::from_utf8_lossy(bytes).lines()) {
        if let Some(what) = shapes::find(text) {
            let place = Place::new(path, Spot { line, column: 1 });
            faults.push(Fault::new(place, CODE, format!("what looks like {what}"), EXPECTED).hint(TAKE_OUT.to_owned()));
        }
    }
}

/// The same of a file that a container takes in, which may say why nothing in it is a secret.
pub(super) fn refuse_taken(path: &str, bytes: &[u8], faults: &mut Vec<Fault>) {
    let before = faults.len();
    refuse_lines(path, bytes, faults);
    for fault in &mut faults[before..] {
        fault.hint = Some(format!("{TAKE_OUT}; if it is none: \"$allow\": \"why it is no secret\" beside its `from`"));
    }
}

struct Scan<'a> {
    source: &'a Source,
    found: &'a mut Vec<Fault>,
}

impl Scan<'_> {
    /// Everything in a value. The tree is at most [`crate::json::MAX_DEPTH`] deep.
    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Text(text) => self.text(node.spot, text),
            Value::List(items) => items.iter().for_each(|item| self.node(item)),
            Value::Object(members) => members.iter().for_each(|member| {
                if member.key == "env" {
                    member.node.members().iter().for_each(|member| self.keyed(member));
                } else {
                    self.node(&member.node);
                }
            }),
            _ => {}
        }
    }

    fn text(&mut self, spot: Spot, text: &str) {
        if let Some(what) = shapes::find(text) {
            self.fault(spot, format!("what looks like {what}"), false);
        }
    }

    /// A value whose key may say that it is a secret.
    fn keyed(&mut self, member: &Member) {
        if is_allowed(&member.node) {
            return;
        }
        // Without a good reason beside it, it is judged like any other; that the reason is missing is told as well.
        let node = member.node.get(VALUE).unwrap_or(&member.node);
        let literal = match &node.value {
            Value::Text(text) => {
                if let Some(what) = shapes::find(text) {
                    return self.fault(node.spot, format!("what looks like {what}"), true);
                }
                text.clone()
            }
            Value::Number(number) => number.to_string(),
            _ => return self.node(node),
        };
        if let Some(word) = keys::suspect(&member.key, &literal) {
            let seen = format!("{} holds a literal value, and its name says `{word}`", quote(&member.key));
            self.fault(node.spot, seen, true);
        }
    }

    /// `valued`: there is a key for the reason.
    fn fault(&mut self, spot: Spot, seen: String, valued: bool) {
        let way = if valued {
            "if it is none: { \"value\": …, \"$allow\": \"why it is no secret\" }"
        } else {
            "if it is none: put it into a variable or `env`, as { \"value\": …, \"$allow\": \"why it is no secret\" }"
        };
        self.found.push(Fault::new(self.source.place(spot), CODE, seen, EXPECTED).hint(format!("{TAKE_OUT}; {way}")));
    }
}

/// What makes the value of a key look like a secret; none: nothing does.
pub fn likely_secret(key: &str, value: &str) -> Option<String> {
    let shape = shapes::find(value).map(|what| format!("looks like {what}"));
    shape.or_else(|| keys::suspect(key, value).map(|word| format!("has `{word}` in its name")))
}

/// Whether a value has been looked at, and says why it is no secret.
fn is_allowed(node: &Node) -> bool {
    node.get(ALLOW).and_then(Node::text).is_some_and(|reason| !reason.trim().is_empty())
}
