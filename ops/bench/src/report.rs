//! `RESULTS.md`: the table, and where the time goes.

use std::fmt::Write as _;
use std::fs;

use tests::root;

use crate::phases::Phase;
use crate::stats::{Median, median};

/// All that was measured.
#[derive(Debug)]
pub struct Report {
    pairs: usize,
    /// The engine's version.
    pub engine: String,
    /// Resident memory of `fleetlog up` at the end, without nats-server, in MiB.
    pub idle: f64,
    /// In the order in which they were measured.
    pub rows: Vec<Row>,
    /// Figures that are compared with nothing, each a sentence.
    pub notes: Vec<String>,
}

/// One comparison.
#[derive(Debug)]
pub struct Row {
    what: String,
    against: &'static str,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// Where the time of each push went.
    pub phases: Vec<Vec<Phase>>,
}

impl Row {
    /// A comparison without any pair yet.
    pub fn new(what: &str, against: &'static str) -> Self {
        Self { what: what.to_owned(), against, ours: Vec::new(), theirs: Vec::new(), phases: Vec::new() }
    }

    /// Adds a pair, in milliseconds.
    pub fn add(&mut self, ours: f64, theirs: f64) {
        println!("{}: {ours:.0} ms, bare {theirs:.0} ms, {:.2}×", self.what, ours / theirs);
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// What it says, for another table: what, against what, our and their milliseconds.
    pub fn into_parts(self) -> (String, &'static str, Vec<f64>, Vec<f64>) {
        (self.what, self.against, self.ours, self.theirs)
    }

    fn line(&self) -> String {
        let pairs = || self.ours.iter().zip(&self.theirs);
        let ratio = median(&pairs().map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>());
        let more = median(&pairs().map(|(ours, theirs)| ours - theirs).collect::<Vec<_>>());
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            self.what,
            self.against,
            self.ours.len(),
            whole(median(&self.ours)),
            whole(median(&self.theirs)),
            format_args!("{:.2}× ({:.2}–{:.2})", ratio.middle, ratio.low, ratio.high),
            whole(more),
        )
    }
}

fn whole(it: Median) -> String {
    format!("{:.0} ({:.0}–{:.0})", it.middle, it.low, it.high)
}

impl Report {
    /// A report without rows.
    pub fn new(pairs: usize) -> Self {
        Self { pairs, engine: String::new(), idle: 0.0, rows: Vec::new(), notes: Vec::new() }
    }

    /// Prints it.
    pub fn show(&self) -> anyhow::Result<()> {
        println!("{}", self.text()?);
        Ok(())
    }

    /// Writes `RESULTS.md` and prints it.
    pub fn write(&self) -> anyhow::Result<()> {
        let text = self.text()?;
        println!("{text}");
        Ok(fs::write(root().join("ops/bench/RESULTS.md"), text)?)
    }

    fn text(&self) -> anyhow::Result<String> {
        let processors = std::thread::available_parallelism()?;
        let mut text = format!(
            "# What fleetlog costs\n\nMade by `ops/bench/run {}` on {processors} processors, Docker engine {}, release build. Interleaved pairs; who goes\n\
             first changes from pair to pair. Milliseconds and ratios are medians; in brackets the interval that holds the median 19\ntimes in 20 (below six pairs: the lowest and the highest).\n\n\
             | what | against | pairs | fleetlog, ms | bare, ms | ratio | more, ms |\n|---|---|---|---|---|---|---|\n",
            self.pairs, self.engine,
        );
        for row in &self.rows {
            writeln!(text, "{}", row.line())?;
        }
        writeln!(
            text,
            "\nResident memory of `fleetlog up` after all pushes of the last row, without nats-server: {:.0} MiB.",
            self.idle
        )?;
        for note in &self.notes {
            writeln!(text, "\n{note}")?;
        }
        writeln!(text, "\n## Where the time goes\n\nMedians in milliseconds, from the times that the events carry.")?;
        for row in &self.rows {
            writeln!(text, "\n**{}**\n", row.what)?;
            for (index, (name, _)) in row.phases.first().into_iter().flatten().enumerate() {
                let sample: Vec<f64> = row.phases.iter().filter_map(|it| it.get(index)).map(|it| it.1).collect();
                writeln!(text, "- {name}: {}", whole(median(&sample)))?;
            }
        }
        Ok(text)
    }
}
