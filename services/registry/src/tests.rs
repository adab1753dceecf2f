//! Properties of the ranges: what they say of any position is what folding the log up to there says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod random;

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::StatementStatus;
use schemas::descriptors::{File, Path};
use schemas::event::{Data, Event};
use schemas::fleet::{Fleet, Lines};
use schemas::query::{At, FaultCode, FleetState, PastRequest};
use serde_json::{Value, json};
use uuid::Uuid;

use self::random::{FLEETS, history, push, started};
use crate::answer::AboutFleets;
use crate::fold::Fold;
use crate::live::Live;
use crate::store::{Folder, NEWEST, Store, Writer, state};

/// A database that grew by these events, cut into batches of these lengths.
struct Grown {
    store: Store,
    writer: Writer,
    fold: Fold,
    home: tempfile::TempDir,
}

impl Grown {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let path = folder.next().unwrap();
        let writer = Writer::create(&path, Uuid::nil()).unwrap().settle().unwrap();
        folder.make_current(&path).unwrap();
        Self { store: Store::new(path), writer, fold: Fold::default(), home }
    }

    fn take(&mut self, events: &[Event], batch: usize) {
        for events in events.chunks(batch) {
            let mut rows = Vec::new();
            events.iter().for_each(|it| self.fold.apply(it, &mut rows));
            self.fold.end_batch(&mut rows);
            self.writer.write(&rows, self.fold.position()).unwrap();
        }
    }

    fn of(events: &[Event], batch: usize) -> Self {
        let mut grown = Self::new();
        grown.take(events, batch);
        grown
    }

    /// Closed, opened and loaded again.
    fn again(self) -> Self {
        let Self { store, writer, fold, home } = self;
        let path = store.path().to_owned();
        drop((store, writer, fold));
        let store = Store::new(path.clone());
        let fold = store.read(|it| it.load()).unwrap();
        Self { store, writer: Writer::open(&path).unwrap(), fold, home }
    }

    fn digest(&self) -> String {
        self.store.read(|it| it.digest()).unwrap()
    }

    fn path(&self) -> &std::path::Path {
        self.home.path()
    }

    fn at(&self, fleet: &str, at: &str) -> Result<u64, (FaultCode, String)> {
        let at: At = at.parse().unwrap();
        self.store
            .read(|snapshot| snapshot.moment(&snapshot.find(&fleet.parse().unwrap())?.unwrap(), &at))
            .unwrap()
            .map_err(|fault| (fault.code, fault.message))
    }
}

/// The fleet, folded from zero.
fn folded(fleet: &str, events: &[Event], position: u64) -> Fleet {
    let mut fleet = Fleet::new(fleet.parse().unwrap());
    events.iter().filter(|it| it.position <= position).for_each(|it| fleet.apply(it));
    fleet
}

/// Where its subjects end does not belong to a fleet's past.
fn without_lines(fleet: Fleet) -> Fleet {
    Fleet { lines: Lines::default(), position: 0, ..fleet }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// At each position the ranges say what the fold from zero says, rollouts and runs included.
    #[test]
    fn ranges_say_what_the_fold_says(events in history(120), batch in 1..40_usize) {
        let grown = Grown::of(&events, batch);
        for fleet in FLEETS {
            grown.store.read(|snapshot| {
                let Some(row) = snapshot.find(&fleet.parse().unwrap())? else { return Ok(()) };
                for position in row.first..=events.len() as u64 {
                    let expected = without_lines(folded(fleet, &events, position));
                    assert_eq!(without_lines(snapshot.whole_past(&row, position)?), expected, "{fleet} at {position}");
                    // To the letter, so that nobody can tell which of the two it was.
                    let shown = serde_json::to_string(&FleetState::of(&expected, position)).unwrap();
                    assert_eq!(state(&grown.store, snapshot, &row, position)?.get(), shown);
                }
                Ok(())
            }).unwrap();
        }
    }

    /// However it came to be, in batches of whatever length and with stops in between, it is the same.
    #[test]
    fn what_grew_is_what_is_made_anew(events in history(150), batch in 1..40_usize, stop in 0..150_usize) {
        let stop = stop.min(events.len());
        let mut grown = Grown::of(&events[..stop], batch).again();
        grown.take(&events[stop..], 1);
        let anew = Grown::of(&events, 1_000);
        prop_assert_eq!(grown.digest(), anew.digest());
        for fleet in FLEETS {
            let loaded = grown.store.read(|it| it.load()).unwrap();
            let id = fleet.parse().unwrap();
            prop_assert_eq!(loaded.get(&id).map(|it| (*it).clone()), anew.fold.get(&id).map(|it| (*it).clone()));
        }
    }

    /// A value's `since` and its history are what asking at every position shows.
    #[test]
    fn history_is_what_every_position_shows(events in history(100), limit in 1..4_usize) {
        let grown = Grown::of(&events, 7);
        let fleet = FLEETS[0];
        grown.store.read(|snapshot| {
            let Some(row) = snapshot.find(&fleet.parse().unwrap())? else { return Ok(()) };
            let end = events.len() as u64;
            let mut shown: std::collections::BTreeMap<String, Vec<(Value, u64)>> = Default::default();
            for position in row.first..=end {
                let variables = snapshot.variables(&row, position)?;
                for (path, it) in &variables {
                    let seen = shown.entry(path.clone()).or_default();
                    if seen.last().is_none_or(|(value, since)| (value, *since) != (&it.value, it.since)) {
                        assert_eq!(it.since, position, "{path} is so only from now on");
                        seen.push((it.value.clone(), position));
                    }
                }
                for (path, seen) in &mut shown {
                    if !variables.contains_key(path) && seen.last().is_some_and(|(value, _)| !value.is_null()) {
                        seen.push((Value::Null, position));
                    }
                }
            }
            for (path, mut expected) in shown {
                expected.reverse();
                let (mut told, mut before) = (Vec::new(), None);
                loop {
                    let (ranges, more) = snapshot.history(&row, &path, end, before, limit)?.unwrap();
                    told.extend(ranges.iter().map(|it| (it.value.clone(), it.from)));
                    before = ranges.last().map(|it| it.from);
                    if !more {
                        break;
                    }
                }
                assert_eq!(told, expected, "{path}");
            }
            Ok(())
        }).unwrap();
    }

    /// The moment of a time is the last position whose running maximum of time is not later.
    #[test]
    fn a_time_is_the_last_position_that_is_not_later(events in history(60), second in 0..80_i64) {
        let grown = Grown::of(&events, 9);
        let time = Timestamp::from_second(second).unwrap();
        let mut newest = Timestamp::MIN;
        let mut expected = 0;
        for event in &events {
            newest = newest.max(event.time);
            if newest <= time {
                expected = event.position;
            }
        }
        let fleet = events.iter().find_map(|it| it.scope.fleet()).map(ToString::to_string);
        if let Some(fleet) = fleet {
            let first = events.iter().find(|it| it.scope.fleet().is_some()).unwrap().position;
            let moment = grown.at(&fleet, &time.to_string());
            if expected >= first {
                prop_assert_eq!(moment, Ok(expected));
            } else {
                prop_assert_eq!(moment.unwrap_err().0, FaultCode::NotFound);
            }
        }
    }
}

#[test]
fn a_commit_is_the_last_moment_at_which_it_was_desired() {
    let events = [
        push(1, "acme/shop", Some("aaaaaaa1"), json!({ "region": "eu-1" })),
        push(2, "acme/shop", Some("aaaaaaa2"), json!({ "region": "eu-2" })),
        push(3, "acme/till", Some("bbbbbbb1"), json!({})),
        push(4, "acme/shop", Some("aaaaaaa1"), json!({ "region": "eu-1" })),
        push(5, "acme/shop", Some("ccccccc1"), json!({ "region": "eu-3" })),
        push(6, "acme/till", None, json!({})),
    ];
    let grown = Grown::of(&events, 2);
    assert_eq!(grown.at("acme/shop", "aaaaaaa2"), Ok(3));
    assert_eq!(grown.at("acme/shop", "aaaaaaa1"), Ok(4), "pushed once more later on");
    assert_eq!(grown.at("acme/shop", "ccccccc1"), Ok(6));
    let error = |at| grown.at("acme/shop", at).unwrap_err();
    assert_eq!(error("aaaaaaa").0, FaultCode::BadRequest);
    assert!(error("aaaaaaa").1.contains("more digits"), "{}", error("aaaaaaa").1);
    assert_eq!(error("bbbbbbb1").0, FaultCode::NotFound, "another fleet's");
    assert!(error("7").1.contains("ends at position 6"), "{}", error("7").1);
    let early = grown.at("acme/till", "2").unwrap_err();
    assert!(early.1.contains("first event is at position 3"), "{}", early.1);
    // Pushed, but not to the deploy branch.
    let (code, message) = grown.at("acme/till", "ddddddd").unwrap_err();
    assert_eq!(code, FaultCode::NotFound);
    assert!(message.contains("refs/heads/side"), "{message}");
}

#[test]
fn a_variable_tells_since_when_by_which_commit_and_whom() {
    let events = [
        push(1, "acme/shop", Some("aaaaaaa1"), json!({ "region": "eu-1", "size": 3 })),
        push(2, "acme/shop", Some("aaaaaaa2"), json!({ "region": "eu-1", "size": 4 })),
    ];
    let grown = Grown::of(&events, 1);
    let variables = grown
        .store
        .read(|snapshot| snapshot.variables(&snapshot.find(&"acme/shop".parse().unwrap())?.unwrap(), 2))
        .unwrap();
    let told = |path: &str| {
        let it = &variables[path];
        (it.value.clone(), it.since, it.commit.as_ref().unwrap()[..8].to_owned(), it.by.as_str())
    };
    assert_eq!(told("variables.app.region"), (json!("eu-1"), 1, "aaaaaaa1".to_owned(), "ada"));
    assert_eq!(told("variables.app.size"), (json!(4), 2, "aaaaaaa2".to_owned(), "ada"));
    assert_eq!(variables["variables.app.size"].time, Timestamp::from_second(2).unwrap());
}

#[test]
fn what_is_not_ours_or_not_whole_is_refused() {
    let events: Vec<_> = (1..=40).map(|it| push(it, "acme/shop", Some("aaaaaaa1"), json!({ "n": it }))).collect();
    let grown = Grown::of(&events, 10);
    let check =
        |incarnation, head| grown.store.read(|it| it.check(incarnation, head)).map_err(|error| error.to_string());
    assert_eq!(check(Uuid::nil(), 40), Ok(40));
    assert!(check(Uuid::max(), 40).unwrap_err().contains("another log"));
    assert!(check(Uuid::nil(), 39).unwrap_err().contains("the log ends at 39"));
    // Cut in half, as by a full disk or a careless copy.
    let path = grown.store.path().to_owned();
    assert!(path.starts_with(grown.path()));
    let (writer, _home) = (grown.writer, grown.home);
    drop((writer, grown.store));
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(size / 2).unwrap();
    let store = Store::new(path.clone());
    assert!(store.read(|it| it.check(Uuid::nil(), 40).and_then(|_| it.is_whole())).is_err());
    std::fs::write(&path, "no database at all, but some text that is long enough to be read").unwrap();
    assert!(Store::new(path).read(|it| it.check(Uuid::nil(), 40)).is_err());
}

/// Else a look into the past costs a plan an object, which is most of its time.
#[test]
fn a_statement_is_planned_once() {
    let events: Vec<_> = (1..=40).map(|it| push(it, "acme/shop", Some("aaaaaaa1"), json!({ "n": it }))).collect();
    let grown = Grown::of(&events, 10);
    let (planned, ran) = grown
        .store
        .read(|it| {
            let row = it.find(&"acme/shop".parse().unwrap())?.unwrap();
            for position in 1..=40 {
                state(&grown.store, it, &row, position)?;
            }
            let statement = it.db.prepare_cached(NEWEST).unwrap();
            Ok((statement.get_status(StatementStatus::RePrepare), statement.get_status(StatementStatus::Run)))
        })
        .unwrap();
    assert_eq!((planned, ran >= 80), (0, true), "planned again {planned} times in {ran} runs");
}

/// What passes is answered as what it is; what is lost is given up.
#[test]
fn a_database_is_given_up_where_it_is_lost_and_not_where_it_is_locked() {
    let events: Vec<_> = (1..=40).map(|it| push(it, "acme/shop", Some("aaaaaaa1"), json!({ "n": it }))).collect();
    let Grown { store, writer, fold, home: _home } = Grown::of(&events, 10);
    let path = store.path().to_owned();
    drop((store, writer));
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "journal_mode", "delete").unwrap();
    let live = Live::new();
    live.install(fold, Store::new(path.clone()));
    let fleet = "acme/shop".parse().unwrap();
    let question = PastRequest { fleet, at: At::Position(40), min_position: 0 };

    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let fault = question.look_up(&live).unwrap_err();
    assert!(fault.message.contains("cannot be read now") && fault.message.contains("locked"), "{}", fault.message);
    assert_eq!((fault.code, live.store().is_some()), (FaultCode::Unavailable, true));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(question.look_up(&live).unwrap().position, 40);
    drop(other);

    let size = usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
    std::fs::write(&path, "no database, but a line of text\n".repeat(size / 16)).unwrap();
    let fault = question.look_up(&live).unwrap_err();
    assert!(fault.message.contains("made anew"), "{}", fault.message);
    assert_eq!((fault.code, live.store().is_some()), (FaultCode::Behind, false));
}

/// Whichever half an object falls into, the whole is the same.
#[test]
fn a_large_fleet_is_shown_as_a_small_one_is() {
    let mut events: Vec<_> = (1..=400).map(|it| push(it, "acme/shop", Some("aaaaaaa1"), json!({ "n": it }))).collect();
    for event in &mut events {
        let Data::GitPushed(it) = &mut event.draft.data else { panic!("{event:?}") };
        let path: Path = format!("volumes/n{}.json", event.position % 300).parse().unwrap();
        let file = File::read(&path, json!({})).unwrap();
        it.descriptors.set.0.insert(path, file);
    }
    events.extend((401..=900).map(|it| started(it, "acme/shop", &format!("c{}", it % 300))));
    let grown = Grown::of(&events, 50);
    for position in [3, 299, 400, 500, 501, 899, 900] {
        let folded = folded("acme/shop", &events, position);
        let shown = serde_json::to_string(&FleetState::of(&folded, position)).unwrap();
        let past = grown.store.read(|it| state(&grown.store, it, &it.find(&folded.id)?.unwrap(), position)).unwrap();
        assert_eq!(past.get(), shown, "at {position}");
    }
}
