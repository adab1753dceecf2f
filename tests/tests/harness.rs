//! The harness itself: it has to fail when it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

use std::panic::catch_unwind;
use std::process::Command;
use std::time::Duration;

use tests::{eventually, free_port, run, unique};

/// What a panic said.
fn message(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(work).expect_err("it has to fail");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn a_wait_that_is_in_vain_says_what_it_saw_last() {
    let said = message(|| {
        let mut looks = 0;
        eventually(Duration::from_millis(60), "ten looks", || {
            looks += 1;
            if looks > 1_000 { Ok(()) } else { Err(format!("only {looks}")) }
        });
    });
    assert!(said.contains("ten looks") && said.contains("last seen: only"), "{said}");
}

#[test]
fn a_program_that_hangs_is_ended_and_shown() {
    let said = message(|| {
        run(Command::new("sh").args(["-c", "echo begun; exec sleep 60"]), Duration::from_millis(200));
    });
    assert!(said.contains("did not end within") && said.contains("begun"), "{said}");
}

#[test]
fn a_program_that_fails_shows_both_of_its_outputs() {
    let said = message(|| {
        drop(run(Command::new("sh").args(["-c", "echo a; echo b >&2; exit 3"]), Duration::from_secs(5)).ok())
    });
    assert!(said.contains("a\nb\n"), "{said}");
}

#[test]
fn names_and_ports_differ() {
    assert_ne!(unique(), unique());
    assert!((20_000..32_000).contains(&free_port()));
}
