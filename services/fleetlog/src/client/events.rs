//! `fleetlog events [-f]`: the log.

use std::time::Duration;

use schemas::event::Shown;
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::out;
use super::remote::{Patience, Remote};
use crate::cli::EventsOptions;

/// One request waits no longer than this for news.
const REQUEST: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Page {
    events: Vec<Shown>,
    next: Option<String>,
    position: u64,
}

/// Shows the log up to its end, and with `-f` what comes after.
pub fn run(options: &EventsOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let mut after = options.after;
    // Where the log has to be before an answer is of use: the platform waits for it, so that nobody polls.
    let mut wanted = 0;
    let mut patience = Patience::default();
    loop {
        let reply = match remote.get_once_at("/v1/events", &query(options, after), wanted, REQUEST) {
            Err(failure @ Failure::NotReachable(_)) if wanted > 0 => {
                patience.bear(failure)?;
                continue;
            }
            reply => reply?,
        };
        patience.rest();
        let Some(reply) = reply else { continue };
        let page: Page = reply.read()?;
        for event in &page.events {
            show(event, options.json)?;
        }
        after = match &page.next {
            Some(next) => next.parse().map_err(|_| Failure::Failed(format!("`{next}` is no position")))?,
            None if !options.follow => return Ok(()),
            None => after.max(page.position),
        };
        wanted = if page.next.is_some() { 0 } else { after + 1 };
    }
}

fn query(options: &EventsOptions, after: u64) -> Vec<(&'static str, String)> {
    let mut query = vec![("after", after.to_string()), ("limit", "1000".to_owned())];
    query.extend(options.kind.clone().map(|it| ("type", it)));
    query.extend(options.fleet.as_ref().map(|it| ("fleet", it.to_string())));
    query
}

fn show(event: &Shown, json: bool) -> Result<(), Failure> {
    if json {
        return out::json(event);
    }
    let kind = event.kind.strip_prefix("fleetlog.").unwrap_or(&event.kind);
    let kind = kind.rsplit_once(".v").map_or(kind, |(name, _)| name);
    let whose = event.source.strip_prefix("/v1/fleets/").unwrap_or("platform");
    let mut line =
        format!("{:>6}  {:.3}  {kind:<20}  {whose}  {}  by {}", event.position, event.time, event.subject, event.actor);
    for (name, value) in ["commit", "status", "error", "reason", "codes", "exit_code"].map(|it| (it, &event.data[it])) {
        match value {
            Value::Null => {}
            Value::String(text) if name == "commit" => line.push_str(&format!("  {name} {}", out::short(Some(text)))),
            Value::String(text) => line.push_str(&format!("  {name} {text}")),
            other => line.push_str(&format!("  {name} {other}")),
        }
    }
    out::line(&line)
}
