//! Every key of a container, with the example that the README gives for it.

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever, plain, with};
use tests::{Fleet, Platform, docker, free_port, root};

/// The keys of the README's table with their examples.
fn keys() -> Vec<(String, Value)> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split_once("| key of a container |").unwrap().1.split_once("\n\n").unwrap().0;
    let mut keys = Vec::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let row = row.replace("\\|", "\u{1}");
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [names, _, examples] = cells.as_slice() else { panic!("{row}") };
        let (names, examples) = (quoted(names), quoted(examples));
        assert!(examples.len() == names.len() || examples.len() == 1, "an example for each key: {row}");
        keys.extend(names.iter().enumerate().map(|(index, name)| {
            let example = examples.get(index).unwrap_or(&examples[0]);
            let value = serde_json::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
            (name.clone(), value)
        }));
    }
    keys
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A container that has the key, and what goes with it.
fn container(key: &str, example: Value) -> Value {
    let base = match key {
        "entrypoint" => json!({ "image": IMAGE, "command": [forever(":")[2]] }),
        "health" => json!({ "image": IMAGE, "command": forever("touch /up") }),
        "drain" => with(plain(), "update", json!("start-first")),
        _ => plain(),
    };
    with(base, key, example)
}

fn write_all(shop: &Fleet<'_>) {
    shop.write("variables/app.json", json!({ "region": "eu-1" }));
    shop.write("volumes/data.json", json!({}));
    shop.write("containers/db.json", plain());
    shop.write_text("files/app/app.conf", "region = {{ variables.app.region }}\n");
    let [one, range] = [free_port(), free_port()];
    for (key, example) in keys() {
        // Not every machine that tests run on lets Docker give a container everything: the engine's tests make one.
        if key == "privileged" {
            continue;
        }
        let example = match key.as_str() {
            // Free ones on this machine.
            "ports" => json!([format!("127.0.0.1:{one}:80"), format!("{range}-{}:9000-9001/udp", range + 1)]),
            _ => example,
        };
        shop.write(&format!("containers/{}.json", key.replace('_', "-")), container(&key, example));
    }
}

#[test]
fn each_key_of_the_readme_is_pushed_and_the_second_plan_is_empty() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    write_all(&shop);
    let commit = shop.commit("everything");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    let before = shop.fingerprint();

    shop.write_text("notes.txt", "nothing that runs\n").commit("notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
    platform.restart();
    shop.write_text("notes.txt", "once more\n").commit("more notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
    assert_eq!(shop.fingerprint(), before);

    // What Docker shows is what was asked for.
    let shown = |name: &str, pointer: &str| shop.container(name).pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(shown("user", "/Config/User"), "1000:1000");
    assert_eq!(shown("labels", "/Config/Labels/org.example.role"), "front");
    assert_eq!(shown("log", "/HostConfig/LogConfig/Type"), "local");
    assert_eq!(shown("read-only", "/HostConfig/ReadonlyRootfs"), true);
    let db = shop.container("db")["Id"].as_str().unwrap().to_owned();
    assert_eq!(shown("network", "/HostConfig/NetworkMode"), format!("container:{db}"));
    let conf = docker::docker(&["exec", &shop.name_of("files"), "cat", "/etc/app/app.conf"]).ok();
    assert_eq!(conf, "region = eu-1");
    let mounts = shown("volumes", "/HostConfig/Mounts");
    assert_eq!(mounts.as_array().map(Vec::len), Some(4), "{mounts:#}");

    // Limits change while it runs.
    let (key, example) = keys().into_iter().find(|(key, _)| key == "limits").unwrap();
    let id = shown("limits", "/Id");
    shop.write("containers/limits.json", container(&key, with(example, "memory", json!("96MiB"))));
    shop.commit("more memory");
    shop.push(&[]).ok().says(&["1 to update", "limits.memory: \"64MiB\" → \"96MiB\"", "nothing that runs is stopped"]);
    assert_eq!((shown("limits", "/Id"), shown("limits", "/HostConfig/Memory")), (id, json!(96 << 20)));
}
