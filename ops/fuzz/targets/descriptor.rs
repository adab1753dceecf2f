//! Any bytes as a descriptor: they are read to their end and judged, with every fault inside the text.
//! The first byte says which descriptor they are taken for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use schemas::check::{Content, EntryKind, TreeFile, check};

const PATHS: [&str; 6] = [
    "containers/api.json",
    "fleet.json",
    "tasks/greet.json",
    "variables/app.json",
    "volumes/data.json",
    "nodes/local.json",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let document = schemas::json::read(bytes);
    assert!(document.faults.len() <= schemas::json::MAX_FAULTS + 1, "{}", document.faults.len());
    let path = PATHS[usize::from(*first) % PATHS.len()];
    let file = TreeFile { path, kind: EntryKind::File, content: Content::Bytes(bytes) };
    let lines = u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX);
    for fault in check([file]).err().into_iter().flat_map(|it| it.faults.into_iter().chain(it.warnings)) {
        assert!(fault.line >= 1 && fault.column >= 1, "{fault}");
        // A lone carriage return ends a line as well.
        assert!(fault.line <= lines + bytes.iter().filter(|byte| **byte == b'\r').count() as u32 + 1, "{fault}");
        assert!(!fault.to_string().is_empty());
    }
});
