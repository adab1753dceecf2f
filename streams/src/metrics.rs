//! Samples, on `METRICS`: one message a node and round. Only the newest of a node is of use, so nobody keeps a position.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::response::Response;
use schemas::names::NodeName;
use schemas::sample::Samples;
use serde::Deserialize;
use serde_json::json;

use crate::bus::Bus;
use crate::catalog::{METRICS, metric_subject};
use crate::clock;
use crate::error::{ReadError, SendError};
use crate::publish::message_id;
use crate::pull::{Pull, place};
use crate::reports::message;
use crate::wire;

/// Every node's samples.
const ALL: &str = "metric.*";
/// Messages that a reader has asked for: a round of so many nodes.
const BATCH: usize = 64;

/// How many messages a stream holds by subject, as the server tells it.
#[derive(Deserialize)]
struct Counted {
    state: CountedState,
}

#[derive(Deserialize)]
struct CountedState {
    /// None where it holds none.
    subjects: Option<BTreeMap<String, u64>>,
}

impl Bus {
    /// Publishes one round of one node. What is lost is not sent again later: the next round tells more.
    pub async fn publish_samples(&self, samples: &Samples) -> Result<(), SendError> {
        let message = message(metric_subject(&samples.node), samples)?;
        self.store(message, &message_id(clock::new_id())).await.map(drop)
    }

    /// Samples of all nodes, from each node's newest on; after a reconnect again from there.
    pub fn samples(&self) -> SampleReader {
        SampleReader { pull: Pull::new(self.clone(), METRICS, BATCH) }
    }

    /// How many commands of a work queue (`WORK`, `RUNS`) are not done, by node: those that wait and those under way.
    pub async fn queued(&self, queue: &'static str) -> Result<Vec<(NodeName, u64)>, ReadError> {
        let api = |source: crate::error::Cause| ReadError::Api { what: queue.to_owned(), source };
        let ask = || async {
            let request = json!({ "subjects_filter": ">" });
            let answer = self.jetstream().request(format!("STREAM.INFO.{queue}"), &request).await;
            match answer.map_err(|it| api(it.into()))? {
                Response::Ok(info) => Ok::<Counted, _>(info),
                Response::Err { error } => Err(api(error.into())),
            }
        };
        let subjects = self.reading(queue, ask).await?.state.subjects;
        let node = |subject: &str| subject.split_once('.').and_then(|(_, node)| node.parse().ok());
        let counts = subjects.into_iter().flatten().filter_map(|(subject, count)| Some((node(&subject)?, count)));
        Ok(counts.collect())
    }
}

/// Reads samples as they come.
pub struct SampleReader {
    pull: Pull,
}

impl SampleReader {
    /// The next round of any node, and how old it was when it came. One that cannot be read is an error; after it comes
    /// the next one. Cancel-safe.
    pub async fn next(&mut self) -> Result<(Samples, Duration), ReadError> {
        let message = self.pull.next(reader).await.message;
        let place = place(&message, METRICS)?;
        let (position, published) = (place.stream_sequence, place.published.unix_timestamp_nanos());
        let age = u64::try_from(clock::now().as_nanosecond() - published).unwrap_or(0);
        let samples = wire::decode(message.headers.as_ref(), &message.payload);
        let samples = samples.map_err(|source| ReadError::Decode { stream: METRICS, position, source })?;
        Ok((samples, Duration::from_nanos(age)))
    }
}

/// A consumer that begins with what is newest of each node; gone soon after we are.
fn reader() -> pull::Config {
    pull::Config {
        name: Some(format!("samples-{}", clock::new_id().simple())),
        deliver_policy: DeliverPolicy::LastPerSubject,
        ack_policy: AckPolicy::None,
        filter_subject: ALL.to_owned(),
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_secs(30),
        ..pull::Config::default()
    }
}
