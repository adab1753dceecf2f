//! Keys that a descriptor has under the same or a similar name.

use serde_json::{Value as Json, json};

use super::super::short;
use super::super::yaml::{Entry, Node};
use super::Carrier;

impl Carrier<'_, '_> {
    /// Carries the key; false: it is none of them.
    pub(super) fn option(&mut self, entry: &Entry) -> bool {
        let (key, node) = (entry.key.as_str(), &entry.node);
        match key {
            "user" => self.word("user", node),
            "working_dir" => self.word("working_dir", node),
            "hostname" => self.word("hostname", node),
            "platform" => self.word("platform", node),
            "group_add" => self.list("group_add", node),
            "dns" => self.list("dns", node),
            "dns_search" => self.list("dns_search", node),
            "privileged" => self.switch("privileged", node),
            "read_only" => self.switch("read_only", node),
            "init" => self.switch("init", node),
            "tty" => self.switch("tty", node),
            "cap_add" => self.capabilities("add", key, node),
            "cap_drop" => self.capabilities("drop", key, node),
            "labels" => self.labels(node),
            "extra_hosts" => self.extra_hosts(node),
            "sysctls" => self.sysctls(node),
            "ulimits" => self.ulimits(node),
            "devices" => self.devices(node),
            "security_opt" => self.security_opt(node),
            "shm_size" => match node.text().and_then(short::size) {
                Some(size) => self.set("shm_size", size.to_string()),
                None => self.left(&node.place, key, "expected a size such as 128m"),
            },
            "pid" | "ipc" => self.shared(entry),
            _ => return false,
        }
        true
    }

    fn word(&mut self, key: &'static str, node: &Node) {
        if let Some(text) = self.text(key, node).filter(|it| !it.is_empty()) {
            self.set(key, text);
        }
    }

    fn list(&mut self, key: &'static str, node: &Node) {
        let texts = self.texts(key, node);
        if !texts.is_empty() {
            self.set(key, texts);
        }
    }

    fn switch(&mut self, key: &'static str, node: &Node) {
        match node.truth() {
            Some(true) => self.set(key, true),
            Some(false) => {}
            None => self.left(&node.place, key, "expected true or false"),
        }
    }

    fn capabilities(&mut self, inner: &str, key: &str, node: &Node) {
        let names: Vec<Json> = self.texts(key, node).iter().map(|it| it.to_ascii_uppercase().into()).collect();
        if !names.is_empty() {
            self.set_in("capabilities", inner, names);
        }
    }

    fn labels(&mut self, node: &Node) {
        for entry in node.entries() {
            let (key, value) = (&entry.key, entry.node.text().unwrap_or_default());
            if key.starts_with("fleetlog.") {
                self.left(&entry.place, &format!("labels.{key}"), "labels that begin with `fleetlog.` are ours");
            } else {
                self.set_in("labels", key, value);
            }
        }
    }

    fn extra_hosts(&mut self, node: &Node) {
        for entry in node.entries() {
            let address =
                entry.node.each().first().and_then(Node::text).map(|it| it.trim_matches(['[', ']']).to_owned());
            let Some(address) = address else {
                self.left(&entry.place, "extra_hosts", "expected a name and an address");
                continue;
            };
            if entry.node.each().len() > 1 {
                self.left(
                    &entry.place,
                    &format!("extra_hosts.{}", entry.key),
                    format!("only {address}: one address a name"),
                );
            }
            self.set_in("extra_hosts", &entry.key, address);
        }
    }

    fn sysctls(&mut self, node: &Node) {
        for entry in node.entries() {
            if let Some(value) = self.text(&format!("sysctls.{}", entry.key), &entry.node) {
                self.set_in("sysctls", &entry.key, value);
            }
        }
    }

    fn ulimits(&mut self, node: &Node) {
        for entry in node.entries() {
            let number = |node: &Node| node.text().and_then(|it| it.parse::<i64>().ok());
            let each = (entry.node.get("soft").and_then(number), entry.node.get("hard").and_then(number));
            match (number(&entry.node), each) {
                (Some(both), _) => self.set_in("ulimits", &entry.key, both),
                (None, (Some(soft), Some(hard))) => {
                    self.set_in("ulimits", &entry.key, json!({ "soft": soft, "hard": hard }));
                }
                _ => self.left(
                    &entry.place,
                    &format!("ulimits.{}", entry.key),
                    "expected a number, or `soft` and `hard`",
                ),
            }
        }
    }

    fn devices(&mut self, node: &Node) {
        let mut devices = Vec::new();
        for item in node.each() {
            let part = |key| item.get(key).and_then(Node::text);
            let long = part("source").map(|source| {
                let parts = [Some(source), part("target"), part("permissions")];
                parts.into_iter().flatten().collect::<Vec<_>>().join(":")
            });
            match item.text().map(str::to_owned).or(long) {
                Some(text) if text.starts_with("/dev/") => devices.push(text),
                _ => self.left(&item.place, "devices", "expected /dev/on-node[:/dev/inside[:rwm]]: not carried"),
            }
        }
        if !devices.is_empty() {
            self.set("devices", devices);
        }
    }

    fn security_opt(&mut self, node: &Node) {
        let mut options = Vec::new();
        for item in node.each() {
            let Some(text) = self.text("security_opt", item) else { continue };
            let profile = text.strip_prefix("seccomp:").or_else(|| text.strip_prefix("seccomp="));
            if profile.is_some_and(|it| it != "unconfined") {
                self.left(&item.place, "security_opt", "a seccomp profile of a file: Docker's own one holds");
            } else {
                // `:` is the old way to write `=`.
                options.push(if text.contains('=') { text } else { text.replacen(':', "=", 1) });
            }
        }
        if !options.is_empty() {
            self.set("security_opt", options);
        }
    }

    /// `pid` and `ipc`
    fn shared(&mut self, entry: &Entry) {
        let Some(text) = self.text(&entry.key, &entry.node) else { return };
        match (entry.key.as_str(), text.as_str()) {
            ("pid", "host") => self.set("pid", text),
            ("ipc", "none" | "private" | "shareable" | "host") => self.set("ipc", text),
            (key, _) => self.left(&entry.node.place, key, format!("`{text}` is not carried: it has its own")),
        }
    }
}
