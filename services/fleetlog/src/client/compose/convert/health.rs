//! Health checks.

use serde_json::json;

use super::super::short;
use super::super::yaml::{Entry, Node, Value};
use super::Carrier;
use schemas::units::Span;

/// What Docker takes where the file does not say.
const DOCKER: Span = Span::seconds(30);
const RETRIES: u32 = 3;

impl Carrier<'_, '_> {
    pub(super) fn health(&mut self, entry: &Entry) {
        let check = &entry.node;
        if check.get("disable").and_then(Node::truth) == Some(true) {
            return self.set("health", "none");
        }
        let Some(test) = check.get("test") else {
            return self.left(&entry.place, "healthcheck", "without `test`: the image's own check keeps its own times");
        };
        let command = match &test.value {
            Value::Text(text) => shell(text),
            _ => {
                let words = self.texts("healthcheck.test", test);
                match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
                    Some(("NONE", _)) => return self.set("health", "none"),
                    Some(("CMD", rest)) if !rest.is_empty() => rest.to_vec(),
                    Some(("CMD-SHELL", [text])) => shell(text),
                    _ => {
                        let text = "expected a text, or a list that begins with CMD, CMD-SHELL or NONE";
                        return self.left(&test.place, "healthcheck.test", text);
                    }
                }
            }
        };
        let interval = self.span(check, "interval").filter(|it| it.0 > 0).unwrap_or(DOCKER);
        let timeout = self.span(check, "timeout").filter(|it| it.0 > 0).unwrap_or(DOCKER);
        let start = self.span(check, "start_period").filter(|it| it.0 > 0);
        let retries = check.get("retries").and_then(Node::text).and_then(|it| it.parse::<u32>().ok());
        let retries = retries.filter(|it| (1..=100).contains(it)).unwrap_or(RETRIES);
        // Docker calls it unhealthy after that long at the earliest; until then a rollout waits.
        let patience = start.unwrap_or(Span(0)).0 + u64::from(retries) * (interval.0 + timeout.0);
        let within = Span(patience.max(60_000));
        let mut health = json!({
            "command": command,
            "interval": interval.to_string(),
            "timeout": timeout.to_string(),
            "within": within.to_string(),
            "retries": retries,
        });
        if let Some(start) = start {
            health["start_period"] = start.to_string().into();
        }
        for other in check.entries() {
            match other.key.as_str() {
                "test" | "disable" | "interval" | "timeout" | "start_period" | "retries" => {}
                key if key.starts_with("x-") => {}
                "start_interval" => {
                    self.left(&other.place, "healthcheck.start_interval", "not carried: `interval` holds")
                }
                key => self.left(&other.place, &format!("healthcheck.{key}"), "unknown key: not carried"),
            }
        }
        self.set("health", health);
    }

    fn span(&mut self, check: &Node, key: &str) -> Option<Span> {
        let node = check.get(key)?;
        let span = node.text().and_then(short::span);
        if span.is_none() {
            self.left(
                &node.place,
                &format!("healthcheck.{key}"),
                "expected a duration such as 30s: Docker's default holds",
            );
        }
        span
    }
}

fn shell(text: &str) -> Vec<String> {
    ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
}
