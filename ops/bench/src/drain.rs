//! The log's bulk reader, decoding, against the bare reading of the log.

use std::fs::File;
use std::time::Instant;

use anyhow::Context;
use schemas::event::{Data, Draft, GitRefused, RefUpdate, Refusal, Scope};
use streams::{Bus, Expected, Server, ServerConfig, Users, clock};
use tokio::task::JoinSet;

use crate::report::{Report, Row};

/// Appends under way.
const APPENDS: usize = 256;

/// Reads so many events both ways.
pub fn row(events: u64, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(measure(events, pairs, report))
}

async fn measure(events: u64, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let lock = File::create(folder.path().join("lock"))?;
    let program = streams::find_server(None, &[tests::root().join("ops/.tools/bin")])?.path;
    let config = ServerConfig { program, store: folder.path().join("nats"), lock, users: Users::Tests };
    let server = Server::start(config).await?;
    streams::provision(&server.access()).await?;
    let bus = Bus::connect(&server.access()).await?;
    fill(&bus, events).await?;
    let mut row = Row::new(
        &format!("{events} events read in bulk, decoded"),
        "`fetch(500)` without acknowledgement, not decoded",
    );
    for pair in 0..pairs {
        let (mut ours, mut theirs) = (0.0, 0.0);
        // Who goes first changes from pair to pair.
        for turn in 0..2 {
            let begun = Instant::now();
            let took = if (turn + pair) % 2 == 0 {
                let mut drain = bus.drain(0, events);
                while drain.next().await?.is_some() {}
                &mut ours
            } else {
                bus.raw_fetch(events).await?;
                &mut theirs
            };
            *took = begun.elapsed().as_secs_f64() * 1_000.0;
        }
        row.add(ours, theirs);
    }
    report.rows.push(row);
    server.stop().await;
    Ok(())
}

async fn fill(bus: &Bus, events: u64) -> anyhow::Result<()> {
    let mut under_way = JoinSet::new();
    for index in 0..events {
        if under_way.len() >= APPENDS {
            under_way.join_next().await.context("nothing is under way")???;
        }
        let (bus, draft) = (bus.clone(), draft(index)?);
        under_way.spawn(async move { bus.append(&draft, Expected::Any).await });
    }
    for end in under_way.join_all().await {
        end?;
    }
    Ok(())
}

/// About 300 bytes of data, as most events have.
fn draft(index: u64) -> anyhow::Result<Draft> {
    let update = RefUpdate {
        name: format!("refs/heads/b{index}"),
        old: Some(format!("{index:040x}").parse()?),
        new: Some(format!("{:040x}", index + 1).parse()?),
    };
    let data = GitRefused { refs: vec![update], refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 1 };
    Ok(Draft {
        id: clock::new_id(),
        scope: Scope::Fleet(format!("acme/fleet-{}", index % 20).parse()?),
        subject: "refs/heads/main".to_owned(),
        time: clock::now(),
        actor: "admin".to_owned(),
        cause: None,
        data: Data::GitRefused(data),
    })
}
