//! What the fuzzer has found, and what it starts from: descriptors that are no descriptors. None of them may break the
//! reader or the check, and every fault lies inside its text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken expectation is a failed test")]

use schemas::check::{Content, EntryKind, TreeFile, check};

#[test]
fn every_seed_is_read_and_judged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/fuzz/seeds/descriptor");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // The first byte only chooses the kind; here each text is every kind.
        for name in ["containers/api.json", "fleet.json", "tasks/x.json", "variables/app.json", "volumes/d.json"] {
            let text = bytes.get(1..).unwrap_or_default();
            let lines = text.iter().filter(|byte| b"\n\r".contains(byte)).count() + 1;
            let file = TreeFile { path: name, kind: EntryKind::File, content: Content::Bytes(text) };
            for fault in check([file]).err().into_iter().flat_map(|it| it.faults.into_iter().chain(it.warnings)) {
                let line = usize::try_from(fault.line).unwrap();
                assert!((1..=lines).contains(&line) && fault.column >= 1, "{}: {fault}", path.display());
            }
        }
        count += 1;
    }
    assert!(count >= 8, "{count} seeds");
}
