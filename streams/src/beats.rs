//! Signs of life of agents: sent to whoever listens, never stored.

use async_nats::Subscriber;
use futures_util::StreamExt;
use schemas::work::Beat;

use crate::bus::Bus;
use crate::catalog::beat_subject;
use crate::error::{ReadError, SendError};
use crate::reports::message;
use crate::wire;

const ALL: &str = "beat.*";
const BEAT: &str = "beat.";

impl Bus {
    /// Sends a sign of life. Says nothing about whether anybody heard it.
    pub async fn beat(&self, beat: &Beat) -> Result<(), SendError> {
        let message = message(beat_subject(&beat.node), beat)?;
        let subject = message.subject;
        if !self.is_connected() {
            // Sent after the reconnect, it would tell about the past.
            return Err(SendError::Unavailable { subject });
        }
        let sent = self.client().publish_with_headers(subject.clone(), message.headers, message.body).await;
        sent.map_err(|error| {
            tracing::debug!(%error, subject, "a sign of life was not sent");
            SendError::Unavailable { subject }
        })
    }

    /// Signs of life of all nodes from now on.
    pub async fn beats(&self) -> Result<Beats, ReadError> {
        let api = |source: crate::error::Cause| ReadError::Api { what: ALL.to_owned(), source };
        let subscriber = self.client().subscribe(ALL).await.map_err(|it| api(it.into()))?;
        // Back only once the server knows of it: what is sent from here on is heard.
        self.round_trip().await.map_err(api)?;
        Ok(Beats { subscriber })
    }
}

/// Hears signs of life.
pub struct Beats {
    subscriber: Subscriber,
}

impl Beats {
    /// The next one; `None`: the connection was closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<Beat> {
        loop {
            let message = self.subscriber.next().await?;
            if !message.subject.starts_with(BEAT) {
                tracing::error!(subject = %message.subject, "no sign of life, but a stored message");
                continue;
            }
            match wire::decode(message.headers.as_ref(), &message.payload) {
                Ok(beat) => return Some(beat),
                Err(error) => tracing::error!(subject = %message.subject, %error, "a sign of life cannot be read"),
            }
        }
    }
}
