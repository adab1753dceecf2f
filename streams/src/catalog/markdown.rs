//! The catalog for people.

use std::fmt::Write as _;

use super::{Kept, NODE, PLAIN, STREAMS, StreamEntry, User};

/// What stands for what at the server, once instead of in every line.
const VERBS: &str = "\
Each user has a password and an inbox `_INBOX_<user>.>` of its own, and may do what is listed here and nothing else. \
`<node>` is the node of the agent.\n\
\n\
| in the list | at the server: publish to |\n\
|---|---|\n\
| makes a stream `S` | `$JS.API.STREAM.CREATE.S` `$JS.API.STREAM.INFO.S` |\n\
| looks at `S` | `$JS.API.STREAM.INFO.S`; everybody may look at `EVENTS`, `platform` also at the account (`$JS.API.INFO`) |\n\
| reads `S` | `$JS.API.STREAM.INFO.S` `$JS.API.STREAM.MSG.GET.S` `$JS.API.CONSUMER.CREATE.S.>` `$JS.API.CONSUMER.INFO.S.*` `$JS.API.CONSUMER.MSG.NEXT.S.*` `$JS.API.CONSUMER.DELETE.S.*` |\n\
| takes from `S` | `$JS.API.CONSUMER.CREATE.S.agent-<node>.<subject of node>` `$JS.API.CONSUMER.INFO.S.agent-<node>` `$JS.API.CONSUMER.MSG.NEXT.S.agent-<node>` `$JS.ACK.S.agent-<node>.>` `$JS.ACK.*.*.S.agent-<node>.>` |\n\
| recalls `S` | `$JS.API.DIRECT.GET.S.<subject of node>` |\n\
| erases in `S` | `$JS.API.STREAM.MSG.DELETE.S` |\n\
| answers `Q` | subscribes to `Q`, publishes to the inboxes of those who ask it |\n\
\n\
The server checks under which name and filter somebody makes a consumer, and not where a *push* consumer delivers. Who \
reads `S` or takes from it can thus have `S`'s messages sent to any subject that somebody else subscribes to by its \
full name. That is never a stream, the API or `$SYS`, whose subscriptions are the server's own, nor an inbox, whose names are \
random or have a wildcard: what is left are questions and signals. There a message still carries the subject under which \
it was stored, and is dropped for that; a test tries all of it.\n";

/// The catalog as the README shows it, between `<!-- catalog -->` and `<!-- /catalog -->`.
pub fn markdown() -> String {
    let mut text = String::from("| stream or subject | takes | kept | what for |\n|---|---|---|---|\n");
    // Writing to a `String` cannot fail.
    for stream in STREAMS {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", stream.name, list(stream.subjects), kept(stream), stream.why);
    }
    for plain in PLAIN {
        let (says, hears) = (names(plain.says), names(plain.hears));
        let line = match plain.answered {
            true => format!("{says} → {hears}: {}", plain.why),
            false => format!("{}, from {says} to {hears}", plain.why),
        };
        let _ = writeln!(text, "| `{}` | – | not stored | {line} |", plain.subject);
    }
    text.push_str("\n| user | publishes | and |\n|---|---|---|\n");
    let streams = STREAMS.iter().map(|it| it.name).collect::<Vec<_>>();
    let _ = writeln!(text, "| `provision` | – | makes {}, and is gone once they are made |", list(&streams));
    for user in User::SERVICES {
        let _ = writeln!(text, "| `{}` | {} | {} |", user.name(), publishes(user), does(user));
    }
    text.push('\n');
    text.push_str(VERBS);
    text
}

fn kept(stream: &StreamEntry) -> String {
    let kept = match stream.kept {
        Kept::Forever => "for ever".to_owned(),
        Kept::For(age) if age.as_secs() < 3600 => format!("{} min", age.as_secs() / 60),
        Kept::For(age) if age.as_secs() > 48 * 3600 => format!("{} days", age.as_secs() / 86_400),
        Kept::For(age) => format!("{} h", age.as_secs() / 3600),
        Kept::UntilDone => "until done".to_owned(),
    };
    let quarter = if stream.memory { "" } else { " or a quarter of the disk's room" };
    let bytes = stream.max_bytes.map(|it| format!(", at most {} MiB{quarter}", it >> 20)).unwrap_or_default();
    let newest = if stream.newest_only { ", the newest of each subject" } else { "" };
    let memory = if stream.memory { ", in memory" } else { "" };
    let erasable = if stream.erasable { ", erasable" } else { "" };
    format!("{kept}{bytes}{newest}{memory}{erasable}")
}

/// What a user appends, asks and says.
fn publishes(user: User) -> String {
    let appended = STREAMS.iter().flat_map(|it| it.writes).filter(|(writer, _)| *writer == user);
    let mut subjects: Vec<&str> = appended.flat_map(|(_, subjects)| *subjects).copied().collect();
    subjects.extend(PLAIN.iter().filter(|it| it.says.contains(&user)).map(|it| it.subject));
    if subjects.is_empty() { "–".to_owned() } else { list(&subjects) }
}

/// Everything else that it does.
fn does(user: User) -> String {
    let of = |users: fn(&StreamEntry) -> &'static [User]| -> Vec<&str> {
        STREAMS.iter().filter(|it| users(it).contains(&user)).map(|it| it.name).collect()
    };
    let heard = |answered: bool| -> Vec<String> {
        let heard = PLAIN.iter().filter(|it| it.answered == answered && it.hears.contains(&user));
        let nodes = if user == User::Agent { NODE } else { "*" };
        heard.map(|it| it.subject.replace(NODE, nodes)).collect()
    };
    let mut does = Vec::new();
    let mut add = |what: &str, names: &[&str]| {
        if !names.is_empty() {
            does.push(format!("{what} {}", list(names)));
        }
    };
    if super::rights::looks_everywhere(user) {
        add("looks at", &STREAMS.iter().map(|it| it.name).collect::<Vec<_>>());
    }
    add("reads", &of(|it| it.reads));
    add("takes from", &of(|it| it.takes));
    add("recalls", &of(|it| it.recalls));
    add("erases in", &of(|it| it.erases));
    add("answers", &heard(true).iter().map(String::as_str).collect::<Vec<_>>());
    add("hears", &heard(false).iter().map(String::as_str).collect::<Vec<_>>());
    if does.is_empty() { "–".to_owned() } else { does.join("; ") }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" ")
}

fn names(users: &[User]) -> String {
    users.iter().map(|it| format!("`{}`", it.name())).collect::<Vec<_>>().join(", ")
}
