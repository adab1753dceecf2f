//! The results of one room in a file of their own: a line a row, with the command that measures it alone.

use std::fmt::Write as _;
use std::fs;

use tests::root;

use crate::report::Row;
use crate::stats::{Median, median};

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Pushes, clones, checks.
    Git,
    /// From a push to what runs.
    Rollout,
}

impl Room {
    /// Its word on the command line, and in the name of its file.
    const fn word(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Rollout => "rollout",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Git => "The Git door",
            Self::Rollout => "Rollouts",
        }
    }
}

/// All that was measured.
pub struct Table {
    room: Room,
    pairs: usize,
    /// In the order in which they were measured.
    pub lines: Vec<Line>,
    /// Figures that are compared with nothing, each a sentence.
    pub notes: Vec<String>,
}

/// One comparison.
pub struct Line {
    what: String,
    against: String,
    unit: &'static str,
    row: String,
    reach: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Line {
    /// A comparison without any pair yet; `row` is its word on the command line.
    pub fn new(what: String, against: &str, unit: &'static str, row: &str, reach: &str) -> Self {
        let (against, row, reach) = (against.to_owned(), row.to_owned(), reach.to_owned());
        Self { what, against, unit, row, reach, ours: Vec::new(), theirs: Vec::new() }
    }

    /// One that was measured for the general report, in milliseconds.
    pub fn of_row(from: Row, row: &str, reach: String) -> Self {
        let (what, against, ours, theirs) = from.into_parts();
        Self { what, against: against.to_owned(), unit: "ms", row: row.to_owned(), reach, ours, theirs }
    }

    /// Adds a pair.
    pub fn add(&mut self, ours: f64, theirs: f64) {
        println!("{}: {ours:.1} {}, against {theirs:.1}, {:.2}×", self.what, self.unit, ours / theirs);
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    fn text(&self, room: Room) -> String {
        let pairs = || self.ours.iter().zip(&self.theirs);
        let ratio = median(&pairs().map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>());
        let more = median(&pairs().map(|(ours, theirs)| ours - theirs).collect::<Vec<_>>());
        let number = |it: Median| format!("{:.1} ({:.1}–{:.1})", it.middle, it.low, it.high);
        let (unit, pairs) = (self.unit, self.ours.len());
        [
            self.what.clone(),
            self.against.clone(),
            pairs.to_string(),
            format!("{} {unit}", number(median(&self.ours))),
            format!("{} {unit}", number(median(&self.theirs))),
            format!("{:.2}× ({:.2}–{:.2})", ratio.middle, ratio.low, ratio.high),
            format!("{} {unit}", number(more)),
            self.reach.clone(),
            format!("`ops/bench/run {} {pairs} {}`", room.word(), self.row),
        ]
        .into_iter()
        .fold("|".to_owned(), |line, cell| format!("{line} {cell} |"))
    }
}

impl Table {
    /// A table without lines.
    pub fn new(room: Room, pairs: usize) -> Self {
        Self { room, pairs, lines: Vec::new(), notes: Vec::new() }
    }

    /// Prints it.
    pub fn show(&self) -> anyhow::Result<()> {
        println!("{}", self.text()?);
        Ok(())
    }

    /// Writes the room's file and prints it.
    pub fn write(&self) -> anyhow::Result<()> {
        let text = self.text()?;
        println!("{text}");
        Ok(fs::write(root().join(format!("ops/bench/RESULTS-{}.md", self.room.word())), text)?)
    }

    fn text(&self) -> anyhow::Result<String> {
        let processors = std::thread::available_parallelism()?;
        let mut text = format!(
            "# {}\n\nMade by `ops/bench/run {} {}` on {processors} processors, release build. Interleaved pairs; who goes first changes from \
             pair\nto pair. Figures and ratios are medians; in brackets the interval that holds the median 19 times in 20 (below six\n\
             pairs: the lowest and the highest).\n\n\
             | what | against | pairs | fleetlog | against it | ratio | more | to reach | alone |\n|---|---|---|---|---|---|---|---|---|\n",
            self.room.title(),
            self.room.word(),
            self.pairs,
        );
        for line in &self.lines {
            writeln!(text, "{}", line.text(self.room))?;
        }
        for note in &self.notes {
            writeln!(text, "\n{note}")?;
        }
        Ok(text)
    }
}
