//! Prometheus' text format 0.0.4, written by families: help and type once, then every series.

use std::fmt::Write as _;

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows, and begins again at 0 with what it counts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A counter whose name, which others gave it, does not end as a counter's has to.
    Untyped,
}

impl Kind {
    /// As the format says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
        }
    }
}

/// A text as it grows.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Goes on behind what somebody else wrote.
    pub fn behind(text: String) -> Self {
        Self(text)
    }

    /// Begins a family. Its series have to follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = kind.as_str();
        // Writing to a `String` cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One series. `labels` is what [`label`] wrote; `more` are labels of its own.
    pub fn series(&mut self, name: &str, labels: &str, more: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        if !labels.is_empty() || !more.is_empty() {
            self.0.push('{');
            self.0.push_str(labels);
            let begin = self.0.len() - labels.len();
            for (key, value) in more {
                if self.0.len() > begin {
                    self.0.push(',');
                }
                pair(&mut self.0, key, value);
            }
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one series.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.series(name, "", &[], value);
    }

    /// The whole.
    pub fn end(self) -> String {
        self.0
    }
}

/// Adds a label to those that are there.
pub fn label(labels: &mut String, key: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    pair(labels, key, value);
}

fn pair(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_form_is_as_the_format_says() {
        let mut labels = String::new();
        label(&mut labels, "name", "a \"b\"\\\nc");
        label(&mut labels, "node", "n1");
        let mut text = Text::default();
        text.family("x_seconds_total", Kind::Counter, "Seconds.");
        text.series("x_seconds_total", &labels, &[("cpu", "total")], 1.25);
        text.series("x_seconds_total", "", &[("a", "1"), ("b", "2")], 1e15);
        text.single("y_bytes", Kind::Gauge, "Bytes.", 3.0);
        text.family("z", Kind::Untyped, "What others named.");
        text.series("z", &labels, &[], 0.0);
        expect![[r#"
            # HELP x_seconds_total Seconds.
            # TYPE x_seconds_total counter
            x_seconds_total{name="a \"b\"\\\nc",node="n1",cpu="total"} 1.25
            x_seconds_total{a="1",b="2"} 1000000000000000
            # HELP y_bytes Bytes.
            # TYPE y_bytes gauge
            y_bytes 3
            # HELP z What others named.
            # TYPE z untyped
            z{name="a \"b\"\\\nc",node="n1"} 0
        "#]]
        .assert_eq(&text.end());
    }
}
