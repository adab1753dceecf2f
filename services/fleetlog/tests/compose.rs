//! `fleetlog import compose`: stacks as people have them, each imported, said and checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use expect_test::expect_file;
use serde_json::Value;
use support::{Folder, bare, code, err, out};

fn stacks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose")
}

fn import(stack: &Path, fleet: &Path, arguments: &[&str]) -> Output {
    let mut command = bare();
    command.args(["import", "compose"]).arg(stack).arg("--out").arg(fleet).args(arguments);
    command.env("SHELL_ONLY", "from the machine").output().unwrap()
}

/// Every file of a fleet.
fn shown(fleet: &Path) -> String {
    let mut text = String::new();
    for kind in ["containers", "volumes"] {
        let Ok(entries) = fs::read_dir(fleet.join(kind)) else { continue };
        let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(fleet).unwrap().display().to_string();
            text += &format!("== {name}\n{}", fs::read_to_string(&path).unwrap());
        }
    }
    text
}

/// Imports a stack, checks the result, and compares all of it with what is expected.
fn check(name: &str, arguments: &[&str]) {
    let (stack, folder) = (stacks().join(name), Folder::new());
    let fleet = folder.path().join("fleet");
    let imported = import(&stack, &fleet, arguments);
    assert_eq!(code(&imported), 0, "{}{}", out(&imported), err(&imported));
    let checked = bare().arg("check").arg(&fleet).output().unwrap();
    assert_eq!(code(&checked), 0, "{}", out(&checked));
    let text = format!("{}{}\n{}", err(&imported), out(&imported), shown(&fleet));
    let places =
        [(fleet.display().to_string(), "FLEET"), (stack.canonicalize().unwrap().display().to_string(), "/stack")];
    let parent = (stacks().canonicalize().unwrap().display().to_string(), "/stacks");
    let text = places.into_iter().chain([parent]).fold(text, |text, (path, word)| text.replace(&path, word));
    expect_file![stacks().join(format!("{name}.txt"))].assert_eq(&text);
}

#[test]
fn wordpress_and_mariadb() {
    check("wordpress", &["--allow-secret", "MYSQL_PASSWORD=a demonstration"]);
}

#[test]
fn nextcloud_postgres_and_redis() {
    check("nextcloud", &[]);
}

#[test]
fn gitea_with_a_database_that_is_renamed() {
    check("gitea", &[]);
}

#[test]
fn a_proxy_with_labels() {
    check("traefik", &[]);
}

#[test]
fn prometheus_and_grafana_with_anchors_and_configs() {
    check("monitoring", &[]);
}

#[test]
fn an_app_that_is_built_with_secrets_and_an_override() {
    check("app", &["--allow-secret", "DEMO_TOKEN=everybody knows it"]);
}

#[test]
fn mailhog() {
    check("mailhog", &[]);
}

#[test]
fn minio_behind_nginx_with_merge_keys() {
    check("minio", &[]);
}

#[test]
fn profiles_extends_and_include() {
    check("profiles", &["--profile", "jobs"]);
}

#[test]
fn everything_that_is_odd() {
    check("odd", &[]);
}

fn stack(folder: &Folder, text: &str) -> PathBuf {
    let stack = folder.path().join("shop");
    fs::create_dir_all(&stack).unwrap();
    fs::write(stack.join("compose.yaml"), text).unwrap();
    stack
}

#[test]
fn nothing_is_overwritten_and_a_fleet_takes_more() {
    let folder = Folder::new();
    let (stack, fleet) = (stack(&folder, "services: {web: {image: 'a:1'}}\n"), folder.path().join("fleet"));
    fs::create_dir(&fleet).unwrap();
    fs::write(fleet.join("notes.txt"), "mine").unwrap();
    let refused = import(&stack, &fleet, &[]);
    assert_eq!(code(&refused), 2, "{}", err(&refused));
    assert!(err(&refused).contains("is not empty, and no fleet"), "{}", err(&refused));
    fs::create_dir(fleet.join("containers")).unwrap();
    assert_eq!(code(&import(&stack, &fleet, &[])), 0);
    let again = import(&stack, &fleet, &[]);
    assert_eq!(code(&again), 2);
    assert!(err(&again).contains("has containers/web.json already"), "{}", err(&again));
    let names: Vec<_> = fs::read_dir(fleet.join("containers")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["web.json"]);
}

#[test]
fn nothing_of_the_machine_leaks_unless_it_is_named() {
    let folder = Folder::new();
    let stack = stack(&folder, "services: {web: {image: 'a:1', environment: [SHELL_ONLY, 'B=${SHELL_ONLY:-none}']}}\n");
    let env = |fleet: &str, arguments: &[&str]| {
        let fleet = folder.path().join(fleet);
        let imported = import(&stack, &fleet, arguments);
        assert_eq!(code(&imported), 0, "{}", err(&imported));
        let text = fs::read_to_string(fleet.join("containers/web.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["env"].clone()
    };
    assert_eq!(env("one", &[]), serde_json::json!({ "B": "none" }));
    let all = "from the machine";
    assert_eq!(env("two", &["--env", "SHELL_ONLY"]), serde_json::json!({ "B": all, "SHELL_ONLY": all }));
    let unknown = import(&stack, &folder.path().join("three"), &["--env", "NO_SUCH_NAME"]);
    assert_eq!(code(&unknown), 2, "{}", err(&unknown));
}

#[test]
fn what_cannot_be_read_writes_nothing() {
    let folder = Folder::new();
    let fleet = folder.path().join("fleet");
    for (text, status, words) in [
        ("services:\n  web:\n   image: a\n  image: [\n", 1, "compose.yaml:"),
        ("services: {web: {image: 'a:${TAG:?say which}'}}\n", 1, "compose.yaml:1:25: `TAG` has to be set: say which"),
        ("services: {}\n", 1, "no service to import"),
        ("services: {web: {extends: web}}\n", 1, "services extend each other without end"),
        ("include: [compose.yaml]\nservices: {}\n", 1, "files include each other without end"),
        ("[]\n", 1, "expected a compose file"),
    ] {
        let failed = import(&stack(&folder, text), &fleet, &[]);
        assert_eq!(code(&failed), status, "{text}{}", err(&failed));
        assert!(err(&failed).contains(words), "{text}{}", err(&failed));
        assert!(!fleet.exists(), "{text}");
    }
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let none = import(&empty, &fleet, &[]);
    assert_eq!(code(&none), 2, "{}", err(&none));
    assert_eq!(code(&import(&empty, &fleet, &["--allow-secret", "X"])), 2);
}

#[test]
fn a_result_with_faults_is_told_and_kept() {
    let folder = Folder::new();
    let text = "services:\n  a: {image: 'a:1', ports: ['80:80']}\n  b: {image: 'b:1', ports: ['80:80']}\n";
    let (stack, fleet) = (stack(&folder, text), folder.path().join("fleet"));
    let imported = import(&stack, &fleet, &["--json"]);
    assert_eq!(code(&imported), 1, "{}", err(&imported));
    let said: Value = serde_json::from_str(&out(&imported)).unwrap();
    assert_eq!(said["faults"][0]["code"], "port-clash", "{said:#}");
    assert_eq!(said["files"], serde_json::json!(["containers/a.json", "containers/b.json"]));
    assert!(fleet.join("containers/a.json").exists());
}

#[test]
fn the_report_is_for_programs_too() {
    let folder = Folder::new();
    let text = "services:\n  web:\n    image: a:1\n    build: .\n    environment:\n      DB_PASSWORD: hunter2\n";
    let imported = import(&stack(&folder, text), &folder.path().join("fleet"), &["--json"]);
    assert_eq!(code(&imported), 0, "{}", err(&imported));
    let said: Value = serde_json::from_str(&out(&imported)).unwrap();
    let place = |at: &Value| (at["path"].clone(), at["line"].clone(), at["column"].clone(), at["key"].clone());
    let left = said["left"].as_array().unwrap();
    assert_eq!(place(&left[0]), ("compose.yaml".into(), 4.into(), 5.into(), "services.web.build".into()));
    assert_eq!(place(&left[1]).3, "services.web.environment.DB_PASSWORD");
    assert_eq!(said["secrets"], serde_json::json!([{ "container": "web", "env": "DB_PASSWORD" }]));
    assert!(!out(&imported).contains("hunter2"));
}
