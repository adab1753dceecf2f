//! `fleetlog events [-f]`: the log.

use schemas::event::Shown;
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::out;
use super::remote::{Patience, Remote};
use crate::cli::EventsOptions;

/// Events in one page.
const LIMIT: u32 = 1_000;

#[derive(Deserialize)]
struct Page {
    events: Vec<Shown>,
    next: Option<String>,
}

/// Shows the log up to its end, and with `-f` what comes after.
pub fn run(options: &EventsOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    if options.follow {
        return follow(&remote, options);
    }
    let mut after = options.after;
    loop {
        let page: Page = remote.get("/v1/events", &query(options, after, Some(LIMIT)), 0)?.read()?;
        for event in &page.events {
            show(event, options.json)?;
        }
        let Some(next) = page.next else { return Ok(()) };
        after = next.parse().map_err(|_| Failure::Failed(format!("`{next}` is no position")))?;
    }
}

/// Shows events as they come; carries on behind the last one where the platform goes away and comes back.
fn follow(remote: &Remote, options: &EventsOptions) -> Result<(), Failure> {
    let (mut last, mut begun) = (None, false);
    let mut patience = Patience::default();
    loop {
        let mut messages =
            match remote.messages("/v1/events/stream", &query(options, options.after, None), last.as_deref()) {
                Err(failure @ Failure::NotReachable(_)) if begun => {
                    patience.bear(failure)?;
                    continue;
                }
                messages => messages?,
            };
        begun = true;
        while let Some(message) = messages.next() {
            patience.rest();
            if message.event == "problem" {
                let problem: Value = serde_json::from_str(&message.data).unwrap_or_default();
                return Err(Failure::Failed(problem["detail"].as_str().unwrap_or("the stream broke off").to_owned()));
            }
            let event = serde_json::from_str(&message.data);
            let event = event.map_err(|error| Failure::Failed(format!("the platform sent no event: {error}")))?;
            show(&event, options.json)?;
            last = message.id;
        }
        patience.bear(Failure::NotReachable(format!("`{}` ended the stream of events", remote.url())))?;
    }
}

fn query(options: &EventsOptions, after: u64, limit: Option<u32>) -> Vec<(&'static str, String)> {
    let mut query = vec![("after", after.to_string())];
    query.extend(limit.map(|it| ("limit", it.to_string())));
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
    let whose = whose(&event.source);
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

/// The fleet, the owner or the platform, whichever an event is about.
fn whose(source: &str) -> &str {
    let named = ["/v1/fleets/", "/v1/owners/"].iter().find_map(|it| source.strip_prefix(it));
    named.unwrap_or("platform")
}

#[cfg(test)]
mod tests {
    use schemas::event::Scope;

    use super::*;

    #[test]
    fn an_event_is_a_fleets_an_owners_or_the_platforms() {
        let of = |scope: Scope| whose(&scope.source()).to_owned();
        assert_eq!(of(Scope::Fleet("acme/shop".parse().unwrap())), "acme/shop");
        assert_eq!(of(Scope::Owner("acme".parse().unwrap())), "acme");
        assert_eq!(of(Scope::Platform), "platform");
    }
}
