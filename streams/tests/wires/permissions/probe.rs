//! Everything that somebody could try at the server.

use streams::User;

/// Every stream.
pub const STREAMS: [&str; 8] = ["EVENTS", "WORK", "OBS", "RUNS", "LOGS", "METRICS", "KEYS", "PACKS"];

/// Subjects that somebody may want to append to.
pub const SUBJECTS: [&str; 27] = [
    "evt.acme.shop.git",
    "evt.acme.shop.rollout",
    "evt.acme.shop.container",
    "evt.acme.shop.run",
    "evt.acme.shop.hold",
    "evt.acme.shop.git.more",
    "sys._platform.log",
    "sys._platform.level",
    "sys._platform.coordinator",
    "sys._platform.work",
    "sys._platform.profile",
    "sys._platform.token",
    "sys._platform.member",
    "sys.acme.member",
    "sys.acme.token",
    "sys.acme.profile",
    "work.local",
    "work.other",
    "runs.local",
    "obs.local",
    "obs.other",
    "log.local",
    "log.other",
    "metric.local",
    "metric.other",
    "key.0.data",
    "pack.acme.shop",
];

/// What kind of thing is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A verb of the API, or an append.
    Publish,
    /// Hearing what others say.
    Subscribe,
    /// A subject that is not stored.
    Plain,
    /// Somebody's inbox.
    Inbox,
}

/// One thing to try.
#[derive(Debug, Clone)]
pub struct Probe {
    pub kind: Kind,
    pub subject: String,
}

impl Probe {
    pub fn plain(subject: impl Into<String>) -> Self {
        Self { kind: Kind::Plain, subject: subject.into() }
    }

    pub fn subscribe(subject: impl Into<String>) -> Self {
        Self { kind: Kind::Subscribe, subject: subject.into() }
    }

    /// An answer to `user`.
    pub fn inbox(user: User) -> Self {
        Self { kind: Kind::Inbox, subject: format!("_INBOX_{}.x.y", user.name()) }
    }
}

fn publish(subject: impl Into<String>) -> Probe {
    Probe { kind: Kind::Publish, subject: subject.into() }
}

/// What nobody has any business doing.
pub fn harmful() -> Vec<Probe> {
    let mut all = Vec::new();
    for stream in STREAMS {
        for prefix in ["$JS.API", "$JS.fleetlog.API"] {
            for verb in [
                "STREAM.CREATE",
                "STREAM.UPDATE",
                "STREAM.DELETE",
                "STREAM.PURGE",
                "STREAM.SNAPSHOT",
                "STREAM.RESTORE",
                "STREAM.MSG.DELETE",
                "STREAM.LEADER.STEPDOWN",
                "STREAM.PEER.REMOVE",
                "CONSUMER.NAMES",
                "CONSUMER.LIST",
                // Without a name nobody could tell whose consumer it is.
                "CONSUMER.CREATE",
            ] {
                // The domain's form is mapped before it is checked: the list of one is the list of both.
                if prefix == "$JS.API" || verb == "STREAM.DELETE" || verb == "STREAM.UPDATE" {
                    all.push(publish(format!("{prefix}.{verb}.{stream}")));
                }
            }
        }
        for verb in ["DURABLE.CREATE", "PAUSE", "RESET", "UNPIN", "LEADER.STEPDOWN"] {
            all.push(publish(format!("$JS.API.CONSUMER.{verb}.{stream}.agent-local")));
        }
        all.push(publish(format!("$JS.FC.{stream}.x.y")));
    }
    for subject in [
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.UPDATE.MINE",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.TEMPLATE.CREATE.x",
        "$JS.API.ACCOUNT.PURGE.$G",
        "$JS.API.META.LEADER.STEPDOWN",
        "$JS.API.SERVER.REMOVE",
        "$JS.API.ACCOUNT.STREAM.MOVE.$G.EVENTS",
        "$JS.EVENT.ADVISORY.API",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.x.RELOAD",
        "$SYS.REQ.ACCOUNT.$G.JSZ",
        "$KV.x.y",
        "$O.x.y",
        "req.other.thing",
        "anything",
    ] {
        all.push(publish(subject));
    }
    for subject in
        ["evt.>", "sys.>", "work.*", "obs.*", "log.*", "key.>", "pack.>", "metric.*", "runs.*", "$JS.EVENT.>"]
    {
        all.push(Probe::subscribe(subject));
    }
    all
}

/// Everything.
pub fn probes() -> Vec<Probe> {
    let mut all = vec![publish("$JS.API.INFO")];
    for stream in STREAMS {
        for verb in ["STREAM.INFO", "STREAM.MSG.GET", "DIRECT.GET"] {
            all.push(publish(format!("$JS.API.{verb}.{stream}")));
        }
        for name in ["agent-local", "agent-other"] {
            for verb in ["CREATE", "INFO", "MSG.NEXT", "DELETE"] {
                all.push(publish(format!("$JS.API.CONSUMER.{verb}.{stream}.{name}")));
            }
            all.push(publish(format!("$JS.ACK.{stream}.{name}.1.1.1.1.1")));
            all.push(publish(format!("$JS.ACK.fleetlog.account.{stream}.{name}.1.1.1.1.1.x")));
        }
        let mut filtered = |subject: &str| {
            all.push(publish(format!("$JS.API.CONSUMER.CREATE.{stream}.agent-local.{subject}")));
            all.push(publish(format!("$JS.API.DIRECT.GET.{stream}.{subject}")));
        };
        match stream {
            "WORK" => ["work.local", "work.other", "work.*"].map(&mut filtered),
            "RUNS" => ["runs.local", "runs.other", "runs.*"].map(&mut filtered),
            "LOGS" => ["log.local", "log.other", "log.*"].map(&mut filtered),
            _ => continue,
        };
    }
    all.extend(SUBJECTS.map(publish));
    for plain in streams::catalog::PLAIN {
        all.push(Probe::plain(plain.subject.replace("<node>", "local")));
    }
    all.extend(User::SERVICES.map(Probe::inbox));
    all.into_iter().chain(harmful()).collect()
}
