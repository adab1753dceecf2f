//! Questions have answers, or a reason why not, within their deadline.

use std::time::Duration;

use schemas::query::{Fault, FaultCode, FleetsAnswer, FleetsRequest, NodeLine, NodesAnswer, NodesRequest};
use streams::AskError;
use tokio::task::JoinSet;

use crate::follow::raw;
use crate::support::{LONG, Rig, node, noise, soon};

const SOON: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_small_and_large() {
    let rig = Rig::start().await;
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        // Two that answer share the questions.
        let mut questions = rig.bus.answer::<FleetsRequest>().await.unwrap();
        tasks.spawn(async move {
            while let Some(asked) = questions.next().await {
                let limit = asked.question.limit as usize;
                let line = |nth: usize| schemas::query::FleetLine {
                    fleet: format!("acme/f{nth}").parse().unwrap(),
                    description: None,
                    commit: None,
                    containers: 0,
                    running: 0,
                    rollout: None,
                };
                let fleets = (0..limit).map(line).collect();
                asked.reply(Ok(FleetsAnswer { position: 7, fleets, more: false })).await.unwrap();
            }
        });
    }
    for limit in [0, 1, 5000] {
        let request = FleetsRequest { owners: None, after: None, limit, min_position: 0 };
        let answer = rig.bus.ask(&request, LONG).await.unwrap();
        assert_eq!((answer.position, answer.fleets.len()), (7, limit as usize));
    }
    tasks.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_a_fault_and_silence_are_told_apart() {
    let rig = Rig::start().await;
    let error = rig.bus.ask(&NodesRequest {}, LONG).await.unwrap_err();
    assert!(matches!(error, AskError::NobodyThere { subject: "req.shazam.nodes" }), "{error}");

    let mut questions = rig.bus.answer::<NodesRequest>().await.unwrap();
    let ask = || rig.bus.ask(&NodesRequest {}, SOON);
    let (error, asked) = tokio::join!(ask(), questions.next());
    assert!(matches!(error, Err(AskError::Timeout { within: SOON, .. })), "{error:?}");
    drop(asked);

    let fault = Fault { code: FaultCode::Stopped, message: "cannot read position 7".to_owned() };
    let ask = rig.bus.ask(&NodesRequest {}, LONG);
    let (error, ()) = tokio::join!(ask, async {
        let asked = soon("a question", questions.next()).await.unwrap();
        asked.reply(Err(fault.clone())).await.unwrap();
    });
    assert!(matches!(error, Err(AskError::Fault(seen)) if seen == fault));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_is_a_fault_that_says_so() {
    let rig = Rig::start().await;
    let mut questions = rig.bus.answer::<NodesRequest>().await.unwrap();
    // One does not fit on the wire, the other one would not fit into the other side's memory.
    for away in [noise(20 << 20), "x".repeat(65 << 20)] {
        let ask = rig.bus.ask(&NodesRequest {}, LONG);
        let (error, ()) = tokio::join!(ask, async {
            let asked = soon("a question", questions.next()).await.unwrap();
            asked.reply(Ok(NodesAnswer { nodes: vec![NodeLine { node: node(), away: Some(away) }] })).await.unwrap();
        });
        let Err(AskError::Fault(fault)) = error else { panic!("{error:?}") };
        assert!(fault.message.contains("ask for less"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_cannot_be_read_is_answered_all_the_same() {
    let rig = Rig::start().await;
    let mut questions = rig.bus.answer::<FleetsRequest>().await.unwrap();
    let client = raw(&rig).await.client();
    let ask = client.request("req.registry.fleets", "{".into());
    let answer = tokio::select! {
        answer = ask => answer.unwrap(),
        _ = questions.next() => panic!("it was read"),
    };
    assert!(answer.headers.unwrap().get("fleetlog-fault").is_some());
    let fault: Fault = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(fault.code, FaultCode::BadRequest);
}
