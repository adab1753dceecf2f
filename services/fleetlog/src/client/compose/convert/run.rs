//! What runs: image, command, its end and its start again, and what has to be there before.

use serde_json::{Value as Json, json};

use super::super::short;
use super::super::yaml::{Entry, Node, Value};
use super::Carrier;

impl Carrier<'_, '_> {
    pub(super) fn image(&mut self) {
        let image = self.service.node.entry("image").filter(|it| !it.node.is_null());
        let build = self.service.node.entry("build").filter(|it| !it.node.is_null());
        let said = image.and_then(|it| self.text("image", &it.node));
        let image = match (&said, build) {
            (Some(image), _) => image.clone(),
            (None, Some(_)) => format!("{}-{}:1", self.fleet.project.name, self.name),
            (None, None) => {
                self.left(
                    &self.service.place.clone(),
                    "",
                    "neither `image` nor `build`: write an `image` into its file",
                );
                return;
            }
        };
        if let Some(build) = build {
            let context = build.node.get("context").unwrap_or(&build.node).text().unwrap_or(".").to_owned();
            let file = build.node.get("dockerfile").and_then(Node::text);
            let file = file.map(|it| format!(" -f {}", context_file(&context, it))).unwrap_or_default();
            let text = format!(
                "images are not built here: `docker build -t {image}{file} {context}` on the node, or push it to a \
                 registry and name it in `image`"
            );
            self.left(&build.place, "build", text);
        }
        self.set("image", image);
    }

    /// A command as an argv array.
    pub(super) fn argv(&mut self, entry: &Entry) {
        let key = if entry.key == "command" { "command" } else { "entrypoint" };
        let words = match &entry.node.value {
            Value::Text(text) => match short::words(text) {
                Ok(words) => words,
                Err(error) => return self.left(&entry.node.place, key, format!("{error}: write it as a list")),
            },
            Value::List(_) => self.texts(key, &entry.node),
            _ => return self.left(&entry.node.place, key, "expected a text or a list"),
        };
        if words.is_empty() && key == "command" {
            // Docker takes the image's own then, too.
            return;
        }
        self.set(key, words);
    }

    pub(super) fn restart(&mut self, entry: &Entry) {
        let Some(text) = self.text("restart", &entry.node) else { return };
        let word = match text.as_str() {
            "no" | "false" | "" => "no",
            "always" | "unless-stopped" => return self.set("restart", text),
            _ if text.split(':').next() == Some("on-failure") => {
                if text.contains(':') {
                    let text = format!("`{text}` counts how often; here it is tried again without end");
                    self.note(&entry.node.place, "restart", text);
                }
                "on-failure"
            }
            _ => {
                let text = format!("`{text}` is none of no, on-failure, unless-stopped, always: not started again");
                return self.left(&entry.node.place, "restart", text);
            }
        };
        self.set("restart", word);
    }

    pub(super) fn stop(&mut self, entry: &Entry) {
        let Some(text) = self.text(&entry.key, &entry.node) else { return };
        if entry.key == "stop_signal" {
            if text.starts_with(|c: char| c.is_ascii_digit()) {
                return self.left(
                    &entry.node.place,
                    "stop_signal",
                    "a number: write the signal's name into `stop.signal`",
                );
            }
            return self.set_in("stop", "signal", text);
        }
        match short::span(&text) {
            Some(span) => self.set_in("stop", "grace", span.to_string()),
            None => self.left(&entry.node.place, "stop_grace_period", "expected a duration such as 30s"),
        }
    }

    pub(super) fn needs(&mut self, entry: &Entry) {
        for needed in entry.node.entries() {
            let place = &needed.place;
            let key = format!("depends_on.{}", needed.key);
            let Some(name) = self.fleet.names.get(&needed.key).cloned() else {
                if needed.node.get("required").and_then(Node::truth) != Some(false) {
                    self.left(place, &key, "that service is not carried: it is not waited for");
                }
                continue;
            };
            let condition = match needed.node.get("condition").and_then(Node::text) {
                None | Some("service_started") => "started",
                Some("service_healthy") => "healthy",
                Some("service_completed_successfully") => "completed",
                Some(other) => {
                    self.left(
                        place,
                        &key,
                        format!("unknown condition `{other}`: it is waited for until it is started"),
                    );
                    "started"
                }
            };
            match needed.node.get("restart").and_then(Node::truth) {
                Some(true) => {
                    self.set_in("needs", &name, json!({ "condition": condition, "restart_with": true }));
                }
                _ => self.set_in("needs", &name, condition),
            }
        }
    }

    pub(super) fn scale(&mut self, node: &Node, key: &str) {
        match node.text().and_then(|it| it.parse::<u32>().ok()) {
            Some(1) => {}
            Some(0) => self.left(&node.place, key, "none is wanted, and one runs here: remove its file to have none"),
            Some(n) => {
                self.left(
                    &node.place,
                    key,
                    format!("one runs here, not {n}: write further descriptors for further ones"),
                );
            }
            None => self.left(&node.place, key, "expected a number"),
        }
    }

    pub(super) fn logging(&mut self, entry: &Entry) {
        let driver = entry.node.get("driver").and_then(Node::text).unwrap_or("json-file").to_owned();
        let mut log = json!({ "driver": driver });
        for option in entry.node.get("options").map(Node::entries).unwrap_or_default() {
            let text = option.node.text().unwrap_or_default();
            let files = matches!(driver.as_str(), "json-file" | "local");
            match (option.key.as_str(), files) {
                ("max-size", true) if short::size(text).is_some() => {
                    log["max_size"] = short::size(text).map(|it| it.to_string()).into();
                }
                ("max-file", true) if text.parse::<u32>().is_ok() => {
                    log["max_files"] = text.parse::<u32>().ok().into();
                }
                (key, _) => log["options"][key] = Json::from(text),
            }
        }
        for other in entry.node.entries().iter().filter(|it| it.key != "driver" && it.key != "options") {
            self.left(&other.place, &format!("logging.{}", other.key), "unknown key: not carried");
        }
        if driver == "none" {
            self.note(&entry.place, "logging", "with the driver `none` nothing of it is found in `fleetlog logs`");
        }
        self.set("log", log);
    }
}

/// A Dockerfile inside its build's folder.
fn context_file(context: &str, file: &str) -> String {
    if file.starts_with('/') { file.to_owned() } else { format!("{}/{file}", context.trim_end_matches('/')) }
}
