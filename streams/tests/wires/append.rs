//! An event is stored exactly once, behind the one that was expected.

use schemas::event::{Data, Topic};
use streams::{AppendError, Expected, Filter};

use crate::support::{Rig, fleet, noise, opened, refused, soon};

#[tokio::test(flavor = "multi_thread")]
async fn an_appended_event_is_read_back_as_it_was() {
    let rig = Rig::start().await;
    let draft = refused(&fleet("acme/shop"));
    assert_eq!(rig.bus.head().await.unwrap(), 0);
    let position = rig.bus.append(&draft, Expected::At(0)).await.unwrap();
    assert_eq!((position, rig.bus.head().await.unwrap()), (1, 1));
    let event = rig.bus.last_on(&draft.scope, Topic::Git).await.unwrap().unwrap();
    assert_eq!((event.position, &event.draft), (1, &draft));
    assert_eq!(rig.bus.last_on(&draft.scope, Topic::Rollout).await.unwrap(), None);
    assert_eq!(rig.bus.page(0, 10).await.unwrap().events, [event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_event_refuses_ours_for_good() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let theirs = rig.bus.append(&refused(&shop), Expected::At(0)).await.unwrap();
    rig.bus.append(&refused(&fleet("acme/other")), Expected::At(0)).await.unwrap();
    let ours = refused(&shop);
    let error = rig.bus.append(&ours, Expected::At(0)).await.unwrap_err();
    assert!(matches!(error, AppendError::Refused { last } if last == theirs), "{error}");
    assert_eq!(rig.bus.head().await.unwrap(), 2);
    // With what is there now, it goes.
    assert_eq!(rig.bus.append(&ours, Expected::At(theirs)).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_is_not_on_the_subject_is_refused_at_once() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let last = rig.bus.append(&refused(&shop), Expected::At(0)).await.unwrap();
    let other = rig.bus.append(&refused(&fleet("acme/other")), Expected::At(0)).await.unwrap();
    for wrong in [other, 1000] {
        let error = soon("a refusal", rig.bus.append(&refused(&shop), Expected::At(wrong))).await.unwrap_err();
        assert!(matches!(error, AppendError::Refused { last: seen } if seen == last), "{wrong}: {error}");
    }
    assert_eq!(rig.bus.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_lost_answer_is_answered_by_the_first_ones_position() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let draft = refused(&shop);
    let position = rig.bus.append(&draft, Expected::At(0)).await.unwrap();
    // As if the first answer had been lost; the server says "wrong last sequence" to this one.
    assert_eq!(rig.bus.append(&draft, Expected::At(0)).await.unwrap(), position);
    // Also when others went on after it.
    let next = rig.bus.append(&refused(&shop), Expected::At(position)).await.unwrap();
    assert_eq!(rig.bus.append(&draft, Expected::At(0)).await.unwrap(), position);
    // The expectation holds, so the server says "duplicate" to this one: stored before, and only once.
    assert_eq!(rig.bus.append(&draft, Expected::At(next)).await.unwrap(), position);
    assert_eq!(rig.bus.append(&draft, Expected::Any).await.unwrap(), position);
    assert_eq!(rig.bus.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_together_is_stored_together_or_not_at_all() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let batch = || [refused(&shop), refused(&shop), refused(&shop)];
    let [first, rest @ ..] = batch();
    assert_eq!(rig.bus.append_all(&first, &rest, 0).await.unwrap(), 1);
    assert_eq!(rig.bus.head().await.unwrap(), 3);
    let stored: Vec<_> = rig.bus.page(0, 10).await.unwrap().events.into_iter().map(|it| it.draft).collect();
    assert_eq!(stored, [std::slice::from_ref(&first), &rest].concat());
    // As if the answer had been lost.
    assert_eq!(rig.bus.append_all(&first, &rest, 0).await.unwrap(), 1);
    let [other, others @ ..] = batch();
    let error = rig.bus.append_all(&other, &others, 1).await.unwrap_err();
    assert!(matches!(error, AppendError::Refused { last: 2 }), "{error}");
    let [elsewhere, ..] = [refused(&fleet("acme/other"))];
    let error = rig.bus.append_all(&other, &[elsewhere], 3).await.unwrap_err();
    assert!(matches!(error, AppendError::Rejected { .. }), "{error}");
    assert_eq!(rig.bus.head().await.unwrap(), 3);
    assert_eq!(rig.bus.append_all(&other, &others, 3).await.unwrap(), 4);
    assert_eq!(rig.bus.append(&refused(&shop), Expected::At(6)).await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_batches_at_once_exactly_one_wins() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let drafts: Vec<_> = (0..8).map(|_| (refused(&shop), [refused(&shop)])).collect();
    let appends = drafts.iter().map(|(first, rest)| rig.bus.append_all(first, rest, 0));
    let results = futures_util::future::join_all(appends).await;
    let won = results.iter().filter(|it| matches!(it, Ok(1))).count();
    let lost = results.iter().filter(|it| matches!(it, Err(AppendError::Refused { last: 1 }))).count();
    assert_eq!((won, lost), (1, 7), "{results:?}");
    assert_eq!(rig.bus.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_exactly_one_wins() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let drafts: Vec<_> = (0..20).map(|_| refused(&shop)).collect();
    let appends = drafts.iter().map(|draft| rig.bus.append(draft, Expected::At(0)));
    let results = futures_util::future::join_all(appends).await;
    let won = results.iter().filter(|it| it.is_ok()).count();
    let lost = results.iter().filter(|it| matches!(it, Err(AppendError::Refused { last: 1 }))).count();
    assert_eq!((won, lost), (1, 19), "{results:?}");
    assert_eq!(rig.bus.head().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_with_that_reason() {
    let rig = Rig::start().await;
    let mut draft = refused(&fleet("acme/shop"));
    let Data::GitRefused(mut data) = draft.data else { panic!() };
    data.codes = vec![noise(20 << 20)];
    draft.data = Data::GitRefused(data);
    let error = rig.bus.append(&draft, Expected::At(0)).await.unwrap_err();
    let AppendError::TooLarge { bytes, limit, kind } = error else { panic!("{error}") };
    assert_eq!((limit, kind), (8 << 20, "fleetlog.git.refused.v1"));
    assert!(bytes > limit);
    assert_eq!(rig.bus.head().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_is_compressed_on_the_wire_and_whole_when_read() {
    let rig = Rig::start().await;
    let draft = opened(9 << 20);
    rig.bus.append(&draft, Expected::At(0)).await.unwrap();
    let event = soon("the event", rig.bus.follow(Filter::All, 0).next()).await.unwrap();
    assert_eq!(event.draft, draft);
    assert_eq!(rig.bus.page(0, 1).await.unwrap().events[0].draft, draft);
}
