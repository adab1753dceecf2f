//! The registry's database over a real log: it goes on where it was, is made anew where it is of no use, and what is made
//! anew is what grew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs::{self, File};
use std::time::Duration;

use schemas::query::{
    At, Fault, FaultCode, FleetRequest, HistoryRequest, PastRequest, ReplayRequest, VariablesRequest,
};
use streams::{AskError, clock};
use tokio::time::{Instant, sleep};

use self::support::{Log, PATIENCE, fleet};

#[tokio::test]
async fn it_goes_on_where_it_was() {
    let log = Log::start().await;
    let first = log.registry().await;
    let position = log.push(20).await;
    log.reaches(position).await;
    first.stop().await;
    let end = log.push(5).await;
    let second = log.registry().await;
    let said = second.first.clone().unwrap();
    assert!(said.contains(&format!("at position {position} of {end}")), "{said}");
    let whole = log.bus.ask(&FleetRequest { fleet: fleet(), min_position: end }, PATIENCE).await.unwrap();
    log.reaches(end).await;
    second.stop().await;
    // One that was never stopped knows the same.
    let anew = log.registry_in(&log.folder.path().join("elsewhere")).await;
    let question = FleetRequest { fleet: fleet(), min_position: end };
    assert_eq!(log.bus.ask(&question, PATIENCE).await.unwrap().fleet, whole.fleet);
    anew.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn a_database_of_another_shape_or_another_log_is_made_anew() {
    let log = Log::start().await;
    let end = log.push(20).await;
    log.registry_and(end).await;
    for change in [
        "UPDATE meta SET shape = 99",
        "UPDATE meta SET incarnation = '00000000-0000-0000-0000-000000000000'",
        "UPDATE meta SET position = 1000000",
        "DROP TABLE versions",
        "UPDATE versions SET value = 'no JSON'",
    ] {
        log.database().execute_batch(change).unwrap();
        let said = log.registry_and(end).await.unwrap();
        assert!(said.contains("at position 0 of"), "{change}: {said}");
        assert_eq!(log.registry_and(end).await, None, "{change}: it was made anew once");
    }
    log.server.stop().await;
}

impl Log {
    /// Runs a registry until it is at `end`; what it said about its readiness before it ran.
    async fn registry_and(&self, end: u64) -> Option<String> {
        let registry = self.registry().await;
        self.reaches(end).await;
        let said = registry.first.clone();
        registry.stop().await;
        said
    }
}

#[tokio::test]
async fn what_is_made_anew_is_what_grew_while_it_grows_on() {
    let log = Log::start().await;
    let registry = log.registry().await;
    log.push(300).await;
    for verify in [true, false, false, true] {
        let question = ReplayRequest { verify };
        let (answer, end) = tokio::join!(log.bus.ask(&question, PATIENCE), log.push(50));
        let answer = answer.unwrap();
        assert!(answer.equal, "{answer:?}");
        assert_eq!(answer.swapped, !verify);
        log.reaches(end).await;
    }
    registry.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn one_that_does_not_say_what_its_log_says_is_found_out() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let end = log.push(10).await;
    log.reaches(end).await;
    log.database().execute_batch("UPDATE events SET actor = actor + 1 WHERE position = 3").unwrap();
    let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
    assert!(!answer.equal, "{answer:?}");
    let answer = log.bus.ask(&ReplayRequest { verify: false }, PATIENCE).await.unwrap();
    assert!(!answer.equal && answer.swapped, "{answer:?}");
    let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
    assert!(answer.equal, "{answer:?}");
    registry.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_yet_is_refused_and_what_was_never_there_is_not_found() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let end = log.push(3).await;
    let past = |at: At| PastRequest { fleet: fleet(), at, min_position: end };
    assert_eq!(log.bus.ask(&past(At::Position(end)), PATIENCE).await.unwrap().position, end);
    let code = |answer: Result<schemas::query::PastAnswer, AskError>| match answer {
        Err(AskError::Fault(Fault { code, .. })) => code,
        other => panic!("expected a fault, seen {other:?}"),
    };
    assert_eq!(code(log.bus.ask(&past(At::Position(end + 1)), PATIENCE).await), FaultCode::BadRequest);
    assert_eq!(code(log.bus.ask(&past(At::Commit("f".repeat(40))), PATIENCE).await), FaultCode::NotFound);
    assert_eq!(log.bus.ask(&past(At::Time(clock::now())), PATIENCE).await.unwrap().position, end);
    let (path, at, before, limit) = ("variables.app.none".to_owned(), None, None, 10);
    let history = HistoryRequest { fleet: fleet(), path, at, before, limit, min_position: end };
    assert!(matches!(
        log.bus.ask(&history, PATIENCE).await,
        Err(AskError::Fault(Fault { code: FaultCode::NotFound, .. }))
    ));
    registry.stop().await;
    log.server.stop().await;
}

/// Looks again and again, until what is seen is wanted.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(seen) => return seen,
            Err(last) => assert!(Instant::now() < deadline, "{what}: last seen: {last}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_that_is_lost_while_it_is_in_use_is_made_anew() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let mut end = log.push(30).await;
    log.reaches(end).await;
    let variables = || VariablesRequest { fleet: fleet(), at: None, min_position: 0 };
    let told = log.bus.ask(&variables(), PATIENCE).await.unwrap();
    for (how, by_event) in
        [("removed", false), ("removed", true), ("cut", false), ("cut", true), ("emptied", false), ("replaced", true)]
    {
        let before = log.current();
        let cut = |to| File::options().write(true).open(&before).unwrap().set_len(to).unwrap();
        match how {
            "removed" => fs::remove_file(&before).unwrap(),
            "cut" => cut(fs::metadata(&before).unwrap().len() / 2),
            "emptied" => cut(0),
            _ => {
                let copy = before.with_extension("copy");
                fs::copy(&before, &copy).unwrap();
                fs::rename(&copy, &before).unwrap();
            }
        }
        // Whatever comes first finds it out.
        if by_event {
            end = log.push(1).await;
        } else {
            match log.bus.ask(&variables(), PATIENCE).await {
                Err(AskError::Fault(Fault { code: FaultCode::Behind, message })) => {
                    assert!(message.contains("made anew"), "{how}: {message}");
                }
                other => panic!("{how}: expected the fault `behind`, seen {other:?}"),
            }
        }
        let after = eventually(how, async || {
            let now = log.current();
            if now != before && now.exists() { Ok(now) } else { Err(format!("`{}` counts", now.display())) }
        });
        let after = after.await;
        log.reaches(end).await;
        assert!(!before.exists() && after.exists(), "{how}");
        let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
        assert!(answer.equal, "{how}: {answer:?}");
    }
    let again = log.bus.ask(&VariablesRequest { at: Some(At::Position(told.position)), ..variables() }, PATIENCE).await;
    assert_eq!(again.unwrap(), told);
    registry.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn what_passes_is_waited_for_and_nothing_is_made_anew() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let end = log.push(10).await;
    log.reaches(end).await;
    let before = log.current();
    let other = log.database();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let end = log.push(1).await;
    let question = VariablesRequest { fleet: fleet(), at: None, min_position: end };
    match log.bus.ask(&question, PATIENCE).await {
        Err(AskError::Fault(Fault { code: FaultCode::Behind, message })) => {
            assert!(message.contains("cannot be written now") && message.contains("locked"), "{message}");
        }
        other => panic!("expected the fault `behind`, seen {other:?}"),
    }
    let why = registry.readiness.ready().unwrap();
    assert!(why.contains("cannot be written now"), "{why}");
    // What is there can be read meanwhile, and the present is known.
    let past = PastRequest { fleet: fleet(), at: At::Position(end - 1), min_position: 0 };
    assert_eq!(log.bus.ask(&past, PATIENCE).await.unwrap().position, end - 1);
    let now = FleetRequest { fleet: fleet(), min_position: end };
    assert_eq!(log.bus.ask(&now, PATIENCE).await.unwrap().position, end);
    other.execute_batch("ROLLBACK").unwrap();
    log.reaches(end).await;
    assert_eq!((registry.readiness.ready(), log.current()), (None, before));
    let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
    assert!(answer.equal, "{answer:?}");
    registry.stop().await;
    log.server.stop().await;
}
