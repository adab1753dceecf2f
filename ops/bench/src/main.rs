//! Measures fleetlog against bare programs that do the same work, in interleaved pairs on one machine.
//! Reads nothing; writes `ops/bench/RESULTS.md`. Uses the harness of `tests/` as its user.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

mod backend;
mod bare;
mod drain;
mod logs;
mod metrics;
mod phases;
mod registry;
mod report;
mod rows;
mod runs;
mod stats;

use std::env;

use anyhow::Context;

use crate::bare::Bare;
use crate::report::Report;

/// Scrapes that are timed.
const SCRAPES: usize = 200;
/// Events that the registry is made anew from.
const EVENTS: u64 = 1_000_000;

/// Events that are read in bulk.
const DRAINED: u64 = 200_000;

fn main() -> anyhow::Result<()> {
    if env::args().nth(1).as_deref() == Some("logs") {
        let lines = env::args().nth(2).map_or(Ok(2_000_000), |it| it.parse())?;
        return logs::measure(lines);
    }
    let pairs = match env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("`{text}` is not a number of pairs"))?,
        None => 10,
    };
    if env::args().nth(2).as_deref() == Some("metrics") {
        return metrics::scrapes(SCRAPES, &mut Report::new(pairs));
    }
    if env::args().nth(2).as_deref() == Some("runs") {
        return runs::first_output(pairs, &mut Report::new(pairs));
    }
    let mut report = Report::new(pairs);
    // One row alone is printed, and not written.
    match env::args().nth(2).as_deref() {
        Some("registry") => {
            let events =
                env::args().nth(3).map_or(Ok(EVENTS), |text| text.parse()).context("not a number of events")?;
            registry::rows(events, pairs, &mut report)?;
            return report.show();
        }
        Some("drain") => {
            drain::row(DRAINED, pairs, &mut report)?;
            return report.show();
        }
        Some(other) => anyhow::bail!("`{other}` is no row that can be measured alone"),
        None => {}
    }
    let bare = Bare::connect()?;
    rows::many_containers(&bare, pairs, &mut report)?;
    rows::one_of_many(&bare, pairs, &mut report)?;
    rows::nothing_changed(pairs, &mut report)?;
    runs::first_output(pairs, &mut report)?;
    registry::rows(EVENTS, pairs.min(3), &mut report)?;
    drain::row(DRAINED, pairs, &mut report)?;
    metrics::scrapes(SCRAPES, &mut report)?;
    report.write()
}
