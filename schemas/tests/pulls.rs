//! Pull requests as they fold, whose approvals count for what, and the values of a fork's parameters.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use schemas::check::{Content, EntryKind, TreeFile, check, report};
use schemas::descriptors::{FleetFile, fill_parameters};
use schemas::event::{
    Data, Draft, Event, PullApproved, PullClosed, PullMerged, PullOpened, PullTip, PullUpdated, Scope, Verdict,
};
use schemas::names::{FleetId, Oid};
use schemas::plan::{Action, Plan, Step};
use schemas::pulls::{Pull, PullStatus, Pulls, Source, mark};

fn oid(digit: char) -> Oid {
    digit.to_string().repeat(40).parse().unwrap()
}

fn tip(head: char, base: char, plan: &str) -> PullTip {
    let verdict = Verdict { plan: Some(plan.to_owned()), ..Verdict::default() };
    PullTip { head: oid(head), base: oid(base), pushed_by: Some("bob".to_owned()), pack: None, verdict }
}

fn event(position: u64, actor: &str, data: Data) -> Event {
    let fleet: FleetId = "acme/shop".parse().unwrap();
    let draft = Draft {
        id: uuid::Uuid::from_u128(position.into()),
        scope: Scope::Fleet(fleet),
        subject: "pulls/1".to_owned(),
        time: "2026-01-31T12:00:00Z".parse().unwrap(),
        actor: actor.to_owned(),
        cause: None,
        data,
    };
    Event { position, draft }
}

fn opened() -> Data {
    let from = "acme/shop".parse().unwrap();
    let (title, branch, into) = ("a fix".to_owned(), "fix".to_owned(), "main".to_owned());
    Data::PullOpened(PullOpened { number: 1, title, from, branch, into, tip: tip('a', 'b', "p1") })
}

fn approved(head: char, plan: &str) -> Data {
    Data::PullApproved(PullApproved { number: 1, head: oid(head), plan: Some(plan.to_owned()) })
}

fn folded(events: impl IntoIterator<Item = (&'static str, Data)>) -> Pull {
    let mut pulls = Pulls::default();
    for (position, (actor, data)) in (1..).zip(events) {
        pulls.apply(&event(position, actor, data));
    }
    pulls.0.remove(&1).unwrap()
}

#[test]
fn only_what_somebody_else_said_about_exactly_this_counts() {
    let all = ["ann", "bob", "cid", "dan"];
    let approvals = all.map(|by| (by, approved('a', "p1")));
    let pull = folded([("ann", opened())].into_iter().chain(approvals));
    let counting = |plan: &str| {
        let counts = pull.approvals.iter().filter(|it| pull.counts(it, Some(plan)));
        counts.map(|it| it.by.as_str()).collect::<Vec<_>>()
    };
    // Ann has opened it, bob has pushed it.
    assert_eq!(counting("p1"), ["cid", "dan"]);
    assert_eq!(counting("p2"), Vec::<&str>::new());
    assert_eq!((pull.approved(Some("p1")), pull.approved(None)), (2, 0));
}

#[test]
fn saying_it_twice_counts_once_and_a_new_commit_takes_it_away() {
    let pull = folded([("ann", opened()), ("cid", approved('a', "p0")), ("cid", approved('a', "p1"))]);
    assert_eq!((pull.approvals.len(), pull.approved(Some("p1"))), (1, 1));

    let base_moved = Data::PullUpdated(PullUpdated { number: 1, tip: tip('a', 'c', "p1") });
    let pull = folded([("ann", opened()), ("cid", approved('a', "p1")), ("eve", base_moved)]);
    assert_eq!(pull.approved(Some("p1")), 1);

    let head_moved = Data::PullUpdated(PullUpdated { number: 1, tip: tip('d', 'b', "p1") });
    let pull = folded([("ann", opened()), ("cid", approved('a', "p1")), ("eve", head_moved)]);
    assert_eq!((pull.approvals.len(), pull.tip.head), (0, oid('d')));
}

#[test]
fn once_merged_the_approvals_that_counted_stay_counting() {
    let merged = |plan: Option<&str>| {
        let merged = Data::PullMerged(PullMerged { number: 1, commit: oid('e'), plan: plan.map(str::to_owned) });
        folded([("ann", opened()), ("cid", approved('a', "p2")), ("dan", approved('a', "p0")), ("eve", merged)])
    };
    let counting = |pull: &Pull, plan: Option<&str>| {
        let counts = pull.approvals.iter().filter(|it| pull.counts(it, plan));
        counts.map(|it| it.by.clone()).collect::<Vec<_>>()
    };
    // Whatever anybody would plan now.
    for plan in [None, Some("p1"), Some("p9")] {
        assert_eq!(counting(&merged(Some("p2")), plan), ["cid"]);
    }
}

#[test]
fn a_pull_request_ends_one_way() {
    let merged = Data::PullMerged(PullMerged { number: 1, commit: oid('e'), plan: None });
    let pull = folded([("ann", opened()), ("cid", merged)]);
    assert_eq!((pull.status, pull.commit), (PullStatus::Merged, Some(oid('e'))));
    let pull = folded([("ann", opened()), ("cid", Data::PullClosed(PullClosed { number: 1 }))]);
    assert_eq!((pull.status, pull.commit), (PullStatus::Closed, None));
}

#[test]
fn numbers_go_up_and_what_is_unknown_changes_nothing() {
    let mut pulls = Pulls::default();
    assert_eq!(pulls.next_number(), 1);
    pulls.apply(&event(1, "cid", approved('a', "p1")));
    pulls.apply(&event(2, "ann", opened()));
    assert_eq!((pulls.next_number(), pulls.open().count()), (2, 1));
}

#[test]
fn a_source_is_a_fleet_and_a_branch() {
    let source: Source = "ann/shop:fix/a:b".parse().unwrap();
    assert_eq!((source.fleet.to_string(), source.branch.as_str()), ("ann/shop".to_owned(), "fix/a:b"));
    assert_eq!(source.to_string(), "ann/shop:fix/a:b");
    for bad in ["ann/shop", "shop:fix", "ann/shop:", ":fix", ""] {
        assert!(bad.parse::<Source>().is_err(), "{bad}");
    }
}

#[test]
fn a_mark_tells_plans_apart_and_not_the_positions_they_were_made_at() {
    let step = |action| Step { container: "api".parse().unwrap(), action, reasons: Vec::new(), after: Vec::new() };
    let plan = |observed, action| Plan { observed, steps: vec![step(action)], ..Plan::default() };
    assert_eq!(mark(&plan(1, Action::Create)), mark(&plan(9, Action::Create)));
    assert_ne!(mark(&plan(1, Action::Create)), mark(&plan(1, Action::Remove)));
    assert_eq!(mark(&Plan::default()).len(), 32);
}

const PARAMETERS: &str = r#"{ "parameters": {
  "domain": { "label": "Domain", "type": "string", "pattern": "[a-z.]+" },
  "size":   { "type": "number", "default": 3 },
  "debug":  { "type": "bool", "default": false },
  "plan":   { "type": "choice", "choices": ["small", "large"], "default": "small" },
  "salt":   { "type": "generate" }
} }"#;

fn filled(given: &str, expected: &Expect) {
    let fleet: FleetFile = serde_json::from_str(PARAMETERS).unwrap();
    let given: BTreeMap<String, serde_json::Value> = serde_json::from_str(given).unwrap();
    let text = match fill_parameters(&fleet.parameters, &given, || "random".to_owned()) {
        Ok(values) => serde_json::to_string(&values).unwrap(),
        Err(faults) => faults.join("\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_parameter_is_what_was_given_or_its_default_or_made() {
    filled(
        r#"{ "domain": "example.org" }"#,
        &expect![[r#"{"debug":false,"domain":"example.org","plan":"small","salt":"random","size":3}"#]],
    );
    // As a command line gives them.
    filled(
        r#"{ "domain": "a.b", "size": "4", "debug": "true", "plan": "large" }"#,
        &expect![[r#"{"debug":true,"domain":"a.b","plan":"large","salt":"random","size":4}"#]],
    );
}

#[test]
fn everything_that_is_wrong_with_parameters_is_told_at_once() {
    filled(
        r#"{ "size": "many", "debug": 1, "plan": "huge", "salt": "mine", "domian": "x" }"#,
        &expect![[r#"
            `domian` is no parameter of this fleet: it has `debug`, `domain`, `plan`, `salt`, `size`
            `debug`: expected `true` or `false`
            `domain` (Domain) is needed and has no default: give it with --set domain=…
            `plan`: expected one of `small`, `large`
            `salt`: expected nothing: it is made at random
            `size`: expected a number"#]],
    );
    filled(
        r#"{ "domain": "Example.org", "size": [1] }"#,
        &expect![[r#"
        `domain`: expected a text that matches `[a-z.]+`
        `size` is [1]: expected a text, a number, `true` or `false`"#]],
    );
}

#[test]
fn parameters_that_make_no_sense_are_faults() {
    let text = r#"{ "parameters": {
  "a": { "type": "choice" },
  "b": { "type": "number", "pattern": "x" },
  "c": { "pattern": "(" },
  "d": { "type": "bool", "default": "yes" },
  "e": { "choices": ["x"] },
  "f": { "type": "strin" }
}, "protect": { "approvals": 99, "push": "me" } }"#;
    let told = |text: &str| {
        let content = Content::Bytes(text.as_bytes());
        let faults = check([TreeFile { path: "fleet.json", kind: EntryKind::File, content }]).unwrap_err().faults;
        report(&faults)
    };
    expect![[r#"
        fleet.json:7:18: `type` is `strin`
          expected: one of `string`, `number`, `bool`, `choice`, `generate`
          hint: did you mean `string`?
        fleet.json:8:30: `approvals` is 99
          expected: a whole number from 0 to 20
        fleet.json:8:42: `push` is `me`
          expected: one of `maintainer`, `owner`, `nobody`
        3 faults in 1 file"#]]
    .assert_eq(&told(text));
    // What the schema refuses hides what it cannot say.
    let text = text.replace("\"strin\"", "\"string\"").replace("99", "2").replace("\"me\"", "\"nobody\"");
    expect![[r#"
        fleet.json:2:8: parameter `a`: a `choice` without `choices`
          expected: `choices` with `type` `choice`, at least one
        fleet.json:3:39: parameter `b`: `pattern` without `type` `string`
          expected: a pattern of a string only
        fleet.json:4:21: parameter `c`: `pattern` cannot be read: found open group without closing ')'
          expected: a regular expression
        fleet.json:5:37: parameter `d`: its `default` does not fit
          expected: `true` or `false`
        fleet.json:6:21: parameter `e`: `choices` of something else
          expected: `choices` with `type` `choice`, at least one
        5 faults in 1 file"#]]
    .assert_eq(&told(&text));
}
