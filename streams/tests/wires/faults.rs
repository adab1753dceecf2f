//! Appends while the server hangs, dies or is away.

use rustix::process::Signal;
use schemas::event::Draft;
use std::time::Duration;
use streams::{AppendError, Bus, Expected};
use tokio::task::JoinSet;

use crate::support::{LONG, Rig, fleet, refused, soon, until};

/// Ids of the whole log, in its order.
async fn ids(bus: &Bus) -> Vec<uuid::Uuid> {
    let mut ids = Vec::new();
    loop {
        let page = bus.page(ids.len() as u64, 1000).await.unwrap();
        ids.extend(page.events.iter().map(|it| it.id));
        if !page.more() {
            return ids;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_past_the_deadline_leaves_the_outcome_unknown() {
    let rig = Rig::start().await;
    let draft = refused(&fleet("acme/shop"));
    rig.hang().await;
    let quick = rig.bus.with_deadline(Duration::from_millis(800));
    let error = soon("the deadline", quick.append(&draft, Expected::At(0))).await.unwrap_err();
    assert!(matches!(error, AppendError::Unknown { id } if id == draft.id), "{error}");
    assert_eq!(error.to_string(), format!("outcome unknown, event {}", draft.id));
    rig.signal(Signal::CONT);
    // Whatever became of it, asking again tells, and it is there once.
    assert_eq!(rig.bus.append(&draft, Expected::At(0)).await.unwrap(), 1);
    rig.bus.append(&refused(&fleet("acme/other")), Expected::At(0)).await.unwrap();
    assert_eq!(ids(&rig.bus).await[0], draft.id);
    assert_eq!(rig.bus.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_for_a_while_is_waited_for() {
    let rig = Rig::start().await;
    let draft = refused(&fleet("acme/shop"));
    let patient = rig.bus.with_deadline(Duration::from_secs(4));
    rig.hang().await;
    let append = async { patient.append(&draft, Expected::At(0)).await };
    // Longer than one attempt, which is a quarter of the deadline: the first one's answer comes too late.
    let wake = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        rig.signal(Signal::CONT);
    };
    let (result, ()) = tokio::join!(append, wake);
    assert_eq!(result.unwrap(), 1);
    assert_eq!(rig.bus.head().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_nothing_is_sent_and_nothing_is_stored_later() {
    let rig = Rig::start_with_a_switch().await;
    let shop = fleet("acme/shop");
    rig.bus.append(&refused(&shop), Expected::At(0)).await.unwrap();
    let down = rig.folder.path().join("down");
    std::fs::write(&down, "").unwrap();
    rig.signal(Signal::KILL);
    rig.wait_connected(false).await;
    for expected in [Expected::At(1), Expected::Any] {
        let error = soon("an answer", rig.bus.append(&refused(&shop), expected)).await.unwrap_err();
        assert!(matches!(error, AppendError::Unavailable), "{error}");
    }
    std::fs::remove_file(&down).unwrap();
    rig.wait_connected(true).await;
    // What waited in the client would have been sent before this.
    let last = refused(&shop);
    let position =
        until("an append", || async { rig.bus.append(&last, Expected::At(1)).await.map_err(|it| it.to_string()) });
    assert_eq!(position.await, 2);
    assert_eq!(rig.bus.head().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_there_once_and_in_order_however_often_the_server_is_killed() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let drafts: Vec<Draft> = (0..400).map(|_| refused(&shop)).collect();
    let mut tasks = JoinSet::new();
    let (bus, wanted) = (rig.bus.clone(), drafts.clone());
    tasks.spawn(async move {
        let mut last = 0;
        let mut unknown = 0;
        for draft in &wanted {
            // Both errors leave it to us to ask again; a refusal would be a lie, nobody else is here.
            last = until("an append", || async {
                match bus.append(draft, Expected::At(last)).await {
                    Err(error @ (AppendError::Refused { .. } | AppendError::Rejected { .. })) => panic!("{error}"),
                    result => result.map_err(|it| it.to_string()),
                }
            })
            .await;
            unknown += 1;
        }
        unknown
    });
    let mut kills = 0;
    let appended = loop {
        tokio::select! {
            done = tasks.join_next() => break done.unwrap().unwrap(),
            () = tokio::time::sleep(Duration::from_millis(60)) => {
                if kills < 6 && rig.server.pid().is_some() {
                    rig.kill_and_wait().await;
                    kills += 1;
                }
            }
        }
    };
    assert_eq!(appended, 400);
    assert!(kills > 0, "the server was not killed once");
    let expected: Vec<_> = drafts.iter().map(|it| it.id).collect();
    assert_eq!(ids(&rig.bus).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn observations_are_there_once_however_often_the_server_is_killed() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (bus, shop) = (rig.bus.clone(), shop.clone());
        tasks.spawn(async move {
            let mut positions = Vec::new();
            for _ in 0..40 {
                let draft = refused(&shop);
                let append = || async { bus.append(&draft, Expected::Any).await.map_err(|it| it.to_string()) };
                positions.push((until("an append", append).await, draft.id));
            }
            positions
        });
    }
    rig.kill_and_wait().await;
    rig.kill_and_wait().await;
    let mut positions: Vec<_> = tokio::time::timeout(LONG, tasks.join_all()).await.unwrap().concat();
    positions.sort_unstable();
    let answered: Vec<_> = positions.iter().map(|it| it.1).collect();
    assert_eq!(ids(&rig.bus).await, answered);
}
