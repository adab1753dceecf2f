//! An order that breaks its agent off every time: tried so often, then given up, and said.

use std::time::Duration;

use schemas::event::{Data, DeadWork, Scope, WorkDead};
use serde_json::json;

use crate::acts::Act::Exits;
use crate::behaviours::failed;
use crate::lab::{Lab, run};

/// So often an order is tried.
const TRIES: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_breaks_off_every_time_is_given_up_and_said() {
    run(Lab::simulated().await, async |lab: &mut Lab| {
        lab.kill().await;
        lab.start_coordinator().await;
        lab.push(json!({ "bad": lab.task("true", &[Exits(0)]), "good": lab.task("true", &[Exits(0)]) })).await;
        let id = lab.start_run("bad").await;
        let mut queue = lab.orders().await;
        for tried in 1..=TRIES {
            let job = queue.next().await.unwrap();
            assert_eq!((job.command.run, job.deliveries), (id, tried));
            job.retry_after(Duration::from_millis(1)).await.unwrap();
        }
        drop(queue);
        lab.start_agent().await;

        let run = lab.ended(id).await;
        failed(&run, "given up after 51 deliveries: it broke off each time");
        let dead = lab.of_kind("work.dead");
        let [dead] = dead.as_slice() else { panic!("{dead:#?}") };
        let work = DeadWork::Run { run: id };
        let (node, fleet) = (run.node.clone(), lab.fleet.clone());
        assert_eq!(dead.data, Data::WorkDead(WorkDead { node, fleet, work, deliveries: TRIES + 1 }));
        assert_eq!((&dead.scope, dead.cause, &dead.subject), (&Scope::Platform, Some(id), &format!("runs/{id}")));
        assert!(dead.position < lab.of_kind("run.failed")[0].position, "first why, then the end");
        // The node works on.
        let good = lab.ran("good").await;
        assert_eq!(good.error, None);
        assert_eq!(lab.of_kind("work.dead").len(), 1);
    })
    .await;
}
