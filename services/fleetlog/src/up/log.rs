//! The platform's own log, on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Where nobody says otherwise: our own words, and of the NATS client only what is wrong.
const DEFAULT: &str = "info,async_nats=warn";

/// Starts it. `filter` goes before `RUST_LOG`.
pub fn start(filter: Option<&str>) -> anyhow::Result<()> {
    let from_env = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let text = filter.or(from_env.as_deref()).filter(|it| !it.trim().is_empty()).unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(text).with_context(|| {
        format!("`{text}` is not a log filter: expected a level such as `debug`, or `target=level,…`")
    });
    let (filter, fault) = match filter {
        Ok(filter) => (filter, None),
        Err(fault) => (EnvFilter::new(DEFAULT), Some(fault)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    fault.map_or(Ok(()), Err)
}
