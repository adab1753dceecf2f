//! Check and plan of a tree of descriptors, in this process and on one thread; ten times as many should take ten times as
//! long.

use std::hint::black_box;

use anyhow::{Context, ensure};
use schemas::check::{Content, EntryKind, TreeFile, check};
use schemas::fleet::Fleet;
use schemas::plan::{describe, plan};
use schemas::spec::DigestKey;
use serde_json::json;

use crate::rows::milliseconds;
use crate::table::{Line, Table};

/// How many times as many the longer tree has.
const TIMES: usize = 10;

/// `size` descriptors and ten times as many.
pub fn grow(size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let (short, long) = (tree(size), tree(size * TIMES));
    let what = format!("check and plan of {} descriptors, on one core", size * TIMES);
    let mut line =
        Line::new(what, &format!("the same of {size}"), "ms", "check", "at most 12×; 1,000 in at most 100 ms");
    for pair in 0..pairs {
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = milliseconds(|| look(&long))?;
            } else {
                theirs = milliseconds(|| look(&short))?;
            }
        }
        line.add(ours, theirs);
    }
    table.lines.push(line);
    Ok(())
}

/// Checks and plans it, as a push that makes the fleet does.
fn look(tree: &[(String, String)]) -> anyhow::Result<()> {
    let files = tree.iter().map(|(path, text)| TreeFile {
        path,
        kind: EntryKind::File,
        content: Content::Bytes(text.as_bytes()),
    });
    let checked = check(files).map_err(|it| anyhow::anyhow!("{}", schemas::check::report(&it.faults)))?;
    let fleet = Fleet::new("acme/shop".parse()?);
    let plan = plan(&fleet, &checked.desired, &DigestKey::derive(&[7; 32])).context("no plan")?;
    ensure!(plan.steps.len() == checked.desired.containers.len(), "every container is made");
    black_box(describe(&plan));
    Ok(())
}

/// One group of variables, and containers that refer to it, to each other and need each other.
fn tree(descriptors: usize) -> Vec<(String, String)> {
    let containers = descriptors.saturating_sub(1).max(1);
    let variables = json!({ "region": "eu-1", "zone": "{{ variables.app.region }}-a" });
    let mut files = vec![("variables/app.json".to_owned(), variables.to_string())];
    files.extend((0..containers).map(|index| {
        let mut container = json!({
            "image": "demo/tool:1",
            "command": ["sh", "-c", "exec httpd -f"],
            "env": { "ZONE": "{{ variables.app.zone }}", "SELF": format!("number {index}") },
            "ports": [format!("127.0.0.1:{}:80", 1_024 + index)],
            "restart": "unless-stopped",
            "limits": { "memory": "64MiB", "cpus": 0.5 },
        });
        // In tens, so that no chain gets longer as there are more.
        if index % 10 > 0 {
            let before = format!("c{:05}", index - 1);
            container["needs"] = json!([before]);
            container["env"]["PEER"] = json!(format!("{{{{ containers.{before}.host }}}}"));
        }
        (format!("containers/c{index:05}.json"), format!("{container:#}\n"))
    }));
    files
}
