//! Commands wait until they are done; reports and signs of life arrive.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::plan::Action;
use schemas::work::{Beat, Command, Report, StepReport};
use streams::{ReadError, SendError, clock};
use uuid::Uuid;

use crate::follow::raw;
use crate::support::{Rig, node, soon};

pub fn command(step: u32) -> Command {
    Command {
        incarnation: Uuid::nil(),
        epoch: 1,
        fleet: "acme/shop".parse().unwrap(),
        rollout: Uuid::nil(),
        step,
        cause: clock::new_id(),
        position: 1,
        commit: "a".repeat(40).parse().unwrap(),
        container: "api".parse().unwrap(),
        action: Action::Remove,
        target: None,
        keep: None,
    }
}

pub fn report(step: u32) -> Report {
    Report::Step(StepReport {
        fleet: "acme/shop".parse().unwrap(),
        rollout: Uuid::nil(),
        step,
        error: None,
        duration_ms: 3,
        image: None,
        gave_up_after: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_twice_is_done_once_and_then_gone() {
    let rig = Rig::start().await;
    let command = command(0);
    rig.bus.send_work(&node(), &command).await.unwrap();
    rig.bus.send_work(&node(), &command).await.unwrap();
    let mut queue = rig.bus.take_work(&node(), 8).await.unwrap();
    let job = soon("a job", queue.next()).await.unwrap();
    assert_eq!((&job.command, job.deliveries, job.last_delivery), (&command, 1, false));
    job.keep().await.unwrap();
    job.ack().await.unwrap();
    assert_eq!(queued(&rig).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_comes_back_until_its_last_delivery_says_so_and_after_that_too() {
    let rig = Rig::start().await;
    rig.bus.send_work(&node(), &command(0)).await.unwrap();
    let mut queue = rig.bus.take_work(&node(), 8).await.unwrap();
    for delivery in 1..=6 {
        let job = soon("a job", queue.next()).await.unwrap();
        assert_eq!((job.deliveries, job.last_delivery), (delivery, delivery >= 5));
        if delivery == 6 {
            job.give_up().await.unwrap();
        } else {
            job.retry_after(Duration::from_millis(1)).await.unwrap();
        }
    }
    assert_eq!(queued(&rig).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_asked_for_are_in_flight_and_the_order_is_kept() {
    let rig = Rig::start().await;
    for step in 0..6 {
        rig.bus.send_work(&node(), &command(step)).await.unwrap();
    }
    let mut queue = rig.bus.take_work(&node(), 2).await.unwrap();
    let first = soon("a job", queue.next()).await.unwrap();
    let second = soon("a job", queue.next()).await.unwrap();
    assert_eq!((first.command.step, second.command.step), (0, 1));
    // Nothing can show that something never comes; this long is a hundred times longer than it takes.
    assert!(tokio::time::timeout(Duration::from_millis(300), queue.next()).await.is_err());
    first.ack().await.unwrap();
    assert_eq!(soon("a job", queue.next()).await.unwrap().command.step, 2);
    second.ack().await.unwrap();
    assert_eq!(soon("a job", queue.next()).await.unwrap().command.step, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_their_answers_survive_a_killed_server() {
    let rig = Rig::start().await;
    let mut queue = rig.bus.take_work(&node(), 8).await.unwrap();
    rig.bus.send_work(&node(), &command(0)).await.unwrap();
    rig.bus.send_work(&node(), &command(1)).await.unwrap();
    let first = soon("a job", queue.next()).await.unwrap();
    rig.kill_and_wait().await;
    first.ack().await.unwrap();
    rig.bus.send_work(&node(), &command(2)).await.unwrap();
    let mut steps = BTreeSet::new();
    while queued(&rig).await > 0 {
        let job = soon("a job", queue.next()).await.unwrap();
        steps.insert(job.command.step);
        job.ack().await.unwrap();
    }
    // The killed server may have forgotten that it ever handed out the first one: then that one comes once more.
    steps.remove(&0);
    assert_eq!(steps, BTreeSet::from([1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_read_is_taken_off_and_counted() {
    let rig = Rig::start().await;
    raw(&rig).await.publish("work.local", "{".into()).await.unwrap().await.unwrap();
    rig.bus.send_work(&node(), &command(1)).await.unwrap();
    let mut queue = rig.bus.take_work(&node(), 1).await.unwrap();
    let job = soon("a job", queue.next()).await.unwrap();
    assert_eq!((job.command.step, queue.unreadable()), (1, 1));
    job.ack().await.unwrap();
    assert_eq!(queued(&rig).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_in_order_also_after_a_killed_server() {
    let rig = Rig::start().await;
    let mut reports = rig.bus.reports(0);
    let id = clock::new_id();
    assert_eq!(rig.bus.report(&node(), &report(1), id).await.unwrap(), 1);
    assert_eq!(rig.bus.report(&node(), &report(1), id).await.unwrap(), 1);
    assert_eq!(soon("a report", reports.next()).await.unwrap(), (1, node(), report(1)));
    rig.kill_and_wait().await;
    assert_eq!(rig.bus.report(&node(), &report(2), clock::new_id()).await.unwrap(), 2);
    assert_eq!(soon("a report", reports.next()).await.unwrap(), (2, node(), report(2)));
    assert_eq!(soon("a report", rig.bus.reports(1).next()).await.unwrap().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_report_that_cannot_be_read_comes_the_next_one() {
    let rig = Rig::start().await;
    raw(&rig).await.publish("obs.local", "{".into()).await.unwrap().await.unwrap();
    rig.bus.report(&node(), &report(2), clock::new_id()).await.unwrap();
    let mut reports = rig.bus.reports(0);
    let error = soon("an error", reports.next()).await.unwrap_err();
    assert!(matches!(error, ReadError::Decode { stream: "OBS", position: 1, .. }), "{error}");
    assert_eq!(soon("a report", reports.next()).await.unwrap().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_are_heard_and_not_saved_up() {
    let rig = Rig::start_with_a_switch().await;
    let mut beats = rig.bus.beats().await.unwrap();
    let beat = |away: &str| Beat { node: node(), away: Some(away.to_owned()) };
    rig.bus.beat(&beat("a")).await.unwrap();
    assert_eq!(soon("a beat", beats.next()).await, Some(beat("a")));
    let down = rig.folder.path().join("down");
    std::fs::write(&down, "").unwrap();
    rig.signal(rustix::process::Signal::KILL);
    rig.wait_connected(false).await;
    let error = rig.bus.beat(&beat("b")).await.unwrap_err();
    assert!(matches!(error, SendError::Unavailable { .. }), "{error}");
    std::fs::remove_file(&down).unwrap();
    rig.wait_connected(true).await;
    rig.bus.beat(&beat("c")).await.unwrap();
    assert_eq!(soon("a beat", beats.next()).await, Some(beat("c")));
}

async fn queued(rig: &Rig) -> u64 {
    let mut stream = raw(rig).await.get_stream("WORK").await.unwrap();
    stream.info().await.unwrap().state.messages
}
