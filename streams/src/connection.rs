//! One connection to the server, and what is known about its state.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, connection};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::access::Access;
use crate::error::ConnectError;

/// Messages that a subscription holds before the client drops some. Readers never ask for that many.
const SUBSCRIPTION_MESSAGES: usize = 4096;
/// Commands that wait for the connection's task.
const CLIENT_COMMANDS: usize = 1024;
/// How soon a server that hangs is noticed: after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// What the connection's events say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct State {
    /// Whether the last one was a connection.
    up: bool,
    /// How many there were; a new value means that what was in flight may be lost.
    changes: u64,
}

impl State {
    /// Whether there is a connection.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }
}

/// Follows the connection's state.
pub(crate) type Link = watch::Receiver<State>;

/// Connects as the user that `access` stands for, with its inbox; reconnects for ever from then on.
pub(crate) async fn connect(access: &Access) -> Result<(Client, Link), ConnectError> {
    let (role, credentials) = (access.user.name(), access.credentials());
    let (state, mut link) = watch::channel(State::default());
    let mut options = ConnectOptions::new()
        .name(format!("fleetlog {role}"))
        .custom_inbox_prefix(access.user.inbox())
        .subscription_capacity(SUBSCRIPTION_MESSAGES)
        .client_capacity(CLIENT_COMMANDS)
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(Duration::from_secs(5)))
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            tell(role, &event);
            if matches!(event, Event::Connected | Event::Disconnected | Event::Closed) {
                state.send_modify(|it| {
                    it.up = event == Event::Connected;
                    it.changes += 1;
                });
            }
            std::future::ready(())
        });
    if !credentials.user.is_empty() {
        options = options.user_and_password(credentials.user, credentials.password);
    }
    let client = options
        .connect(access.url.as_str())
        .await
        .map_err(|source| ConnectError::Connect { url: access.url.clone(), source: source.into() })?;
    // The event of this first connection is on its way; seen later, it would look like a reconnect.
    let first = async { link.wait_for(|state| state.up).await.map(drop) };
    match timeout(Duration::from_secs(5), first).await {
        Ok(Ok(())) => Ok((client, link)),
        Ok(Err(source)) => Err(ConnectError::Connect { url: access.url.clone(), source: source.into() }),
        Err(source) => Err(ConnectError::Connect { url: access.url.clone(), source: source.into() }),
    }
}

/// A server on this machine is back within a fraction of a second; one that stays away is asked once a second.
fn reconnect_delay(attempts: usize) -> Duration {
    match attempts {
        0 | 1 => Duration::from_millis(5),
        2..=50 => Duration::from_millis(20),
        51..=100 => Duration::from_millis(100),
        _ => Duration::from_secs(1),
    }
}

fn tell(role: &'static str, event: &Event) {
    match event {
        Event::Connected => tracing::info!(user = role, "connected to the message bus"),
        Event::Disconnected => tracing::warn!(user = role, "connection to the message bus is lost; reconnecting"),
        // A permission violation shows up here only: who asked just waits until its time is over.
        Event::ServerError(error) => tracing::error!(user = role, %error, "the server refuses something"),
        Event::SlowConsumer(subscription) => {
            tracing::error!(user = role, subscription, "a subscription is full, messages were dropped");
        }
        Event::ClientError(error) => tracing::debug!(user = role, %error, "the client reports an error"),
        other => tracing::debug!(user = role, event = %other, "connection"),
    }
}

/// Whether there is a connection, as far as anybody can know: the client and its events tell within microseconds of each
/// other, in no certain order.
pub(crate) fn is_up(client: &Client, link: &Link) -> bool {
    client.connection_state() == connection::State::Connected || link.borrow().up
}

/// Waits until there is a connection; `false`: the deadline came first.
pub(crate) async fn up_before(link: &Link, deadline: Instant) -> bool {
    let mut link = link.clone();
    matches!(timeout_at(deadline, link.wait_for(|state| state.up)).await, Ok(Ok(_)))
}

/// Returns when the connection went down, or up again, since `link` was last marked as seen.
pub(crate) async fn changed(link: &mut Link) {
    if link.changed().await.is_err() {
        // The client is gone, and everything that waits for it with it: others will tell.
        std::future::pending::<()>().await;
    }
}
