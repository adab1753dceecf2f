//! What the bare client does, for `ops/bench`, which may not name it.

use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt;

use crate::bus::{API_TIMEOUT, Bus};
use crate::catalog::EVENTS;
use crate::clock;
use crate::error::{Cause, ReadError};

impl Bus {
    /// Reads the first `messages` of `EVENTS` by `fetch(500)` without looking at them, and answers their bytes: what the
    /// readers of this crate are measured against.
    #[doc(hidden)]
    pub async fn raw_fetch(&self, messages: u64) -> Result<u64, ReadError> {
        let api = |source: Cause| ReadError::Api { what: EVENTS.to_owned(), source };
        let config = pull::Config {
            name: Some(format!("raw-{}", clock::new_id().simple())),
            ack_policy: AckPolicy::None,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = self.jetstream().create_consumer_on_stream(config, EVENTS).await.map_err(|it| api(it.into()))?;
        let (mut left, mut bytes) = (messages, 0);
        while left > 0 {
            let fetch = consumer.fetch().max_messages(500).expires(API_TIMEOUT);
            let mut batch = fetch.messages().await.map_err(|it| api(it.into()))?;
            let before = left;
            while let Some(message) = batch.next().await {
                bytes += message.map_err(api)?.payload.len() as u64;
                left = left.saturating_sub(1);
            }
            if left == before {
                return Err(api("the server answered with nothing although there is more".into()));
            }
        }
        Ok(bytes)
    }
}
