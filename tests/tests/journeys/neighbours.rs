//! Two platforms on one Docker engine never touch each other's containers.

use tests::Platform;
use tests::descriptors::plain;

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
