//! What every engine does with a command in a container.

use std::time::Duration;

use engine::{EngineError, Executed};

use crate::lab::{Kind, LIMIT, Lab};

/// More than any of these commands writes.
const MOST: usize = 1 << 20;

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|it| (*it).to_owned()).collect()
}

pub async fn a_command_in_a_container_tells_what_it_wrote_and_how_it_ended(lab: &Lab) {
    let name = lab.start("api", &lab.spec()).await;
    if let Kind::Simulated(simulated) = &lab.kind {
        let ends = Executed { exit_code: 3, stdout: b"out\nmore\n".into(), stderr: b"oops\n".into(), cut: false };
        simulated.on_exec(&name, "sh", Some(ends)).unwrap();
        simulated.on_exec(&name, "busybox", Some(Executed::default())).unwrap();
    }
    let script = words(&["sh", "-c", "echo out; echo oops >&2; echo more; exit 3"]);
    let executed = lab.engine.exec(&name, &script, MOST, LIMIT).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&executed.stdout), "out\nmore\n");
    assert_eq!(String::from_utf8_lossy(&executed.stderr), "oops\n");
    assert_eq!((executed.exit_code, executed.cut), (3, false));
    let executed = lab.engine.exec(&name, &words(&["busybox", "true"]), MOST, LIMIT).await.unwrap();
    assert_eq!(executed, Executed::default());
    // As a shell has it.
    let missing = lab.engine.exec(&name, &words(&["no-such-program"]), MOST, LIMIT).await.unwrap();
    assert!([126, 127].contains(&missing.exit_code), "{missing:?}");
}

pub async fn a_command_that_writes_much_is_cut_and_one_that_never_ends_is_told(lab: &Lab) {
    let name = lab.start("api", &lab.spec()).await;
    if let Kind::Simulated(simulated) = &lab.kind {
        let ends = Executed { stdout: b"0123456789".repeat(20_000), ..Executed::default() };
        simulated.on_exec(&name, "much", Some(ends)).unwrap();
        simulated.on_exec(&name, "sleep", None).unwrap();
    }
    let much = match &lab.kind {
        Kind::Simulated(_) => words(&["much"]),
        Kind::Docker(_) => words(&["busybox", "head", "-c", "200000", "/dev/zero"]),
    };
    let executed = lab.engine.exec(&name, &much, 1_000, LIMIT).await.unwrap();
    assert_eq!((executed.stdout.len(), executed.cut, executed.exit_code), (1_000, true, 0));
    let late = lab.engine.exec(&name, &words(&["sleep", "600"]), MOST, Duration::from_millis(300)).await;
    assert!(matches!(late, Err(EngineError::Slow { .. })), "{late:?}");
}

pub async fn a_command_needs_a_container_that_runs(lab: &Lab) {
    let name = lab.create("api", &lab.spec()).await;
    let stopped = lab.engine.exec(&name, &words(&["true"]), MOST, LIMIT).await;
    assert!(matches!(stopped, Err(EngineError::Refused { status: 409, .. })), "{stopped:?}");
    let gone = lab.engine.exec(&lab.name("gone"), &words(&["true"]), MOST, LIMIT).await;
    assert!(matches!(gone, Err(EngineError::NotFound { .. })), "{gone:?}");
}
