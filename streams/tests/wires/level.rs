//! How full the log is, is said in the log.

use std::time::Duration;

use schemas::event::{Data, Level, LevelRaised, Scope, Topic};
use streams::{Bus, Expected, Filter, LevelWatch, Server, Thresholds, clock, provision};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::follow::raw;
use crate::provision::{maker, streams_of_the_version_before};
use crate::support::{Rig, config, fleet, noise, opened, program, refused, soon, until};

/// A log in which one stream has a limit, as an operator may set one.
async fn limited(stream: &str, max_bytes: i64) -> Rig {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    let mut wanted = streams_of_the_version_before().into_iter().find(|it| it.name == stream).unwrap();
    wanted.max_bytes = max_bytes;
    maker(&server.access()).await.create_stream(wanted).await.unwrap();
    let incarnation = provision(&server.access()).await.unwrap();
    let bus = Bus::connect(&server.access()).await.unwrap();
    Rig { server, bus, incarnation, folder }
}

/// Every change of level that the log tells.
async fn told(bus: &Bus) -> Vec<LevelRaised> {
    let last = bus.last_on(&Scope::Platform, Topic::Level).await.unwrap().map_or(0, |it| it.position);
    let mut follow = bus.follow(Filter::Subject(Scope::Platform, Topic::Level), 0);
    let (mut told, mut at) = (Vec::new(), 0);
    while at < last {
        let event = soon("a level", follow.next()).await.unwrap();
        at = event.position;
        let Data::LevelRaised(it) = event.draft.data else { panic!("{event:?}") };
        assert_eq!(event.draft.subject, format!("streams/{}", it.stream));
        told.push(it);
    }
    told
}

fn levels(told: &[LevelRaised]) -> Vec<Level> {
    told.iter().map(|it| it.level).collect()
}

fn watch(rig: &Rig) -> LevelWatch {
    LevelWatch::new(rig.bus.clone(), Some(rig.server.room()), Thresholds::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_level_is_told_once() {
    const MAX: u64 = 400_000;
    let rig = limited("EVENTS", MAX.cast_signed()).await;
    let raw = raw(&rig).await;
    let mut watch = watch(&rig);
    let mut grow = async |percent: u64| {
        while raw.get_stream("EVENTS").await.unwrap().cached_info().state.bytes * 100 < MAX * percent {
            rig.bus.append(&opened(1_000), Expected::Any).await.unwrap();
        }
        watch.look().await.unwrap();
        watch.look().await.unwrap();
        told(&rig.bus).await
    };
    assert_eq!(grow(0).await, []);
    assert_eq!(grow(80).await, []);
    let warned = grow(86).await;
    assert_eq!(levels(&warned), [Level::Warning]);
    assert_eq!((warned[0].stream.as_str(), warned[0].max_bytes), ("EVENTS", MAX));
    let percent = warned[0].bytes * 100 / MAX;
    assert!((85..90).contains(&percent), "{percent} %");
    assert_eq!(levels(&grow(96).await), [Level::Warning, Level::Critical]);
    // One that starts later, such as after a restart, has nothing to add: it knows what was said before.
    self::watch(&rig).look().await.unwrap();
    assert_eq!(told(&rig.bus).await.len(), 2);
    // There is room yet for what undoes something.
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_goes_down_again_when_somebody_makes_room() {
    let rig = limited("PACKS", 4 << 20).await;
    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(watch(&rig).run(Duration::from_millis(20), shutdown.clone()));
    let reaches = async |wanted: Level| {
        let look = || async {
            let told = told(&rig.bus).await;
            told.last().filter(|it| it.level == wanted).map(drop).ok_or(format!("{told:?}"))
        };
        until("the level", look).await;
    };
    let pack = noise(3_950 << 10);
    rig.bus.store_pack(&"acme/shop".parse().unwrap(), clock::new_id(), pack.as_bytes()).await.unwrap();
    reaches(Level::Critical).await;
    assert_eq!(rig.bus.sweep_packs(&[].into(), Duration::ZERO).await.unwrap(), 1);
    reaches(Level::Normal).await;
    assert!(told(&rig.bus).await.iter().all(|it| it.stream == "PACKS"));
    shutdown.cancel();
    soon("the watch's end", tasks.join_all()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_limit_the_disk_counts() {
    let rig = Rig::start().await;
    watch(&rig).look().await.unwrap();
    assert_eq!(told(&rig.bus).await, [], "the disk of this machine is full");
    // Of a server that somebody else runs, without limits, nothing is known.
    LevelWatch::new(rig.bus.clone(), None, Thresholds::default()).look().await.unwrap();
    // However little the log holds: from so much on it is full.
    let thresholds = Thresholds { warning: 0, critical: 0, back: 0 };
    LevelWatch::new(rig.bus.clone(), Some(rig.server.room()), thresholds).look().await.unwrap();
    let told = told(&rig.bus).await;
    assert_eq!(
        told.iter().map(|it| (it.stream.as_str(), it.level)).collect::<Vec<_>>(),
        [("EVENTS", Level::Critical), ("PACKS", Level::Critical)]
    );
    let disk = rustix::fs::statvfs(rig.folder.path()).unwrap();
    assert!(told[0].max_bytes > 0 && told[0].max_bytes <= disk.f_blocks * disk.f_frsize, "{told:?}");
}
