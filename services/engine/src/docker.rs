//! A real engine, over its HTTP API.
//! Reads and writes what it is told to; keeps nothing but the connection's address and the API version.

mod classify;
mod connection;
mod containers;
mod copies;
mod create;
mod events;
mod exec;
mod files;
mod images;
mod inspect;
mod networks;
mod records;
mod stats;
mod steps;
mod volumes;

use std::sync::Arc;

use self::connection::Connection;

/// A real engine.
#[derive(Debug, Clone)]
pub struct Docker {
    connection: Arc<Connection>,
}

impl Docker {
    /// The engine at `url` (`unix://…` or `tcp://…`), else at `DOCKER_HOST`, else at the local socket. Connects with
    /// the first call, and again whenever the engine was away: that it is away now is no error here.
    pub fn connect(url: Option<&str>) -> Self {
        Self { connection: Arc::new(Connection::new(url)) }
    }

    /// Where the engine is looked for.
    pub fn url(&self) -> &str {
        self.connection.url()
    }
}
