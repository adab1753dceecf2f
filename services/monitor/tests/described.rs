//! What any service counts is described: a figure without help is one that `promtool` objects to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every name that stands in a macro of the facade, under `folder`.
fn counted(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            counted(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for part in text.split("metrics::").skip(1) {
                let is_macro = ["counter!(", "gauge!(", "histogram!("].iter().find_map(|it| part.strip_prefix(it));
                let name =
                    is_macro.and_then(|it| it.trim_start().strip_prefix('"')).and_then(|it| it.split('"').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_figure_is_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = BTreeSet::new();
    ["services", "streams"].iter().for_each(|it| counted(&root.join(it), &mut names));
    assert!(names.contains("fleetlog_events_appended_total"), "does the search see them? {names:?}");
    let described = fs::read_to_string(root.join("services/monitor/src/figures.rs")).unwrap();
    let silent: Vec<_> = names.iter().filter(|it| !described.contains(&format!("\"{it}\""))).collect();
    assert!(silent.is_empty(), "not in the table of services/monitor/src/figures.rs: {silent:?}");
}
