//! Docker as a user sees it: through its own command line.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::process::{Ran, run};

const LIMIT: Duration = Duration::from_secs(30);

/// `docker …`
#[track_caller]
pub fn docker(args: &[&str]) -> Ran {
    run(Command::new("docker").args(args), LIMIT)
}

/// Containers, volumes and networks: what carries labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A container, running or not.
    Container,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

impl Thing {
    const ALL: [Self; 3] = [Self::Container, Self::Network, Self::Volume];

    const fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Network => "network",
        }
    }
}

/// Ids of the things with every one of these labels (`key=value`).
#[track_caller]
pub fn ids(thing: Thing, labels: &[&str]) -> Vec<String> {
    let filters: Vec<String> = labels.iter().map(|label| format!("--filter=label={label}")).collect();
    let mut args = vec![thing.word(), "ls", "--quiet"];
    if thing == Thing::Container {
        args.extend(["--all", "--no-trunc"]);
    }
    args.extend(filters.iter().map(String::as_str));
    docker(&args).ok().lines().map(str::to_owned).collect()
}

/// What `docker inspect` says of each of the things with these labels. One that goes meanwhile is left out.
#[track_caller]
pub fn inspect(thing: Thing, labels: &[&str]) -> Vec<Value> {
    ids(thing, labels).iter().filter_map(|id| inspect_one(thing, id)).collect()
}

/// What `docker inspect` says of one thing; none where it is not there.
#[track_caller]
pub fn inspect_one(thing: Thing, id: &str) -> Option<Value> {
    let ran = docker(&[thing.word(), "inspect", id]);
    let found: Vec<Value> = serde_json::from_str(&ran.out).unwrap_or_default();
    found.into_iter().next()
}

/// Removes everything with this label; tells what is still there afterwards.
pub fn remove_all(label: &str) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        for thing in Thing::ALL {
            for id in ids(thing, &[label]) {
                // It may be gone by now, or go a moment later: what counts is the list at the end.
                match thing {
                    Thing::Container => docker(&["container", "rm", "--force", "--volumes", &id]),
                    _ => docker(&[thing.word(), "rm", &id]),
                };
            }
        }
        let named = |thing: Thing| ids(thing, &[label]).into_iter().map(move |id| (thing, id));
        let mut left: Vec<(Thing, String)> = Thing::ALL.into_iter().flat_map(named).collect();
        // A network stays busy for a moment after its last container went.
        if left.is_empty() || Instant::now() >= deadline {
            left.retain(|(thing, id)| *thing != Thing::Network || !is_stuck(id));
            return left.into_iter().map(|(thing, id)| format!("{} {id}", thing.word())).collect();
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Whether Docker keeps a network for endpoints that it has lost count of: engine 20.10 does so now and then where many
/// containers go at once, and gives it up only when it is started anew. Nobody can remove it, so it is nobody's fault.
fn is_stuck(network: &str) -> bool {
    let empty = inspect_one(Thing::Network, network).is_some_and(|it| it["Containers"] == Value::Object(Map::new()));
    let stuck = empty && docker(&["network", "rm", network]).err.contains("has active endpoints");
    if stuck {
        eprintln!("Docker lost count of the endpoints of network {network}: it stays until Docker is restarted");
    }
    stuck
}

/// A container that is none of ours: no label, gone when dropped.
#[derive(Debug)]
pub struct Stranger {
    /// Docker's id.
    pub id: String,
}

impl Stranger {
    /// `docker run --detach …` with an image and command that do nothing for ever.
    #[track_caller]
    pub fn run(args: &[&str]) -> Self {
        let forever = ["demo/tool:1", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"];
        let id = docker(&[&["run", "--detach"], args, &forever].concat()).ok();
        Self { id }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        inspect_one(Thing::Container, &self.id).is_some_and(|it| it["State"]["Running"] == true)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}
