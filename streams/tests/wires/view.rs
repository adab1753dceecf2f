//! A view holds what the log says, and says where it is.

use std::time::Duration;

use async_nats::HeaderMap;
use schemas::event::Event;
use streams::{Behind, Expected, Projection, View};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::follow::raw;
use crate::support::{LONG, Rig, fleet, refused, soon};

#[derive(Default)]
struct Count(Vec<u64>);

impl Projection for Count {
    fn apply(&mut self, event: &Event) {
        self.0.push(event.position);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_catches_up_keeps_up_and_can_be_waited_for() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    for _ in 0..50 {
        rig.bus.append(&refused(&shop), Expected::Any).await.unwrap();
    }
    let view = View::new(Count::default());
    assert_eq!(
        view.at_least(1, Duration::from_millis(10)).await,
        Err(Behind::Late { position: 0, wanted: 1, within: Duration::from_millis(10) })
    );
    let (mut tasks, shutdown) = (JoinSet::new(), CancellationToken::new());
    let running = view.clone();
    let (bus, token) = (rig.bus.clone(), shutdown.clone());
    tasks.spawn(async move { running.run(bus, token).await });
    view.at_least(50, LONG).await.unwrap();
    rig.kill_and_wait().await;
    let position = rig.bus.append(&refused(&shop), Expected::Any).await.unwrap();
    view.at_least(position, LONG).await.unwrap();
    assert!(view.read(|count, at| count.0 == (1..=51).collect::<Vec<_>>() && at == 51));
    assert_eq!((view.position(), *view.positions().borrow(), view.stopped()), (51, 51, None));
    shutdown.cancel();
    soon("the end", tasks.join_next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_stops_on_what_it_cannot_read_and_says_why() {
    let rig = Rig::start().await;
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "2.0");
    raw(&rig).await.publish_with_headers("sys._platform.log", headers, "{}".into()).await.unwrap().await.unwrap();
    let view = View::new(Count::default());
    soon("the end", view.run(rig.bus.clone(), CancellationToken::new())).await.unwrap_err();
    let reason = "cannot read position 2 of `EVENTS`: header `ce-specversion` is Some(\"2.0\"), expected `1.0`";
    assert_eq!(view.stopped().as_deref(), Some(reason));
    view.at_least(1, LONG).await.unwrap();
    let behind = soon("an answer", view.at_least(2, LONG)).await.unwrap_err();
    assert_eq!(behind, Behind::Stopped { position: 1, wanted: 2, reason: reason.to_owned() });
}
