//! What is mounted: volumes, paths of the node, memory, and the files of configs and secrets.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::super::load::tidy;
use super::super::names::label;
use super::super::report::Report;
use super::super::short;
use super::super::yaml::{Entry, Node, Place};
use super::{Carrier, Fleet};

/// How large a file system in memory may grow where the compose file does not say.
const TMPFS: &str = "64MiB";

impl Carrier<'_, '_> {
    pub(super) fn mounts(&mut self) {
        let service = self.service;
        let items = |key| service.node.get(key).map(Node::each).unwrap_or_default();
        for item in items("volumes") {
            match item.text() {
                Some(text) => self.short_mount(item, text),
                None => self.long_mount(item),
            }
        }
        for item in items("tmpfs") {
            let Some(text) = self.text("tmpfs", item) else { continue };
            let (target, options) = text.split_once(':').unwrap_or((&text, ""));
            let mut size = None;
            for option in options.split(',').filter(|it| !it.is_empty()) {
                match option.strip_prefix("size=").and_then(short::size) {
                    Some(it) => size = Some(it.to_string()),
                    None => self.left(&item.place, "tmpfs", format!("the option `{option}` is not carried")),
                }
            }
            self.tmpfs(&item.place, target, size);
        }
        for (kind, folder) in [("configs", "/"), ("secrets", "/run/secrets/")] {
            for item in items(kind) {
                self.file(kind, folder, item);
            }
        }
    }

    fn mount(&mut self, place: &Place, target: &str, mount: Json) {
        if !target.starts_with('/') {
            return self.left(place, "volumes", format!("`{target}` is no absolute path in the container"));
        }
        let target = if target.len() > 1 { target.trim_end_matches('/') } else { target };
        self.set_in("volumes", target, mount);
    }

    /// `[source:]target[:options]`
    fn short_mount(&mut self, item: &Node, text: &str) {
        let mut parts = text.splitn(3, ':');
        let (first, target, options) =
            (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
        let Some(target) = target else { return self.anonymous(item, first) };
        let mut read_only = false;
        for option in options.split(',').filter(|it| !it.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" | "cached" | "delegated" | "consistent" => {}
                "z" | "Z" => {
                    let text = format!("`{option}`: labels of SELinux are not set here: set them on the node's path");
                    self.left(&item.place, "volumes", text);
                }
                _ => self.left(&item.place, "volumes", format!("the option `{option}` is not carried")),
            }
        }
        if first.starts_with(['/', '.', '~']) {
            self.host(item, first, target, read_only);
        } else {
            self.named(item, first, target, None, read_only);
        }
    }

    fn long_mount(&mut self, item: &Node) {
        let part = |key: &str| item.get(key).and_then(Node::text).map(str::to_owned);
        let target = part("target").unwrap_or_default();
        let read_only = item.get("read_only").and_then(Node::truth) == Some(true);
        for entry in item.entries() {
            let known = match entry.key.as_str() {
                "type" | "source" | "target" | "read_only" | "consistency" => &[][..],
                "bind" => &["create_host_path"],
                "volume" => &["subpath"],
                "tmpfs" => &["size"],
                _ => {
                    self.left(&entry.place, &format!("volumes.{}", entry.key), "unknown key: not carried");
                    continue;
                }
            };
            for inner in entry.node.entries().iter().filter(|it| !known.contains(&it.key.as_str())) {
                self.left(&inner.place, &format!("volumes.{}.{}", entry.key, inner.key), "not carried");
            }
        }
        let source = part("source");
        match (part("type").as_deref(), source) {
            (Some("bind"), Some(source)) => self.host(item, &source, &target, read_only),
            (Some("volume") | None, Some(source)) => {
                let subpath = item.get("volume").and_then(|it| it.get("subpath")).and_then(Node::text);
                self.named(item, &source, &target, subpath, read_only);
            }
            (Some("volume") | None, None) => self.anonymous(item, &target),
            (Some("tmpfs"), _) => {
                let size = item.get("tmpfs").and_then(|it| it.get("size")).and_then(Node::text).and_then(short::size);
                self.tmpfs(&item.place, &target, size.map(|it| it.to_string()));
            }
            (kind, _) => {
                let kind = kind.unwrap_or_default().to_owned();
                self.left(
                    &item.place,
                    "volumes",
                    format!("a mount of the type `{kind}`: use a volume, a path or tmpfs"),
                );
            }
        }
    }

    fn named(&mut self, item: &Node, volume: &str, target: &str, subpath: Option<&str>, read_only: bool) {
        let Some(name) = self.fleet.volumes.get(volume).cloned() else {
            let text = format!("`{volume}` is not among the file's `volumes`: add it there, or begin a path with `./`");
            return self.left(&item.place, "volumes", text);
        };
        self.fleet.files.entry(format!("volumes/{name}.json")).or_default();
        let mount = if subpath.is_none() && !read_only {
            Json::from(name)
        } else {
            let mut mount = json!({ "volume": name });
            if let Some(subpath) = subpath {
                mount["subpath"] = subpath.into();
            }
            if read_only {
                mount["read_only"] = true.into();
            }
            mount
        };
        self.mount(&item.place, target, mount);
    }

    /// A volume that has no name gets one, so that its data stays when the container is made anew.
    fn anonymous(&mut self, item: &Node, target: &str) {
        let mut name = label(&format!("{}-{}", self.name, target.trim_matches('/')));
        while self.fleet.volumes.values().any(|it| *it == name) {
            name = label(&format!("{name}-own"));
        }
        let text = format!("a volume without a name is the volume `{name}` here, which stays");
        self.note(&item.place, "volumes", text);
        self.fleet.files.entry(format!("volumes/{name}.json")).or_default();
        self.mount(&item.place, target, name.into());
    }

    /// A path of the node.
    fn host(&mut self, item: &Node, source: &str, target: &str, read_only: bool) {
        let Some(host) = self.resolved(item, "volumes", source) else { return };
        let mut mount = json!({ "host": host });
        if read_only {
            mount["read_only"] = true.into();
        }
        self.mount(&item.place, target, mount);
    }

    /// An absolute path; said where it was none.
    fn resolved(&mut self, item: &Node, key: &str, source: &str) -> Option<String> {
        if source.starts_with('~') {
            let text = format!("`{source}` is in the home of whoever runs it: write the absolute path");
            self.left(&item.place, key, text);
            return None;
        }
        let path = tidy(&item.place.source.folder.join(source)).display().to_string();
        if !Path::new(source).is_absolute() {
            let text = format!("`{source}` is `{path}` here, which has to be there on the node; else use a volume");
            self.note(&item.place, key, text);
        }
        Some(path)
    }

    fn tmpfs(&mut self, place: &Place, target: &str, size: Option<String>) {
        if size.is_none() {
            self.note(
                place,
                "tmpfs",
                format!("`{target}` may grow to {TMPFS} here, and as far as memory goes in Docker"),
            );
        }
        let size = size.unwrap_or_else(|| TMPFS.to_owned());
        self.mount(place, target, json!({ "tmpfs": size }));
    }

    /// The file of a config or a secret, mounted from the node, as Docker Compose does.
    fn file(&mut self, kind: &str, folder: &str, item: &Node) {
        let Some(source) = item.get("source").unwrap_or(item).text() else {
            return self.left(&item.place, kind, "expected a name");
        };
        let project = self.fleet.project;
        let declared = if kind == "configs" { &project.configs } else { &project.secrets };
        let Some(declared) = declared.iter().find(|it| it.key == source) else {
            return self.left(&item.place, kind, format!("`{source}` is not among the file's `{kind}`: not mounted"));
        };
        let target = item.get("target").and_then(Node::text).unwrap_or(source);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("{folder}{target}") };
        let Some(file) = declared.node.get("file") else {
            let text = format!("`{source}` is no file: put it into a file of the node, and mount that at {target}");
            return self.left(&item.place, kind, text);
        };
        let Some(path) = self.text(kind, file) else { return };
        for key in ["uid", "gid", "mode"].iter().filter_map(|key| item.entry(key)) {
            let text = format!("it keeps the owner and the mode of the node's file: set `{}` there", key.key);
            self.left(&key.place, &format!("{kind}.{}", key.key), text);
        }
        if let Some(host) = self.resolved(file, kind, &path) {
            self.mount(&item.place, &target, json!({ "host": host, "read_only": true }));
        }
    }
}

/// Tells what the declarations of volumes, configs and secrets say that is not carried.
pub(super) fn declared(fleet: &mut Fleet<'_>, report: &mut Report) {
    for volume in &fleet.project.volumes {
        let Some(name) = fleet.volumes.get(&volume.key) else { continue };
        let key = format!("volumes.{}", volume.key);
        if !fleet.files.contains_key(&format!("volumes/{name}.json")) {
            continue;
        }
        let called = if *name == volume.key { String::new() } else { format!("`{name}` here, ") };
        let external = volume.node.get("external").is_some_and(|it| it.truth() != Some(false));
        let own = volume.node.get("name").and_then(Node::text).map(str::to_owned);
        if external {
            let theirs = own.unwrap_or_else(|| volume.key.clone());
            report.left(
                &volume.place,
                key,
                format!("it is {called}new and empty: copy the data of `{theirs}` into it"),
            );
            continue;
        }
        let theirs = own.unwrap_or_else(|| format!("{}_{}", fleet.project.name, volume.key));
        let text = format!("it is {called}new and empty: what is in Docker's `{theirs}` stays there");
        report.note(&volume.place, &*key, text);
        unknown(volume, &key, &["external", "name", "labels"], report);
    }
    for (kind, declared) in [("configs", &fleet.project.configs), ("secrets", &fleet.project.secrets)] {
        for entry in declared {
            unknown(
                entry,
                &format!("{kind}.{}", entry.key),
                &["file", "content", "environment", "external", "name"],
                report,
            );
        }
    }
}

fn unknown(declared: &Entry, key: &str, known: &[&str], report: &mut Report) {
    for entry in declared.node.entries().iter().filter(|it| !known.contains(&it.key.as_str())) {
        if entry.key.starts_with("x-") || entry.key == "driver" && entry.node.text() == Some("local") {
            continue;
        }
        let text = match entry.key.as_str() {
            "driver" | "driver_opts" => "only Docker's own volumes are made: mount it on the node, and use that path",
            _ => "not carried",
        };
        report.left(&entry.place, format!("{key}.{}", entry.key), text);
    }
}
