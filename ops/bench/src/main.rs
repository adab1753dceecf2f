//! Measures fleetlog against bare programs that do the same work, in interleaved pairs on one machine.
//! Reads nothing; writes `ops/bench/RESULTS.md`, `RESULTS-logs.md`, `RESULTS-git.md` and `RESULTS-rollout.md`. Uses the harness of `tests/` as its user.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

mod backend;
mod bare;
mod drain;
mod git;
mod logs;
mod metrics;
mod phases;
mod registry;
mod report;
mod rollout;
mod rows;
mod runs;
mod stats;
mod table;
mod unbroken;

use std::env;

use anyhow::Context;

use crate::bare::Bare;
use crate::report::Report;

/// Pairs of a row of the Git door, or of a rollout.
const PAIRS: u64 = 20;
/// Containers of a fleet.
const CONTAINERS: usize = 50;
/// Scrapes that are timed.
const SCRAPES: usize = 200;
/// Lines that are searched.
const LINES: u64 = 2_000_000;
/// Events that the registry is made anew from.
const EVENTS: u64 = 1_000_000;
/// Events that are read in bulk.
const DRAINED: u64 = 200_000;

/// The one that the binary has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        words.get(index).map_or(Ok(default), |text| text.parse()).with_context(|| format!("`{words:?}`: not a number"))
    };
    if words.first().is_some_and(|it| it == "logs") {
        return logs::measure(usize::try_from(number(1, LINES)?)?);
    }
    if words.first().is_some_and(|it| it == "git") {
        let size = words.get(3).map(|text| text.parse()).transpose().context("the size is not a number")?;
        return git::measure(usize::try_from(number(1, PAIRS)?)?, words.get(2).map(String::as_str), size);
    }
    if words.first().is_some_and(|it| it == "rollout") {
        let size = words.get(3).map(|text| text.parse()).transpose().context("the size is not a number")?;
        return rollout::measure(usize::try_from(number(1, PAIRS)?)?, words.get(2).map(String::as_str), size);
    }
    let pairs = usize::try_from(number(0, 10)?)?;
    let mut report = Report::new(pairs);
    // One room alone is printed, and not written.
    let Some(room) = words.get(1) else { return all(pairs, report) };
    match room.as_str() {
        "registry" => registry::rows(number(2, EVENTS)?, pairs, &mut report)?,
        "drain" => drain::row(number(2, DRAINED)?, pairs, &mut report)?,
        "metrics" => metrics::scrapes(SCRAPES, &mut report)?,
        "runs" => runs::first_output(pairs, &mut report)?,
        other => anyhow::bail!("`{other}` cannot be measured alone: `registry`, `drain`, `metrics`, `runs` can"),
    }
    report.show()
}

fn all(pairs: usize, mut report: Report) -> anyhow::Result<()> {
    let bare = Bare::connect()?;
    rows::many_containers(&bare, CONTAINERS, pairs, &mut report)?;
    rows::one_of_many(&bare, CONTAINERS, pairs, &mut report)?;
    rows::nothing_changed(1, pairs, &mut report)?;
    runs::first_output(pairs, &mut report)?;
    registry::rows(EVENTS, pairs.min(3), &mut report)?;
    drain::row(DRAINED, pairs, &mut report)?;
    metrics::scrapes(SCRAPES, &mut report)?;
    report.write()
}
