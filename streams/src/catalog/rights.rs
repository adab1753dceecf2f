//! What each user may do at the server, generated from the table: lists of what is allowed, everything else is denied.
//!
//! The lists name `$JS.API.…` although the streams live in a domain: the server maps the domain's form before it checks.

use super::{EVENTS, NODE, PLAIN, PlainEntry, STREAMS, StreamEntry, User};

/// What a user may do.
#[derive(Debug, Clone)]
pub struct Rights {
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
}

/// What `user` may do; as an agent, only what is `node`'s where one is named.
pub fn rights(user: User, node: Option<&str>) -> Rights {
    let mut rights = Rights { publish: Vec::new(), subscribe: vec![format!("{}.>", user.inbox())] };
    // What all streams hold together, and may hold.
    if user.in_list(&[User::Platform]) || user == User::Provision {
        rights.publish.push("$JS.API.INFO".to_owned());
    }
    for stream in STREAMS {
        rights.publish.extend(on_stream(stream, user, node));
    }
    for plain in PLAIN {
        if user.in_list(plain.says) {
            rights.publish.push(at_node(plain.subject, node));
        }
        if user.in_list(plain.hears) {
            // An agent hears what is said to its own node; who is no agent hears all of them.
            let heard = if user == User::Agent { node } else { None };
            rights.subscribe.push(at_node(plain.subject, heard));
            rights.publish.extend(inboxes(plain, user));
        }
    }
    // Several entries may lead to the same right.
    rights.publish.sort();
    rights.publish.dedup();
    rights
}

fn on_stream(stream: &StreamEntry, user: User, node: Option<&str>) -> Vec<String> {
    let name = stream.name;
    if user == User::Provision {
        return vec![format!("$JS.API.STREAM.CREATE.{name}"), format!("$JS.API.STREAM.INFO.{name}")];
    }
    let mut publish = Vec::new();
    for (_, subjects) in stream.writes.iter().filter(|(writer, _)| user.is(*writer)) {
        publish.extend(subjects.iter().map(|it| at_node(it, node)));
    }
    // Everybody checks the log's incarnation.
    let reads = user.in_list(stream.reads);
    if reads || name == EVENTS || looks_everywhere(user) {
        publish.push(format!("$JS.API.STREAM.INFO.{name}"));
    }
    if reads {
        publish.push(format!("$JS.API.STREAM.MSG.GET.{name}"));
        // With a name, else the server would not check whose consumer it is.
        publish.push(format!("$JS.API.CONSUMER.CREATE.{name}.>"));
        publish.push(format!("$JS.API.CONSUMER.INFO.{name}.*"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{name}.*"));
        publish.push(format!("$JS.API.CONSUMER.DELETE.{name}.*"));
    }
    if user.in_list(stream.takes) {
        let queue = node.map_or("*".to_owned(), |node| format!("agent-{node}"));
        for subject in stream.subjects {
            let subject = node.map_or((*subject).to_owned(), |node| subject.replace('*', node));
            publish.push(format!("$JS.API.CONSUMER.CREATE.{name}.{queue}.{subject}"));
        }
        publish.push(format!("$JS.API.CONSUMER.INFO.{name}.{queue}"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{name}.{queue}"));
        // Acknowledgements go to one of two forms, depending on the server's version.
        publish.push(format!("$JS.ACK.{name}.{queue}.>"));
        publish.push(format!("$JS.ACK.*.*.{name}.{queue}.>"));
    }
    if user.in_list(stream.recalls) {
        for subject in stream.subjects {
            let subject = node.map_or((*subject).to_owned(), |node| subject.replace('*', node));
            publish.push(format!("$JS.API.DIRECT.GET.{name}.{subject}"));
        }
    }
    if user.in_list(stream.erases) {
        publish.push(format!("$JS.API.STREAM.MSG.DELETE.{name}"));
    }
    publish
}

/// Whether it sees how full every stream is.
pub(super) fn looks_everywhere(user: User) -> bool {
    user.in_list(&[User::Platform, User::Monitor])
}

/// Where the answers to a question go: whoever answers it may write there. Nobody answers a signal.
fn inboxes(plain: &PlainEntry, user: User) -> Vec<String> {
    if !plain.answered {
        return Vec::new();
    }
    // Who is everybody asks itself.
    let itself = (user == User::Everything).then_some(&user);
    plain.says.iter().chain(itself).map(|it| format!("{}.>", it.inbox())).collect()
}

/// A subject of the table as the server wants it.
pub(super) fn at_node(subject: &str, node: Option<&str>) -> String {
    subject.replace(NODE, node.unwrap_or("*"))
}
