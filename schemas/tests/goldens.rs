//! One record of every event version, decodable for ever. A change here is a break of every log that exists.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use std::collections::BTreeSet;

use expect_test::expect_file;
use schemas::event::{Data, DeadWork};

/// Every file under `golden/`, by the `ce-type` that it is named after.
fn goldens() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let kind = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(|path| (kind(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_event_version_has_a_golden_record() {
    let have: BTreeSet<String> = goldens().into_iter().map(|(kind, _)| kind).collect();
    let missing: Vec<_> = Data::KINDS.iter().filter(|kind| !have.contains(**kind)).collect();
    assert!(missing.is_empty(), "no file under schemas/golden for {missing:?}");
}

#[test]
fn every_golden_record_is_read_and_written_the_same() {
    for (kind, text) in goldens() {
        let data = Data::decode(&kind, text.as_bytes()).unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        assert_eq!(data.kind(), kind);
        let written = serde_json::to_string_pretty(&data.to_value()).unwrap() + "\n";
        expect_file![format!("../golden/{kind}.json")].assert_eq(&written);
    }
}

#[test]
fn a_command_that_was_given_up_names_its_step_or_its_run() {
    let run = "018f4b1e-0000-7000-8000-00000000000b";
    let text = format!(r#"{{"deliveries":51,"fleet":"acme/shop","node":"local","run":"{run}"}}"#);
    let data = Data::decode("fleetlog.work.dead.v1", text.as_bytes()).unwrap();
    let Data::WorkDead(dead) = &data else { panic!("{data:?}") };
    assert_eq!(dead.work, DeadWork::Run { run: run.parse().unwrap() });
    assert_eq!(data.to_value().to_string(), text);
    assert!(Data::decode("fleetlog.work.dead.v1", br#"{"deliveries":5,"fleet":"acme/shop","node":"local"}"#).is_err());
}

#[test]
fn an_unknown_type_or_version_is_an_error_and_not_skipped() {
    let error = Data::decode("fleetlog.git.pushed.v2", b"{}").unwrap_err();
    assert!(error.to_string().contains("fleetlog.git.pushed.v2"), "{error}");
    assert!(Data::decode("fleetlog.git.pushed.v1", b"{}").is_err());
}
