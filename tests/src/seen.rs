//! The log as `GET /v1/events` shows it.

use std::fmt;

use schemas::event::Shown;
use serde_json::Value;
use uuid::Uuid;

use crate::Platform;

/// Events, oldest first.
#[derive(Debug, Clone)]
pub struct Events(pub Vec<Shown>);

impl Platform {
    /// The whole log.
    #[track_caller]
    pub fn events(&self) -> Events {
        let mut all: Vec<Shown> = Vec::new();
        loop {
            let after = all.last().map_or(0, |it| it.position);
            let (status, page) = self.get(&format!("/v1/events?after={after}&limit=1000"));
            assert_eq!(status, 200, "{page:#}");
            let more = page["next"] != Value::Null;
            let events: Vec<Shown> = serde_json::from_value(page["events"].clone()).expect("events are as §5 says");
            let empty = events.is_empty();
            all.extend(events);
            if !more || empty {
                return Events(all);
            }
        }
    }
}

impl Events {
    /// Only one fleet's.
    pub fn of_fleet(&self, id: &str) -> Self {
        let source = format!("/v1/fleets/{id}");
        Self(self.0.iter().filter(|it| it.source == source).cloned().collect())
    }

    /// Only one type's, such as `git.pushed`.
    pub fn of_type(&self, kind: &str) -> Vec<&Shown> {
        let kind = format!("fleetlog.{kind}.v1");
        self.0.iter().filter(|it| it.kind == kind).collect()
    }

    /// The only event of a type.
    #[track_caller]
    pub fn only(&self, kind: &str) -> &Shown {
        let found = self.of_type(kind);
        assert_eq!(found.len(), 1, "one {kind} is expected in:\n{self}");
        found[0]
    }

    /// The newest event of a type.
    #[track_caller]
    pub fn newest(&self, kind: &str) -> &Shown {
        self.of_type(kind).last().unwrap_or_else(|| panic!("no {kind} in:\n{self}"))
    }

    /// The event with this id.
    pub fn by_id(&self, id: Option<Uuid>) -> Option<&Shown> {
        self.0.iter().find(|it| Some(it.id) == id)
    }

    /// The last event of the newest rollout of `commit`, once there is one.
    pub fn end_of_rollout(&self, commit: &str) -> Option<Shown> {
        let planned = self.of_type("rollout.planned").into_iter().rfind(|it| it.data["commit"] == commit)?;
        let id = planned.id.to_string();
        ["succeeded", "failed", "superseded"]
            .iter()
            .flat_map(|end| self.of_type(&format!("rollout.{end}")))
            .find(|it| it.data["rollout"] == id.as_str())
            .cloned()
    }

    /// The newest rollout's plan: container and action of each step.
    #[track_caller]
    pub fn newest_plan(&self) -> Vec<(String, String)> {
        let steps = self.newest("rollout.planned").data["steps"].as_array().cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        steps.iter().map(|step| (word(&step["container"]), word(&step["action"]))).collect()
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for it in &self.0 {
            writeln!(f, "{:>5} {} {} {}", it.position, it.kind, it.subject, it.data)?;
        }
        Ok(())
    }
}
