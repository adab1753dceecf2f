//! Check and plan of a large tree take as long as it is large: ten times as much takes about ten times as long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

use std::time::{Duration, Instant};

use schemas::check::{Content, EntryKind, TreeFile, check, report};
use schemas::fleet::Fleet;
use schemas::plan::plan;
use schemas::spec::DigestKey;
use serde_json::{Value, json};

/// Descriptors of the shorter tree. The longer one has ten times as many.
const SHORT: usize = 100;
/// What is still taken for "in proportion" on a machine that does other things as well; the square of ten it is not.
const AT_MOST: f64 = 30.0;

type Shape = fn(usize) -> Vec<(String, Value)>;

/// Trees that grow in one way each.
const SHAPES: [(&str, Shape); 5] =
    [("chains", chains), ("star", star), ("one line", one_line), ("variables", variables), ("faults", faults)];

fn container(index: usize) -> Value {
    json!({ "image": "demo/tool:1", "ports": [format!("127.0.0.1:{}:80", 1_024 + index)], "env": { "N": index.to_string() } })
}

fn name(index: usize) -> String {
    format!("containers/c{index:05}.json")
}

/// Containers in tens, each of which needs the one before and refers to it.
fn chains(size: usize) -> Vec<(String, Value)> {
    let of = |index: usize| {
        let mut it = container(index);
        if !index.is_multiple_of(10) {
            let before = format!("c{:05}", index - 1);
            it["env"]["PEER"] =
                json!(format!("{{{{ containers.{before}.host }}}}:{{{{ containers.{before}.ports.80 }}}}"));
            it["needs"] = json!([before]);
        }
        (name(index), it)
    };
    (0..size).map(of).collect()
}

/// All refer to the same one.
fn star(size: usize) -> Vec<(String, Value)> {
    let of = |index: usize| {
        let mut it = container(index);
        if index > 0 {
            it["env"]["PEER"] = json!("{{ containers.c00000.host }}:{{ containers.c00000.ports.80 }}");
            it["needs"] = json!(["c00000"]);
        }
        (name(index), it)
    };
    (0..size).map(of).collect()
}

/// Each needs the one before, to the end.
fn one_line(size: usize) -> Vec<(String, Value)> {
    let of = |index: usize| {
        let mut it = container(index);
        if index > 0 {
            it["needs"] = json!([format!("c{:05}", index - 1)]);
        }
        (name(index), it)
    };
    (0..size).map(of).collect()
}

/// One group of many variables; each container refers to one of them, and each of them to another one.
fn variables(size: usize) -> Vec<(String, Value)> {
    let mut group = serde_json::Map::new();
    for index in 0..size {
        let text =
            if !index.is_multiple_of(10) { format!("{{{{ variables.app.k{} }}}}", index - 1) } else { "x".to_owned() };
        group.insert(format!("k{index}"), json!(text));
    }
    let mut files = vec![("variables/app.json".to_owned(), Value::Object(group))];
    files.extend((0..size).map(|index| {
        let mut it = container(index);
        it["env"]["KEY"] = json!(format!("{{{{ variables.app.k{index} }}}}"));
        (name(index), it)
    }));
    files
}

/// Each has faults of several kinds, also with the others.
fn faults(size: usize) -> Vec<(String, Value)> {
    let of = |index: usize| {
        let mut it = container(index);
        it["ports"] = json!(["127.0.0.1:8080:80"]);
        it["needs"] = json!([format!("d{index:05}")]);
        it["env"]["KEY"] = json!("{{ variables.app.nothing }}");
        it["comand"] = json!([]);
        (name(index), it)
    };
    (0..size).map(of).collect()
}

/// The shorter of two looks at a tree of this shape and size.
fn look(shape: Shape, size: usize) -> Duration {
    let tree: Vec<(String, String)> = shape(size).into_iter().map(|(path, it)| (path, it.to_string())).collect();
    let once = || {
        let begun = Instant::now();
        let files = tree.iter().map(|(path, text)| TreeFile {
            path,
            kind: EntryKind::File,
            content: Content::Bytes(text.as_bytes()),
        });
        match check(files) {
            Ok(checked) => {
                let fleet = Fleet::new("acme/shop".parse().unwrap());
                let plan = plan(&fleet, &checked.desired, &DigestKey::derive(&[7; 32])).unwrap();
                assert_eq!(plan.steps.len(), size);
            }
            Err(broken) => assert!(report(&broken.faults).len() > size),
        }
        begun.elapsed()
    };
    (0..2).map(|_| once()).min().unwrap()
}

#[test]
fn ten_times_as_much_takes_about_ten_times_as_long() {
    let mut slow = Vec::new();
    for (name, shape) in SHAPES {
        let (short, long) = (look(shape, SHORT), look(shape, SHORT * 10));
        let times = long.as_secs_f64() / short.as_secs_f64();
        eprintln!("{name}: {SHORT} in {short:?}, {} in {long:?}: {times:.1}×", SHORT * 10);
        if times > AT_MOST {
            slow.push(format!("{name}: {times:.1}×"));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}
