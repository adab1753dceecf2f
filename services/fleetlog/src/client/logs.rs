//! `fleetlog logs [-f] [QUERY]`: what containers and runs wrote.

use std::collections::HashSet;

use schemas::units::Span;
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::remote::{Patience, Remote};
use super::{here, out};
use crate::cli::LogsOptions;

/// Where nobody says how many.
const DEFAULT_LIMIT: u32 = 100;
/// Lines in one page.
const PAGE: u32 = 5_000;

#[derive(Deserialize)]
struct Page {
    lines: Vec<Value>,
    next: Option<String>,
    tail: u64,
}

/// Shows the newest lines, or all since a time, and with `-f` what comes after.
pub fn run(options: &LogsOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let filter = filter(options)?;
    // What was shown already may come again with the first batches behind the page.
    let mut shown = Shown { options, places: HashSet::new(), behind: None, paging: true };
    if options.since.is_some() && options.limit.is_none() {
        forward(&remote, &filter, &mut shown)?;
    } else {
        newest(&remote, &filter, options.limit.unwrap_or(DEFAULT_LIMIT), &mut shown)?;
    }
    if options.follow { follow(&remote, &filter, shown) } else { Ok(()) }
}

type Query = Vec<(&'static str, String)>;

fn filter(options: &LogsOptions) -> Result<Query, Failure> {
    let mut query = Vec::new();
    if !options.query.is_empty() {
        query.push(("query", options.query.join(" ")));
    }
    let fleet = options.fleet.clone().or_else(|| here::fleet(None).ok());
    query.extend(fleet.map(|it| ("fleet", it.to_string())));
    query.extend(options.container.clone().map(|it| ("container", it)));
    for (name, value) in [("from", &options.since), ("to", &options.until)] {
        if let Some(text) = value {
            query.push((name, time(text)?));
        }
    }
    Ok(query)
}

/// A span back from now, or a time as it is.
fn time(text: &str) -> Result<String, Failure> {
    let Ok(span) = text.parse::<Span>() else { return Ok(text.to_owned()) };
    let back = std::time::Duration::from_millis(span.0);
    let time = streams::clock::now().checked_sub(back);
    time.map(|it| it.to_string())
        .map_err(|error| Failure::Usage(format!("`{text}` is no time to look back to: {error}")))
}

fn page(remote: &Remote, filter: &Query, order: &str, limit: u32, cursor: Option<&str>) -> Result<Page, Failure> {
    let mut query = filter.clone();
    query.extend([("order", order.to_owned()), ("limit", limit.min(PAGE).to_string())]);
    query.extend(cursor.map(|it| ("cursor", it.to_owned())));
    remote.get("/v1/logs", &query, 0)?.read()
}

fn forward(remote: &Remote, filter: &Query, shown: &mut Shown<'_>) -> Result<(), Failure> {
    let mut cursor: Option<String> = None;
    loop {
        let page = page(remote, filter, "forward", PAGE, cursor.as_deref())?;
        shown.behind.get_or_insert(page.tail);
        for line in &page.lines {
            shown.show(line)?;
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

fn newest(remote: &Remote, filter: &Query, limit: u32, shown: &mut Shown<'_>) -> Result<(), Failure> {
    let (mut lines, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let left = limit.saturating_sub(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        let page = page(remote, filter, "backward", left, cursor.as_deref())?;
        shown.behind.get_or_insert(page.tail);
        lines.extend(page.lines);
        match page.next {
            Some(next) if lines.len() < limit as usize => cursor = Some(next),
            _ => break,
        }
    }
    lines.iter().rev().try_for_each(|line| shown.show(line))
}

/// Goes on where the page ended, across restarts of the platform.
fn follow(remote: &Remote, filter: &Query, mut shown: Shown<'_>) -> Result<(), Failure> {
    let mut query = filter.clone();
    query.extend(shown.behind.map(|it| ("after", it.to_string())));
    let mut last: Option<String> = None;
    shown.paging = false;
    let mut patience = Patience::default();
    loop {
        let mut messages = match remote.messages("/v1/logs/tail", &query, last.as_deref()) {
            Err(failure @ Failure::NotReachable(_)) => {
                patience.bear(failure)?;
                continue;
            }
            messages => messages?,
        };
        patience.rest();
        while let Some(message) = messages.next() {
            if message.event != "line" {
                return Err(Failure::Failed(format!("the platform ended the stream: {}", message.data)));
            }
            let line: Value = serde_json::from_str(&message.data)
                .map_err(|error| Failure::Failed(format!("the platform sent something else than a line: {error}")))?;
            shown.show(&line)?;
            last = message.id.or(last);
        }
        patience.bear(Failure::NotReachable(format!("the stream of `{}` broke off", remote.url())))?;
    }
}

struct Shown<'a> {
    options: &'a LogsOptions,
    /// Places of lines from batches behind `behind`.
    places: HashSet<String>,
    behind: Option<u64>,
    paging: bool,
}

impl Shown<'_> {
    fn show(&mut self, line: &Value) -> Result<(), Failure> {
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let place = text("place");
        if self.paging {
            let batch: Option<u64> = place.split('.').nth(1).and_then(|it| it.parse().ok());
            if batch > self.behind {
                self.places.insert(place.to_owned());
            }
        } else if self.places.remove(place) {
            return Ok(());
        }
        if self.options.json {
            return out::json(line);
        }
        let time = text("time");
        let time = time.get(..23).map_or_else(|| time.to_owned(), |it| format!("{it}Z"));
        let mark = match text("stream") {
            "stdout" => "|",
            "stderr" => "!",
            _ => "#",
        };
        let step = line.get("step").and_then(Value::as_u64).map(|it| format!("[{it}]")).unwrap_or_default();
        out::line(&format!("{time}  {}/{}{step} {mark} {}", text("fleet"), text("container"), text("text")))
    }
}
