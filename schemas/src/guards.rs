//! Guards: what a push to the deploy branch may not bring. Pure: a tree, what was accepted before it, an owner's policy and
//! the time go in, faults come out.
//!
//! Key by key the stricter of the owner's policy and of the `guards` that were accepted before: what the tree itself says
//! about guards counts from the next push on.

use jiff::Timestamp;

use crate::check::{Checked, Fault, Place, quote};
use crate::descriptors::{Desired, Guard, Guards, Kind, Mount, NetworkMode, Path};
use crate::image::{Pinned, pinned};
use crate::names::Owner;
use crate::spec::{escape, resolve};
use crate::window;

/// How many removed files a fault names at most.
const NAMED: usize = 20;

/// What a push is held to.
#[derive(Debug, Clone, Copy)]
pub struct Law<'a> {
    /// Whose fleet it is.
    pub owner: &'a Owner,
    /// The owner's policy.
    pub policy: &'a Guards,
    /// The `guards` that the last accepted push brought; none: there is no such fleet yet.
    pub guards: Option<&'a Guards>,
    /// What is desired, and may have been taken out; none: there is no such fleet yet.
    pub desired: Option<&'a Desired>,
    /// When the push comes; none: nobody knows when it will be applied, as of another branch.
    pub now: Option<Timestamp>,
}

/// Every guard that a tree hits, in the order of files and lines.
pub fn hits(checked: &Checked, law: Law<'_>) -> Vec<Fault> {
    let mut judge = Judge { law, checked, faults: Vec::new() };
    judge.privileged();
    judge.host();
    judge.images();
    judge.removals();
    judge.windows();
    judge.faults.sort();
    judge.faults
}

/// The keys of the guards that were hit, each once: what `override.used` keeps.
pub fn names(faults: &[Fault]) -> Vec<String> {
    let key = |fault: &Fault| fault.code.as_str().trim_start_matches("guard-").replace('-', "_");
    let mut names: Vec<String> = faults.iter().map(key).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether Docker's socket lies at this path of the node, or below it.
pub(crate) fn holds_docker(path: &str) -> bool {
    let parts = |path: &'static str| path.split('/').filter(|it| !it.is_empty() && *it != ".");
    let seen: Vec<&str> = path.split('/').filter(|it| !it.is_empty() && *it != ".").collect();
    ["/var/run/docker.sock", "/run/docker.sock"].into_iter().any(|socket| {
        let socket: Vec<&str> = parts(socket).collect();
        socket.starts_with(&seen)
    })
}

struct Judge<'a> {
    law: Law<'a>,
    checked: &'a Checked,
    faults: Vec<Fault>,
}

impl<'a> Judge<'a> {
    /// The guards in force, the owner's first, and whose they are.
    fn both(&self) -> impl Iterator<Item = (&'a Guards, String)> {
        let Law { owner, policy, guards, .. } = self.law;
        let policy = (policy, format!("the policy of owner `{owner}`"));
        std::iter::once(policy).chain(guards.map(|guards| (guards, "`guards` of the accepted fleet.json".to_owned())))
    }

    /// Who forbids something; the owner first.
    fn forbids(&self, guard: impl Fn(&Guards) -> Guard) -> Option<String> {
        self.both().find(|(guards, _)| guard(guards) == Guard::Forbid).map(|(_, whose)| whose)
    }

    fn hit(&mut self, place: Place, code: &'static str, seen: String, expected: String, also: Vec<Place>) {
        let owner = self.law.owner;
        let fault = Fault::new(place, code, seen, expected).also(also);
        let hint = format!("who is `owner` with `{owner}` can let one push pass: git push -o override=\"why\"");
        self.faults.push(fault.hint(hint));
    }

    fn privileged(&mut self) {
        let Some(whose) = self.forbids(|it| it.privileged) else { return };
        for (name, _) in self.checked.desired.containers.iter().filter(|(_, it)| it.privileged) {
            let place = self.checked.places.find(&format!("containers/{name}.json"), "/privileged");
            let seen = format!("container {} is privileged", quote(name.as_str()));
            self.hit(place, "guard-privileged", seen, format!("no `privileged`: {whose} forbids it"), Vec::new());
        }
    }

    /// What of the node containers see: its files, its network, its Docker.
    fn host(&mut self) {
        let (mounts, docker) = (self.forbids(|it| it.host_mounts), self.forbids(|it| it.docker_socket));
        let network = self.forbids(|it| it.host_network);
        for (name, container) in &self.checked.desired.containers {
            let (file, whose_name) = (format!("containers/{name}.json"), quote(name.as_str()));
            if let (Some(whose), Some(NetworkMode::Host)) = (&network, &container.network) {
                let place = self.checked.places.find(&file, "/network");
                let seen = format!("container {whose_name} is in the node's network");
                let expected = format!("another network: {whose} forbids the node's");
                self.hit(place, "guard-host-network", seen, expected, Vec::new());
            }
            for (path, mount) in &container.volumes {
                let Mount::Host { host, .. } = mount else { continue };
                let host = resolve(host, &self.checked.desired).unwrap_or_else(|_| host.clone());
                let place = || self.checked.places.find(&file, &format!("/volumes/{}", escape(path)));
                if let Some(whose) = docker.as_ref().filter(|_| holds_docker(&host)) {
                    let seen = format!("container {whose_name} gets at Docker's socket through {}", quote(&host));
                    let expected = format!("no way to the node's Docker: {whose} forbids it");
                    self.hit(place(), "guard-docker-socket", seen, expected, Vec::new());
                }
                if let Some(whose) = &mounts {
                    let seen = format!("container {whose_name} mounts {} of the node", quote(&host));
                    let expected = format!("volumes of the fleet only: {whose} forbids the node's files");
                    self.hit(place(), "guard-host-mounts", seen, expected, Vec::new());
                }
            }
        }
    }

    fn images(&mut self) {
        let Some(whose) = self.forbids(|it| it.unpinned_images) else { return };
        let desired = &self.checked.desired;
        let containers = desired.containers.iter().map(|(name, it)| (Kind::Container, name, &it.image));
        let tasks = desired.tasks.iter().map(|(name, it)| (Kind::Task, name, &it.image));
        for (kind, name, image) in containers.chain(tasks) {
            let image = resolve(image, desired).unwrap_or_else(|_| image.clone());
            if matches!(pinned(&image), Pinned::No | Pinned::Latest) {
                let file = Path::Named(kind, name.clone()).to_string();
                let place = self.checked.places.find(&file, "/image");
                let seen = format!("image {} does not say which image it is", quote(&image));
                let expected = format!("a tag other than `latest`, or a digest: {whose} forbids others");
                self.hit(place, "guard-unpinned-images", seen, expected, Vec::new());
            }
        }
    }

    fn removals(&mut self) {
        let limits = self.both().filter_map(|(guards, whose)| Some((guards.max_removals?, whose)));
        let (Some((most, whose)), Some(desired)) = (limits.min_by_key(|(most, _)| *most), self.law.desired) else {
            return;
        };
        let now = self.checked.desired.files();
        let files = desired.files();
        let counts = |path: &&Path| matches!(path, Path::Named(Kind::Container | Kind::Task | Kind::Volume, _));
        let gone: Vec<&Path> = files.0.keys().filter(counts).filter(|path| !now.0.contains_key(path)).collect();
        if gone.len() <= most as usize {
            return;
        }
        let count = gone.len();
        let mut places = gone.iter().map(|path| Place { path: path.to_string(), line: 1, column: 1 });
        let Some(first) = places.next() else { return };
        let seen = format!("{count} containers, tasks and volumes are taken out at once");
        let also = places.take(NAMED).collect();
        let expected = format!("at most {most}: {whose} says `max_removals`");
        self.hit(first, "guard-max-removals", seen, expected, also);
    }

    fn windows(&mut self) {
        let Some(now) = self.law.now else { return };
        let closed = self.both().find(|(guards, _)| !window::is_open(&guards.windows, now));
        let Some((guards, whose)) = closed else { return };
        let place = self.checked.places.find("fleet.json", "/guards");
        let seen = format!("a push on {}", window::clock(&guards.windows, now));
        let expected = format!("{}: {whose} says `windows`", window::describe(&guards.windows));
        self.hit(place, "guard-windows", seen, expected, Vec::new());
    }
}
