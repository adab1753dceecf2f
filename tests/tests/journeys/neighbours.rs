//! Two platforms on one Docker engine never touch each other's containers.

use tests::Platform;
use tests::descriptors::plain;
use tests::docker::docker;

#[test]
fn two_platforms_one_engine() {
    let (left, right) = (Platform::start(), Platform::start());
    let (ours, theirs) = (left.fleet("shop"), right.fleet("shop"));
    for fleet in [&ours, &theirs] {
        fleet.write("containers/a.json", plain()).write("containers/b.json", plain()).commit("one");
        fleet.push(&["create"]).ok();
    }
    assert_ne!(left.installation(), right.installation());
    let before = theirs.fingerprint();
    assert_eq!((before.len(), ours.containers().len()), (2, 2));

    // Each sees only its own.
    for (platform, other) in [(&left, &right), (&right, &left)] {
        let all = platform.events().to_string();
        assert!(!all.contains(other.owner()), "{all}");
    }
    let commit = ours.remove("containers/b.json").commit("two");
    ours.push(&[]).ok();
    ours.succeeds(&commit);
    left.restart();
    assert_eq!(theirs.fingerprint(), before);

    // The same fleet on both: the name is taken, and whoever was first keeps it.
    let stolen = left.fleet_of(theirs.id());
    let commit = stolen.write("containers/a.json", plain()).commit("one");
    stolen.push(&["create"]).ok().says(&["failed"]);
    let error = stolen.fails(&commit);
    assert!(error.contains(&stolen.name_of("a")) || error.contains(&stolen.id().replace('/', ".")), "{error}");
    assert!(stolen.containers().is_empty());
    assert_eq!(theirs.fingerprint(), before);
    let commit = stolen.remove("containers/a.json").write_text("x", "x").commit("two");
    stolen.push(&[]).ok();
    stolen.succeeds(&commit);
    assert_eq!(theirs.fingerprint(), before);
}

/// Docker adds an image's labels to its containers: one that says whose they are could speak for another fleet.
#[test]
fn an_image_never_says_whose_a_container_is() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), "FROM demo/tool:1\nLABEL fleetlog.fleet=victim/shop\n").unwrap();
    let tag = format!("{}.claims:1", platform.owner());
    docker(&["build", "--quiet", "--tag", &tag, folder.path().to_str().unwrap()]).ok();
    let mut claims = plain();
    claims["image"] = tag.as_str().into();
    let task = serde_json::json!({ "image": tag, "steps": [{ "run": ["true"] }] });
    shop.write("containers/a.json", claims).write("tasks/t.json", task).commit("one");
    // A fleet's container says itself whose it is.
    shop.push(&["create"]).ok().says(&["rollout succeeded"]);
    assert_eq!(shop.containers().len(), 1);
    // A step is no fleet's container, and must not pass for one.
    let run = platform.cli(&["run", "t", "--follow", "--fleet", shop.id()]);
    shop.remove("containers/a.json").remove("tasks/t.json").write_text("x", "x").commit("two");
    shop.push(&[]).ok().says(&["rollout succeeded"]);
    docker(&["image", "rm", "--force", &tag]).ok();
    let said = format!("{}{}", run.out, run.err);
    assert!(run.code != 0 && said.contains("carries the label `fleetlog.fleet`"), "{said}");
}
