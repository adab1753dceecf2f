//! What a container has written beside its volumes, and loses when it is made anew.

use serde::{Deserialize, Serialize};

use crate::check::{Checked, Fault, Place, quote};
use crate::names::{Name, NodeName};

/// So many files are named.
const NAMED: usize = 5;

/// Folders in which whatever is written is meant to be lost.
const FLEETING: [&str; 11] = [
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/cache",
    "/var/lock",
    "/var/log",
    "/var/run",
    "/var/tmp",
    "/root/.cache",
];

/// Names of files that are written by whoever only looks around.
const HISTORIES: [&str; 3] = [".ash_history", ".bash_history", ".sh_history"];

/// What one container would lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The descriptor's name.
    pub container: Name,
    /// How many files.
    pub count: u64,
    /// The first of them.
    pub files: Vec<String>,
}

impl Loss {
    /// What is lost of `changed`: the paths that differ from the image, in any order. `mounts` are where something is
    /// mounted or was put by us.
    /// None: nothing.
    pub fn of(container: &Name, mut changed: Vec<String>, mounts: &[&str]) -> Option<Self> {
        changed.sort_unstable();
        changed.dedup();
        let inside =
            |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|it| it.is_empty() || it.starts_with('/'));
        // A folder counts as changed because of what is in it, and a place to mount is made in the folders above.
        let holds_more = |path: &str| {
            let within = format!("{path}/");
            let next = changed.partition_point(|it| it.as_str() < within.as_str());
            changed.get(next).is_some_and(|it| it.starts_with(&within)) || mounts.iter().any(|it| inside(it, path))
        };
        let fleeting = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let mounted = mounts.iter().any(|it| inside(path, it));
            mounted || FLEETING.iter().any(|it| inside(path, it)) || HISTORIES.contains(&name) || name.ends_with(".pid")
        };
        let lost: Vec<&String> = changed.iter().filter(|it| !fleeting(it) && !holds_more(it)).collect();
        let files = lost.iter().take(NAMED).map(|it| (*it).clone()).collect();
        (!lost.is_empty()).then(|| Self { container: container.clone(), count: lost.len() as u64, files })
    }

    /// A warning at the container's descriptor.
    pub fn warning(&self, checked: &Checked) -> Fault {
        let named: Vec<String> = self.files.iter().map(|it| quote(it)).collect();
        let more = match self.count.saturating_sub(self.files.len() as u64) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let name = quote(self.container.as_str());
        let seen =
            format!("made anew, container {name} loses what it wrote beside its volumes: {}{more}", named.join(", "));
        let place = checked.places.find(&format!("containers/{}.json", self.container), "");
        let hint = format!(
            "`docker cp` what is wanted before, or mount a volume there (`volumes` in containers/{}.json)",
            self.container
        );
        Fault::new(place, "loses-files", seen, "what is to stay in a volume").hint(hint)
    }
}

/// A warning where the node does not tell.
pub fn unknown(node: &NodeName) -> Fault {
    let seen =
        format!("node {node} does not tell what the containers that are made anew have written beside their volumes");
    let place = Place { path: "fleet.json".to_owned(), line: 1, column: 1 };
    Fault::new(place, "loses-files", seen, "what is to stay in a volume")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(changed: &[&str], mounts: &[&str]) -> (u64, Vec<String>) {
        let changed = changed.iter().map(|it| (*it).to_owned()).collect();
        Loss::of(&"api".parse().unwrap(), changed, mounts).map_or((0, Vec::new()), |it| (it.count, it.files))
    }

    #[test]
    fn files_are_lost_and_not_the_folders_that_they_are_in() {
        let changed = ["/etc/motd", "/etc", "/srv/a-b", "/srv", "/srv/a", "/srv/a/one"];
        assert_eq!(lost(&changed, &[]), (3, ["/etc/motd", "/srv/a-b", "/srv/a/one"].map(str::to_owned).into()));
        assert_eq!(lost(&["/srv/empty"], &[]).0, 1, "a folder of its own");
    }

    #[test]
    fn what_is_mounted_or_never_meant_to_stay_is_not_lost() {
        let changed = [
            "/data",
            "/var",
            "/var/lib",
            "/var/lib/db",
            "/var/log/x",
            "/tmp/y",
            "/run/a.pid",
            "/app/b.pid",
            "/root",
            "/root/.ash_history",
        ];
        assert_eq!(lost(&changed, &["/data", "/var/lib/db"]), (0, Vec::new()));
        assert_eq!(lost(&["/tmpfile", "/database"], &["/data"]).0, 2);
    }

    #[test]
    fn the_first_files_are_named() {
        let changed: Vec<String> = (10..20).map(|it| format!("/srv/{it}")).collect();
        let loss = Loss::of(&"api".parse().unwrap(), changed, &[]).unwrap();
        assert_eq!((loss.count, loss.files.len(), loss.files[0].as_str()), (10, NAMED, "/srv/10"));
    }
}
