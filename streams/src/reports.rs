//! What agents answer and see, on `OBS`: stored for a day, read in order by the coordinator.

use async_nats::HeaderMap;
use schemas::names::NodeName;
use schemas::work::Report;
use uuid::Uuid;

use crate::bus::Bus;
use crate::catalog::{OBS, obs_subject};
use crate::error::{ReadError, SendError};
use crate::follow::Tail;
use crate::publish::{Message, message_id};
use crate::wire::{self, Unreadable, Unwritable};

impl Bus {
    /// Stores a report and answers its sequence in `OBS`. The same `id` is stored once, however often it is sent within
    /// two minutes.
    pub async fn report(&self, node: &NodeName, report: &Report, id: Uuid) -> Result<u64, SendError> {
        let message = message(obs_subject(node), report)?;
        self.store(message, &message_id(id)).await
    }

    /// Reports of all nodes after sequence `after` of `OBS`, as far as they are still kept.
    pub fn reports(&self, after: u64) -> Reports {
        Reports { tail: Tail::new(self.clone(), OBS, None, after) }
    }
}

/// Reads reports as they come.
pub struct Reports {
    tail: Tail,
}

impl Reports {
    /// The next report with its sequence in `OBS`. After one that cannot be read comes the next one. Cancel-safe.
    pub async fn next(&mut self) -> Result<(u64, NodeName, Report), ReadError> {
        let (sequence, message) = self.tail.next().await?;
        let decoded = node(&message.subject)
            .and_then(|node| Ok((node, wire::decode(message.headers.as_ref(), &message.payload)?)))
            .map_err(|source| ReadError::Decode { stream: OBS, position: sequence, source })?;
        Ok((sequence, decoded.0, decoded.1))
    }
}

fn node(subject: &str) -> Result<NodeName, Unreadable> {
    let node = subject.strip_prefix("obs.").and_then(|it| it.parse().ok());
    node.ok_or_else(|| Unreadable::Subject { seen: subject.to_owned(), expected: "`obs.<node>`" })
}

/// A message with `value` as its body.
pub(crate) fn message<T: serde::Serialize>(subject: String, value: &T) -> Result<Message, SendError> {
    let mut headers = HeaderMap::new();
    match wire::encode(value, &mut headers) {
        Ok(body) => Ok(Message { subject, headers, body: body.into() }),
        Err(Unwritable::TooLarge { bytes, limit }) => Err(SendError::TooLarge { subject, bytes, limit }),
        Err(Unwritable::Json(source)) => Err(SendError::Encode { subject, source }),
    }
}
