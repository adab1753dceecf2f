//! Rules inside a task that a schema cannot say: its schedule, its image, the paths of its sandbox.

use super::fault::{Fault, Place, quote};
use super::nearest::did_you_mean;
use super::tree::Source;
use crate::cron::{self, Cron};
use crate::json::Node;

/// Where `$FLEETLOG_OUTPUT` lies: nothing else may be there.
pub(super) const OUTPUT: &str = crate::spec::OUTPUT_FOLDER;

/// What people are most likely to have meant, where a time zone does not exist.
const ZONES: [&str; 12] = [
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "Europe/Vienna",
    "UTC",
];

/// Tells all faults of one task.
pub(super) fn read(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    schedule(source, root, faults);
    image(source, root, faults);
    sandbox(source, root, faults);
}

fn schedule(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some(schedule) = root.get("schedule") else { return };
    if let Some((node, text)) = schedule.get("cron").and_then(|node| Some((node, node.text()?)))
        && !text.is_empty()
        && let Err(error) = text.parse::<Cron>()
    {
        let fault = Fault::new(source.place(node.spot), "bad-cron", format!("`cron`: {error}"), error.expected);
        faults.push(fault.hint(cron_hint(text)));
    }
    if let Some((node, text)) = schedule.get("timezone").and_then(|node| Some((node, node.text()?)))
        && !text.is_empty()
        && cron::time_zone(text).is_none()
    {
        faults.push(no_time_zone(source.place(node.spot), text));
    }
}

/// The fault of a time zone that does not exist.
pub(super) fn no_time_zone(place: Place, text: &str) -> Fault {
    let seen = format!("`timezone` is {}", quote(text));
    let expected = "the name of a time zone, such as \"Europe/Berlin\" or \"UTC\"";
    Fault::new(place, "bad-timezone", seen, expected).hint(did_you_mean(text, ZONES))
}

/// What the author most likely wanted to write.
fn cron_hint(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let written = match (text, fields.len()) {
        ("@hourly", _) => "0 * * * *".to_owned(),
        ("@daily" | "@midnight", _) => "0 0 * * *".to_owned(),
        ("@weekly", _) => "0 0 * * 0".to_owned(),
        ("@monthly", _) => "0 0 1 * *".to_owned(),
        ("@yearly" | "@annually", _) => "0 0 1 1 *".to_owned(),
        (_, count @ 1..=4) => [fields.join(" "), vec!["*"; 5 - count].join(" ")].join(" "),
        // The sixth field of some tools counts seconds, and comes first.
        (_, 6) => return Some(format!("there are no seconds: write \"{}\"", fields[1..].join(" "))),
        _ => return None,
    };
    written.parse::<Cron>().ok().map(|_| format!("write \"{written}\""))
}

fn image(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some((node, text)) = root.get("image").and_then(|node| Some((node, node.text()?))) else { return };
    if !text.contains("{{") && text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let expected = "a name with a tag or digest, such as `demo/tool:1`";
        faults.push(Fault::new(source.place(node.spot), "bad-image", format!("{} is no image", quote(text)), expected));
    }
}

/// Paths in memory, and paths that are taken.
fn sandbox(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let members = |key| root.get(key).map(Node::members).unwrap_or_default();
    for member in members("tmpfs") {
        let path = member.key.as_str();
        let parts = || path.split('/').filter(|part| !part.is_empty());
        let strange = path.contains([':', ',']) || parts().any(|part| part == "." || part == "..");
        if !path.starts_with('/') || parts().next().is_none() || strange {
            let expected = "an absolute path below `/`, without `.`, `..`, `:` and `,`";
            let seen = format!("bad path {} in `tmpfs`", quote(path));
            faults.push(Fault::new(source.place(member.spot), "bad-mount", seen, expected));
        } else if path.contains("{{") {
            let seen = format!("a reference in the path {}: it would not be looked up", quote(path));
            let expected = "references in values only, the path written out";
            faults.push(Fault::new(source.place(member.spot), "bad-mount", seen, expected));
        } else if members("volumes").iter().any(|it| it.key.trim_end_matches('/') == path.trim_end_matches('/')) {
            let seen = format!("{} is in `tmpfs` and in `volumes`", quote(path));
            faults.push(Fault::new(source.place(member.spot), "duplicate-mount", seen, "each path once"));
        }
    }
    for member in members("tmpfs").iter().chain(members("volumes")) {
        let path = member.key.trim_end_matches('/');
        if path == OUTPUT || path.strip_prefix(OUTPUT).is_some_and(|rest| rest.starts_with('/')) {
            let seen = format!("{} is taken: `$FLEETLOG_OUTPUT` lies there", quote(&member.key));
            faults.push(Fault::new(source.place(member.spot), "bad-mount", seen, "another path"));
        }
    }
}
