//! Every query of the dashboards that we ship, as Grafana would send it.

use std::fs;

use serde_json::Value;
use tests::root;

/// A query of a dashboard.
#[derive(Debug)]
pub struct Query {
    /// Dashboard and panel, for people.
    pub from: String,
    /// As it is written there.
    pub written: String,
    /// With every variable filled in.
    pub filled: String,
}

/// All of them, those of the variables included.
pub fn queries() -> Vec<Query> {
    let mut found = Vec::new();
    let folder = root().join("ops/grafana/dashboards");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let before = found.len();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let written = target["expr"].as_str().expect("every target is a query").to_owned();
                let from = format!("{name}: {}", panel["title"].as_str().unwrap());
                found.push(Query { from, filled: fill(&written), written });
            }
        }
        assert!(found.len() > before, "{name} holds no query");
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                let written = variable["query"]["query"].as_str().unwrap().to_owned();
                // `label_values(selector, label)`: there have to be series that carry the label.
                let inside = written.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')')).unwrap();
                let (selector, label) = inside.rsplit_once(", ").unwrap();
                let filled = format!("count by ({label}) ({})", fill(selector));
                found.push(Query { from: format!("{name}: ${}", variable["name"].as_str().unwrap()), filled, written });
            }
        }
    }
    found
}

/// Everything of everybody, over a minute.
fn fill(query: &str) -> String {
    let filled = query.replace("$__rate_interval", "1m");
    let filled = ["$owner", "$fleet", "$container", "$node"].iter().fold(filled, |it, name| it.replace(name, ".*"));
    assert!(!filled.contains('$'), "a variable that nobody fills in: {query}");
    filled
}
