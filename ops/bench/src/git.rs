//! The Git door: what a push, a clone, a check and a plan cost. Each row against something bare, in interleaved pairs.
//! Writes `RESULTS-git.md`.

mod clone;
mod crowd;
mod descriptors;
mod large;

use anyhow::bail;

use crate::report::Report;
use crate::rows;
use crate::table::{Line, Room, Table};

/// Every row that can be measured alone, and the size that it has where nobody says another one.
const ROWS: [(&str, usize); 5] = [("push", 0), ("check", 1_000), ("large", 300), ("clone", 32), ("crowd", 20)];

/// `git [PAIRS [ROW [SIZE]]]`: all rows are written, one alone is printed.
pub fn measure(pairs: usize, row: Option<&str>, size: Option<usize>) -> anyhow::Result<()> {
    let mut table = Table::new(Room::Git, pairs);
    let Some(row) = row else {
        for (row, size) in ROWS {
            one(row, size, pairs, &mut table)?;
        }
        return table.write();
    };
    let Some((row, usual)) = ROWS.into_iter().find(|(it, _)| *it == row) else {
        bail!("`{row}` is no row of the Git door: expected one of {}", ROWS.map(|it| it.0).join(", "));
    };
    one(row, size.unwrap_or(usual), pairs, &mut table)?;
    table.show()
}

fn one(row: &str, size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    match row {
        "push" => pushes(pairs, table),
        "check" => descriptors::grow(size, pairs, table),
        "large" => large::memory(size, pairs, table),
        "clone" => clone::against_backend(size, pairs, table),
        _ => crowd::at_once(size, pairs, table),
    }
}

/// A push that changes nothing: the rows of the general report.
fn pushes(pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let mut report = Report::new(pairs);
    rows::nothing_changed(1, pairs, &mut report)?;
    for (row, limit) in report.rows.into_iter().zip([15, 30]) {
        let reach = format!("at most {limit} ms more");
        table.lines.push(Line::of_row(row, "push", reach));
    }
    Ok(())
}

/// Text that does not compress, of so many bytes.
fn noise(bytes: usize) -> String {
    let mut state = tests::unique();
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = state;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.extend((it ^ (it >> 31)).to_be_bytes().map(|byte| char::from(b' ' + byte % 94)));
    }
    text
}
