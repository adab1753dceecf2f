//! The one reader under all others: a consumer that is made anew whenever the connection was lost, the server says that
//! it is gone, or it stops sending signs of life.
//!
//! Pulls rather than being pushed to, so that what waits here is bounded by what was asked for. Nothing polls: a request
//! stays with the server until there is something to answer.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{Message, message};
use futures_util::StreamExt;
use tokio::time::{Instant, Sleep};

use crate::bus::Bus;
use crate::connection::{self, Link};
use crate::error::{Cause, ReadError};

/// How often a server that has nothing to say says so.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one request may wait at the server.
const EXPIRES: Duration = Duration::from_secs(30);
/// The first pause after a failure; doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Pull {
    bus: Bus,
    stream: &'static str,
    /// Messages that may be on their way or wait here.
    batch: usize,
    link: Link,
    pause: Duration,
    state: State,
}

type Making = Pin<Box<dyn Future<Output = Result<pull::Stream, Cause>> + Send>>;

enum State {
    Idle,
    Paused(Pin<Box<Sleep>>),
    Making(Making),
    Reading { messages: Box<pull::Stream>, delivered: u64 },
}

/// A message, and the how-manieth of its consumer it is, counted from 1.
pub(crate) struct Pulled {
    pub message: Message,
    pub nth: u64,
}

impl Pull {
    pub(crate) fn new(bus: Bus, stream: &'static str, batch: usize) -> Self {
        let link = bus.link().clone();
        Self { bus, stream, batch, link, pause: FIRST_PAUSE, state: State::Idle }
    }

    /// The next message of a consumer as `config` describes it; retries for ever. Cancel-safe: what is under way is kept
    /// here, not in the future.
    pub(crate) async fn next(&mut self, config: impl Fn() -> pull::Config) -> Pulled {
        loop {
            match &mut self.state {
                State::Idle => {
                    // However long the connection is away: a request would only wait in the client, and be sent late.
                    // The client cannot be gone, we hold it.
                    let _ = self.link.wait_for(connection::State::is_up).await;
                    let (bus, stream, batch, config) = (self.bus.clone(), self.stream, self.batch, config());
                    self.state = State::Making(Box::pin(make(bus, stream, batch, config)));
                }
                State::Paused(sleep) => {
                    sleep.as_mut().await;
                    self.state = State::Idle;
                }
                State::Making(making) => {
                    let made = tokio::select! {
                        made = making.as_mut() => made,
                        () = connection::changed(&mut self.link) => Err("the connection changed".into()),
                    };
                    match made {
                        Ok(messages) => self.state = State::Reading { messages: Box::new(messages), delivered: 0 },
                        Err(error) => self.fail(&error),
                    }
                }
                State::Reading { messages, delivered } => {
                    let message = tokio::select! {
                        // What is here already first: dropped, a job would come again only after its time is over.
                        biased;
                        message = messages.next() => match message {
                            Some(Ok(message)) => Ok(message),
                            Some(Err(error)) => Err(Cause::from(error)),
                            None => Err("the consumer ended".into()),
                        },
                        () = connection::changed(&mut self.link) => Err("the connection changed".into()),
                    };
                    match message {
                        Ok(message) => {
                            *delivered += 1;
                            self.pause = FIRST_PAUSE;
                            return Pulled { message, nth: *delivered };
                        }
                        Err(error) => self.fail(&error),
                    }
                }
            }
        }
    }

    /// Forgets the consumer: the next message comes from a new one.
    pub(crate) fn restart(&mut self) {
        self.state = State::Idle;
    }

    fn fail(&mut self, error: &Cause) {
        tracing::debug!(stream = self.stream, %error, "reading starts anew");
        if self.pause >= LONGEST_PAUSE {
            tracing::warn!(stream = self.stream, %error, "cannot read; still trying");
        }
        self.state = State::Paused(Box::pin(tokio::time::sleep_until(Instant::now() + self.pause)));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

async fn make(bus: Bus, stream: &'static str, batch: usize, config: pull::Config) -> Result<pull::Stream, Cause> {
    let consumer = bus.jetstream().create_consumer_on_stream(config, stream).await?;
    let messages = consumer.stream().max_messages_per_batch(batch).heartbeat(HEARTBEAT).expires(EXPIRES);
    Ok(messages.messages().await?)
}

/// What the server says about a message's place.
pub(crate) fn place<'a>(message: &'a Message, stream: &'static str) -> Result<message::Info<'a>, ReadError> {
    message.info().map_err(|source| ReadError::Api { what: stream.to_owned(), source })
}

/// A message's sequence in its stream.
pub(crate) fn position(message: &Message, stream: &'static str) -> Result<u64, ReadError> {
    Ok(place(message, stream)?.stream_sequence)
}
