//! Who may do what, generated from the table: lists of what is allowed, everything else is denied.

use super::{EVENTS, OBS, PACKS, PLAIN, STREAMS, WORK};

/// A user of the server.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: &'static str,
    /// Subjects that it may publish to.
    pub publish: Vec<String>,
    /// Subjects that it may subscribe to.
    pub subscribe: Vec<String>,
}

impl User {
    /// Where answers to this user go. Each user has its own, so that none can read another's.
    pub(crate) fn inbox(name: &str) -> String {
        format!("_INBOX_{name}")
    }
}

/// Name of the user that makes the streams.
pub(crate) const PROVISION: &str = "provision";
/// Name of the user that the services are.
pub(crate) const PLATFORM: &str = "platform";

/// The two users.
pub fn users() -> [User; 2] {
    [provision(), platform()]
}

/// Makes streams and looks at them; changes none.
fn provision() -> User {
    let mut publish = vec!["$JS.API.INFO".to_owned()];
    for stream in STREAMS {
        publish.push(format!("$JS.API.STREAM.CREATE.{}", stream.name));
        publish.push(format!("$JS.API.STREAM.INFO.{}", stream.name));
    }
    User { name: PROVISION, publish, subscribe: vec![format!("{}.>", User::inbox(PROVISION))] }
}

/// Does everything that the services do.
///
/// The lists name `$JS.API.…` although the streams live in a domain: the server maps the domain's form before it checks.
fn platform() -> User {
    let inbox = format!("{}.>", User::inbox(PLATFORM));
    let mut publish: Vec<String> = STREAMS.iter().flat_map(|it| it.subjects).map(|&it| it.to_owned()).collect();
    publish.extend(PLAIN.iter().map(|it| it.subject.to_owned()));
    publish.push(inbox.clone());
    for stream in STREAMS {
        let name = stream.name;
        publish.push(format!("$JS.API.STREAM.INFO.{name}"));
        // With a name, so that a filter would be part of the subject and could be limited here.
        publish.push(format!("$JS.API.CONSUMER.CREATE.{name}.>"));
        publish.push(format!("$JS.API.CONSUMER.INFO.{name}.*"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{name}.*"));
    }
    for name in [EVENTS, PACKS] {
        publish.push(format!("$JS.API.STREAM.MSG.GET.{name}"));
    }
    // Readers come and go; the durable consumers of `WORK` stay.
    for name in [EVENTS, OBS, PACKS] {
        publish.push(format!("$JS.API.CONSUMER.DELETE.{name}.*"));
    }
    publish.push(format!("$JS.API.STREAM.MSG.DELETE.{PACKS}"));
    // Acknowledgements go to one of two forms, depending on the server's version.
    publish.push(format!("$JS.ACK.{WORK}.>"));
    publish.push(format!("$JS.ACK.*.*.{WORK}.>"));
    let mut subscribe = vec![inbox];
    subscribe.extend(PLAIN.iter().map(|it| it.subject.to_owned()));
    User { name: PLATFORM, publish, subscribe }
}
