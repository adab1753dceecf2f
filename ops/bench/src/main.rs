//! Measures fleetlog against bare programs that do the same work, in interleaved pairs on one machine.
//! Reads nothing; writes `ops/bench/RESULTS.md`. Uses the harness of `tests/` as its user.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

mod backend;
mod bare;
mod phases;
mod report;
mod rows;
mod stats;

use std::env;

use anyhow::Context;

use crate::bare::Bare;
use crate::report::Report;

fn main() -> anyhow::Result<()> {
    let pairs = match env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("`{text}` is not a number of pairs"))?,
        None => 10,
    };
    let bare = Bare::connect()?;
    let mut report = Report::new(pairs);
    rows::many_containers(&bare, pairs, &mut report)?;
    rows::one_of_many(&bare, pairs, &mut report)?;
    rows::nothing_changed(pairs, &mut report)?;
    report.write()
}
