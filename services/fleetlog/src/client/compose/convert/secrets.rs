//! Takes out what looks like a secret anywhere else than in the environment.

use serde_json::Value as Json;

use super::Carrier;
use schemas::check::likely_secret;

impl Carrier<'_, '_> {
    pub(super) fn hide_secrets(&mut self) {
        let service = self.service;
        let keys: Vec<&'static str> = self.out.0.keys().copied().filter(|it| *it != "env").collect();
        for key in keys {
            let written = match key {
                "health" => "healthcheck",
                key => key,
            };
            let Some(value) = self.out.0.get_mut(key) else { continue };
            // Of labels each for itself, of everything else the whole: half a command is another command.
            let found: Vec<String> = match value {
                Json::Object(members) if key == "labels" => {
                    let secret = members.iter().filter_map(|(name, it)| Some((name.clone(), of(it)?)));
                    let secret: Vec<_> = secret.collect();
                    secret.iter().for_each(|(name, _)| drop(members.remove(name)));
                    secret.into_iter().map(|(name, what)| format!("{name}: it {what}")).collect()
                }
                value => of(value).map(|what| format!("it {what}")).into_iter().collect(),
            };
            if !found.is_empty() && key != "labels" {
                self.out.0.remove(key);
            }
            let place = service.node.entry(written).map_or(&service.place, |it| &it.place);
            for what in found {
                let text = format!(
                    "left out, {what}: no secret belongs into a fleet's files. Let the container read it from a file"
                );
                self.left(place, written, text);
            }
        }
    }
}

fn of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => likely_secret("", text),
        Json::Array(items) => items.iter().find_map(of),
        Json::Object(members) => members.values().find_map(of),
        _ => None,
    }
}
