//! The environment, with what files of `env_file` say below it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::yaml::Entry;
use super::Carrier;
use schemas::check::likely_secret;

impl Carrier<'_, '_> {
    pub(super) fn environment(&mut self) {
        let mut env: BTreeMap<String, &Entry> = BTreeMap::new();
        let service = self.service;
        for key in ["env_file", "environment"] {
            let Some(node) = service.node.get(key).filter(|it| !it.is_null()) else { continue };
            if node.entries().is_empty() && !node.items().is_empty() {
                self.left(&node.place, key, "expected a map, or a list of NAME=value");
            }
            env.extend(node.entries().iter().map(|it| (it.key.clone(), it)));
        }
        for (name, entry) in env {
            let key = format!("environment.{name}");
            let Some(value) = entry.node.text() else {
                let text = format!("it has no value but the machine's own: write one, or say --env {name}");
                self.left(&entry.place, &key, text);
                continue;
            };
            let written = match (likely_secret(&name, value), self.fleet.choices.allowed.get(&name)) {
                (None, _) => Json::from(value),
                (Some(_), Some(why)) => json!({ "value": value, "$allow": why }),
                (Some(what), None) => {
                    let text = format!(
                        "left out, it {what}: no secret belongs into a fleet's files. Let the container read it from a \
                         file ({name}_FILE, where the image knows it); if it is none: --allow-secret '{name}=why'"
                    );
                    self.left(&entry.place, &key, text);
                    self.report.secrets.push((self.name.to_owned(), name));
                    continue;
                }
            };
            self.set_in("env", &name, written);
        }
    }
}
