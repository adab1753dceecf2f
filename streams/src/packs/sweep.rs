//! Erases packs that no event refers to: left by pushes that were refused, or died, after their pack was stored.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::response::Response;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::PACK;
use crate::bus::{API_TIMEOUT, Bus};
use crate::catalog::PACKS;
use crate::clock;
use crate::error::{Cause, PackError, ReadError};
use crate::pull::place;

/// Headers asked for at a time.
const BATCH: usize = 500;

/// What a server adds to what it tells about a stream: what time it is there.
#[derive(Deserialize)]
struct Told {
    ts: Timestamp,
}

async fn server_time(bus: &Bus) -> Result<Timestamp, ReadError> {
    let api = |source: Cause| ReadError::Api { what: PACKS.to_owned(), source };
    match bus.jetstream().request(format!("STREAM.INFO.{PACKS}"), &()).await.map_err(|it| api(it.into()))? {
        Response::Ok(Told { ts }) => Ok(ts),
        Response::Err { error } => Err(api(error.into())),
    }
}

/// What is known about a pack without a reference.
#[derive(Default)]
struct Loose {
    chunks: Vec<u64>,
    newest_ns: i128,
}

impl Bus {
    /// Erases, down to the bytes on disk, every pack that is not in `referenced` and whose newest chunk is older than
    /// `older_than` by the clock of the server, which also stamps the chunks; answers how many. What has no pack's id is
    /// left alone.
    pub async fn sweep_packs(&self, referenced: &HashSet<Uuid>, older_than: Duration) -> Result<usize, PackError> {
        let sweep = |source| PackError::Sweep { source };
        let loose = self.reading(PACKS, || self.loose_packs(referenced)).await.map_err(sweep)?;
        let now = self.reading(PACKS, || server_time(self)).await.map_err(sweep)?;
        let limit = now.as_nanosecond() - i128::try_from(older_than.as_nanos()).unwrap_or(i128::MAX);
        let mut erased = 0;
        for (id, pack) in loose.into_iter().filter(|(_, pack)| pack.newest_ns < limit) {
            for &sequence in &pack.chunks {
                self.erase(PACKS, sequence).await.map_err(sweep)?;
            }
            tracing::info!(%id, chunks = pack.chunks.len(), "erased a pack that nothing refers to");
            erased += 1;
        }
        Ok(erased)
    }

    async fn loose_packs(&self, referenced: &HashSet<Uuid>) -> Result<HashMap<Uuid, Loose>, ReadError> {
        let api = |source: Cause| ReadError::Api { what: PACKS.to_owned(), source };
        let config = pull::Config {
            name: Some(format!("sweep-{}", clock::new_id().simple())),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            headers_only: true,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(30),
            ..pull::Config::default()
        };
        let made = self.jetstream().create_consumer_on_stream(config, PACKS).await;
        let consumer = made.map_err(|it| api(it.into()))?;
        let mut loose: HashMap<Uuid, Loose> = HashMap::new();
        let mut pending = consumer.cached_info().num_pending;
        while pending > 0 {
            let fetch = consumer.fetch().max_messages(BATCH).expires(API_TIMEOUT);
            let mut batch = fetch.messages().await.map_err(|it| api(it.into()))?;
            let before = pending;
            while let Some(message) = batch.next().await {
                let message = message.map_err(api)?;
                let place = place(&message, PACKS)?;
                pending = place.pending;
                let id = message.headers.as_ref().and_then(|it| it.get(PACK)?.as_str().parse::<Uuid>().ok());
                if let Some(id) = id.filter(|id| !referenced.contains(id)) {
                    let pack = loose.entry(id).or_default();
                    pack.chunks.push(place.stream_sequence);
                    pack.newest_ns = pack.newest_ns.max(place.published.unix_timestamp_nanos());
                }
            }
            if pending == before {
                return Err(api("the server answered with nothing although there is more".into()));
            }
        }
        let name = &consumer.cached_info().name;
        if let Err(error) = self.jetstream().delete_consumer_from_stream(name, PACKS).await {
            tracing::debug!(%error, name, "the sweeper's reader is left to the server to remove");
        }
        Ok(loose)
    }
}
