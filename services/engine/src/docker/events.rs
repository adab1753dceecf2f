//! Docker's event stream as wake-ups. Execs, attaches and the like are filtered out by Docker itself: a health check
//! alone makes three of them a run.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::connection::{CALL, Connection};
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::{HealthStatus, Scope};
use crate::wake::{Action, Kind, Wake, Wakes};

/// What is asked for.
const TYPES: [&str; 3] = ["container", "volume", "network"];
const ACTIONS: [&str; 11] =
    ["create", "start", "die", "stop", "destroy", "health_status", "oom", "rename", "pause", "unpause", "update"];

impl Docker {
    /// See [`crate::Engine::events`].
    pub async fn events(&self, scope: &Scope) -> Result<Wakes, EngineError> {
        // The client opens the stream with the first poll. Docker keeps its last 256 events: starting at its own time
        // of this call closes the gap until then.
        let call = move |client: bollard::Docker| async move { client.info().await };
        let info =
            self.connection.call("ask for Docker's time", CALL, call, classify::refused("ask for Docker's time"));
        let since = info.await?.system_time.as_deref().and_then(super::inspect::nanoseconds);
        let options = EventsOptions {
            since: since.map(|ns| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)),
            until: None,
            filters: Some(HashMap::from([
                ("type".to_owned(), TYPES.map(str::to_owned).to_vec()),
                ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
            ])),
        };
        let mut events = Box::pin(self.connection.client().await?.events(Some(options)));
        // Gets the request on its way while a ping goes there and back, so that the gap is short.
        let first = match select(events.next(), Box::pin(self.ping())).await {
            Either::Left((first, _)) => Some(first),
            Either::Right((pong, _)) => {
                pong?;
                None
            }
        };
        let connection = Arc::clone(&self.connection);
        let scope = scope.clone();
        let head = futures_util::stream::iter(first.map(|first| first.unwrap_or_else(|| Err(ended()))));
        let wakes = head.chain(events).filter_map(move |event| {
            let wake = match event {
                Ok(event) => {
                    wake(event).filter(|wake| wake.kind != Kind::Container || scope.holds(&wake.labels)).map(Ok)
                }
                Err(error) => Some(Err(lost(&connection, error))),
            };
            std::future::ready(wake)
        });
        Ok(Wakes(wakes.boxed()))
    }
}

fn ended() -> bollard::errors::Error {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

fn lost(connection: &Connection, error: bollard::errors::Error) -> EngineError {
    connection.forget();
    classify::plain("follow events", error)
}

/// None for what we did not ask for: some filters of Docker work by prefix.
fn wake(event: EventMessage) -> Option<Wake> {
    let kind = match event.typ? {
        EventMessageTypeEnum::CONTAINER => Kind::Container,
        EventMessageTypeEnum::VOLUME => Kind::Volume,
        EventMessageTypeEnum::NETWORK => Kind::Network,
        _ => return None,
    };
    let action = action(event.action.as_deref()?)?;
    let actor = event.actor?;
    let (id, mut attributes) = (actor.id?, actor.attributes.unwrap_or_default());
    let name = attributes.remove("name").unwrap_or_else(|| id.clone());
    let exit_code = attributes.remove("exitCode").and_then(|code| code.parse().ok());
    // Docker mixes its own attributes with the labels.
    for own in ["image", "execDuration", "signal"] {
        attributes.remove(own);
    }
    Some(Wake {
        kind,
        action,
        id,
        name,
        labels: attributes.into_iter().collect(),
        at_ns: event.time_nano?,
        exit_code: exit_code.filter(|_| action == Action::Die),
    })
}

fn action(word: &str) -> Option<Action> {
    Some(match word {
        "create" => Action::Create,
        "start" => Action::Start,
        "die" => Action::Die,
        "stop" => Action::Stop,
        "destroy" => Action::Destroy,
        "oom" => Action::Oom,
        "rename" => Action::Rename,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "update" => Action::Update,
        "health_status: starting" => Action::Health(HealthStatus::Starting),
        "health_status: healthy" => Action::Health(HealthStatus::Healthy),
        "health_status: unhealthy" => Action::Health(HealthStatus::Unhealthy),
        _ => return None,
    })
}
