//! Makes lines of one container's records, and knows after each up to where they were read. Pure.
//!
//! Docker cuts a line over 16 KiB into several records; they are joined again, up to a bound. The mark of a stream moves
//! only when a line is whole: so whoever reads on from there gets the whole line, or what was cut off it.

use std::mem;

use engine::{Output, Record};
use schemas::logs::{Cursor, Line, MAX_LINE_BYTES, Mark, Stream};

/// A line of which nothing more came for so long is taken as it is, in nanoseconds: its end may never come.
pub(super) const PATIENCE_NS: i64 = 5_000_000_000;

/// The lines of one container.
#[derive(Debug)]
pub(super) struct Joiner {
    stdout: Half,
    stderr: Half,
    /// Whether everything up to the container's end was read.
    pub drained: bool,
}

#[derive(Debug, Default)]
struct Half {
    /// Up to where lines were handed out.
    mark: Mark,
    /// Up to where records were read: beyond the mark, where a line is not whole yet.
    read: Mark,
    /// What is there of such a line, and its time.
    part: Vec<u8>,
    part_ns: i64,
    /// How many records of the mark's very time came again since the reading began anew.
    again: u32,
    /// Whether everything that was read before has come by again.
    caught_up: bool,
    /// The latest time that came by in this reading: where a clock was set back, records count as of this time, so that
    /// each has a place of its own.
    latest_ns: i64,
}

/// Lines that were read before are not there any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// Time of the last one that was read.
    pub after_ns: i64,
    /// Time of the first one that is there.
    pub before_ns: i64,
}

impl Joiner {
    pub fn new(cursor: Cursor) -> Self {
        let half = |mark| Half { mark, read: mark, ..Half::default() };
        Self { stdout: half(cursor.stdout), stderr: half(cursor.stderr), drained: cursor.drained }
    }

    /// Up to where lines were handed out.
    pub fn cursor(&self) -> Cursor {
        Cursor { stdout: self.stdout.mark, stderr: self.stderr.mark, drained: self.drained }
    }

    /// Reading begins anew; answers from what time on. The two streams are in order each, but not exactly between them,
    /// and a line may wait for its end: so from some time before.
    pub fn begin(&mut self) -> i64 {
        for half in [&mut self.stdout, &mut self.stderr] {
            half.read = half.mark;
            half.part.clear();
            half.again = 0;
            half.latest_ns = 0;
            half.caught_up = half.mark == Mark::default();
        }
        (self.stdout.mark.0.max(self.stderr.mark.0) - 2 * PATIENCE_NS).max(0)
    }

    /// Takes a record; `since` is what [`begin`](Self::begin) answered. Adds the lines that it ends.
    pub fn take(&mut self, record: Record, since: i64, lines: &mut Vec<Line>) -> Option<Missing> {
        let (half, stream) = match record.output {
            Output::Stdout => (&mut self.stdout, Stream::Stdout),
            Output::Stderr => (&mut self.stderr, Stream::Stderr),
        };
        half.latest_ns = half.latest_ns.max(record.at_ns);
        let mut missing = None;
        if !half.caught_up {
            let Mark(ns, count) = half.mark;
            if half.latest_ns < ns {
                return None;
            }
            if half.latest_ns == ns && half.again < count {
                half.again += 1;
                return None;
            }
            half.caught_up = true;
            if half.again < count && ns >= since {
                missing = Some(Missing { after_ns: ns, before_ns: record.at_ns });
            }
        }
        self.drained = false;
        // Also where the other stream goes on all the time: or a reading that begins anew would have to go back far.
        self.flush(record.at_ns.saturating_sub(PATIENCE_NS), false, lines);
        let half = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        half.take(record, stream, lines);
        missing
    }

    /// Hands out what is there of lines that wait for their end since before `before_ns`.
    pub fn flush(&mut self, before_ns: i64, ended: bool, lines: &mut Vec<Line>) {
        for (half, stream) in [(&mut self.stdout, Stream::Stdout), (&mut self.stderr, Stream::Stderr)] {
            if !half.part.is_empty() && half.part_ns < before_ns {
                half.end(stream, !ended, lines);
            }
        }
    }

    /// Whether a line waits for its end.
    pub fn waits(&self) -> bool {
        !self.stdout.part.is_empty() || !self.stderr.part.is_empty()
    }
}

impl Half {
    fn take(&mut self, record: Record, stream: Stream, lines: &mut Vec<Line>) {
        if self.part.is_empty() {
            self.part_ns = record.at_ns;
        }
        let at_ns = self.latest_ns;
        self.read = if at_ns == self.read.0 { Mark(at_ns, self.read.1 + 1) } else { Mark(at_ns, 1) };
        if self.part.is_empty() {
            self.part = record.bytes
        } else {
            self.part.extend_from_slice(&record.bytes)
        }
        if record.ends_line || self.part.len() >= MAX_LINE_BYTES {
            self.end(stream, !record.ends_line, lines);
        }
    }

    fn end(&mut self, stream: Stream, cut: bool, lines: &mut Vec<Line>) {
        let bytes = mem::take(&mut self.part);
        // A record is at most 16 KiB with Docker's own drivers, but no one promises it.
        let mut text =
            String::from_utf8(bytes).unwrap_or_else(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        while text.len() > MAX_LINE_BYTES {
            let mut at = MAX_LINE_BYTES;
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let rest = text.split_off(at);
            lines.push(Line { ns: self.part_ns, stream, text: mem::replace(&mut text, rest), cut: true });
        }
        lines.push(Line { ns: self.part_ns, stream, text, cut });
        self.mark = self.read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at_ns: i64, output: Output, text: &str, ends_line: bool) -> Record {
        Record { output, at_ns, bytes: text.as_bytes().to_vec(), ends_line }
    }

    fn out(at_ns: i64, text: &str) -> Record {
        record(at_ns, Output::Stdout, text, true)
    }

    /// Reads all records from a cursor on: lines, cursor, and what was missing.
    fn read(cursor: Cursor, records: &[Record]) -> (Vec<Line>, Cursor, Vec<Missing>) {
        let mut joiner = Joiner::new(cursor);
        let since = joiner.begin();
        let (mut lines, mut missing) = (Vec::new(), Vec::new());
        for record in records.iter().filter(|it| it.at_ns >= since) {
            missing.extend(joiner.take(record.clone(), since, &mut lines));
        }
        (lines, joiner.cursor(), missing)
    }

    #[test]
    fn wherever_the_reading_stops_each_line_comes_once() {
        const S: i64 = 1_000_000_000;
        let records = [
            out(100 * S, "a"),
            out(100 * S, "b"),
            record(100 * S, Output::Stderr, "e", true),
            record(101 * S, Output::Stdout, "one ", false),
            record(101 * S, Output::Stderr, "f", true),
            record(101 * S, Output::Stdout, "line", true),
            out(101 * S, "c"),
            out(101 * S, "c"),
            record(130 * S, Output::Stderr, "g", true),
            out(131 * S, "d"),
        ];
        let (whole, end, _) = read(Cursor::default(), &records);
        let texts: Vec<_> = whole.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "e", "f", "one line", "c", "c", "g", "d"]);
        for stop in 0..records.len() {
            let (mut lines, cursor, _) = read(Cursor::default(), &records[..stop]);
            let (rest, last, missing) = read(cursor, &records);
            lines.extend(rest);
            let sort = |lines: &[Line]| {
                let mut lines: Vec<_> = lines.iter().map(|it| (it.stream, it.ns, it.text.clone())).collect();
                lines.sort();
                lines
            };
            assert_eq!(sort(&lines), sort(&whole), "stopped after {stop}");
            assert_eq!((last, missing), (end, vec![]), "stopped after {stop}");
        }
    }

    #[test]
    fn a_line_is_bounded_and_marked_where_it_is_cut() {
        let fragment = "x".repeat(16 << 10);
        let mut records = vec![record(5, Output::Stdout, &fragment, false); 20];
        records.push(out(5, "end"));
        let (lines, cursor, _) = read(Cursor::default(), &records);
        let shown: Vec<_> = lines.iter().map(|it| (it.text.len(), it.cut)).collect();
        assert_eq!(shown, [(256 << 10, true), ((64 << 10) + 3, false)]);
        assert_eq!(cursor.stdout, Mark(5, 21));
        assert_eq!(read(cursor, &records).0, []);
    }

    #[test]
    fn what_docker_no_longer_has_is_noticed() {
        let (_, cursor, _) = read(Cursor::default(), &[out(10, "a"), out(20, "b")]);
        let (lines, _, missing) = read(cursor, &[out(30, "d")]);
        assert_eq!((lines.len(), missing), (1, vec![Missing { after_ns: 20, before_ns: 30 }]));
    }

    #[test]
    fn a_clock_that_is_set_back_loses_and_doubles_nothing() {
        let records = [out(10, "a"), out(5, "b"), out(6, "c"), out(11, "d")];
        for stop in 0..=records.len() {
            let (mut lines, cursor, _) = read(Cursor::default(), &records[..stop]);
            let (rest, _, missing) = read(cursor, &records);
            lines.extend(rest);
            let texts: Vec<_> = lines.iter().map(|it| (it.ns, it.text.as_str())).collect();
            assert_eq!(texts, [(10, "a"), (5, "b"), (6, "c"), (11, "d")], "stopped after {stop}");
            assert_eq!(missing, [], "stopped after {stop}");
        }
    }

    #[test]
    fn a_part_is_handed_out_when_its_end_does_not_come() {
        let mut joiner = Joiner::new(Cursor::default());
        let since = joiner.begin();
        let mut lines = Vec::new();
        joiner.take(record(5, Output::Stdout, "half", false), since, &mut lines);
        joiner.flush(5, false, &mut lines);
        assert_eq!((lines.len(), joiner.waits()), (0, true));
        joiner.flush(6, false, &mut lines);
        assert_eq!((lines[0].text.as_str(), lines[0].cut, joiner.cursor().stdout), ("half", true, Mark(5, 1)));
    }
}
