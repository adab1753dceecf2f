//! Makes equal what differs from run to run: ids, times, positions, addresses, and the order of what happens side by side.

/// What to say instead of what.
#[derive(Debug, Default)]
pub struct Normal {
    words: Vec<(String, String)>,
}

impl Normal {
    /// `this` is shown as `that`.
    pub fn say(&mut self, this: &str, that: &str) {
        self.words.push((this.to_owned(), that.to_owned()));
    }

    /// A command and what the terminal showed.
    pub fn command(&self, command: &str, output: &str) -> String {
        let mut text = output.to_owned();
        for (this, that) in &self.words {
            text = text.replace(this, that);
        }
        // What is said only when a machine is slow is no part of the story.
        let told = text.lines().filter(|line| !line.contains("still at: "));
        let mut lines: Vec<String> = told.map(|line| positions(&times(&ids(line.trim_end())))).collect();
        side_by_side(&mut lines);
        format!("$ {command}\n{}\n\n", lines.join("\n"))
    }
}

/// Hexadecimal words of 7 digits and more, and ids with dashes, become as many `…` as it takes to see that they were there.
fn ids(line: &str) -> String {
    words(line, |word| {
        let hex =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let uuid = word.len() == 36 && word.split('-').count() == 5 && word.split('-').all(hex);
        let range = word.split_once("..").is_some_and(|(from, to)| from.len() >= 7 && hex(from) && hex(to));
        match () {
            () if uuid => Some("019a…".to_owned()),
            () if range => Some("1f0c…..8ae2…".to_owned()),
            () if word.len() >= 7 && digits > 0 && hex(word) => Some("1f0c…".to_owned()),
            () => None,
        }
    })
}

/// The number behind `position` becomes `…`: what a platform writes into its log before the first push is its own matter.
fn positions(line: &str) -> String {
    let Some((before, rest)) = line.split_once("position ") else { return line.to_owned() };
    format!("{before}position …{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A number in front of `s` or `ms`, with or without a space, becomes `…`.
fn times(line: &str) -> String {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let joined = words(line, |word| {
        let amount = word.strip_suffix("ms").or_else(|| word.strip_suffix('s'))?;
        number(amount).then(|| "…s".to_owned())
    });
    let parts: Vec<&str> = joined.split(' ').collect();
    let mut out = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let unit = parts.get(index + 1).map(|it| it.trim_end_matches([',', ')', '.', ';']));
        let is_time = number(part.trim_start_matches('(')) && matches!(unit, Some("s" | "ms"));
        out.push(if is_time {
            part.replace(|c: char| c.is_ascii_digit() || c == '.', "") + "…"
        } else {
            (*part).to_owned()
        });
    }
    out.join(" ").replace("… ms", "… s")
}

/// Changes each word between white space and brackets as `change` says; keeps everything else.
fn words(line: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let is_edge = |c: char| c.is_whitespace() || "()[]`,;:".contains(c);
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(is_edge).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        out.push_str(&change(word).unwrap_or_else(|| word.to_owned()));
        let edge = tail.chars().next().map_or(0, char::len_utf8);
        out.push_str(&tail[..edge]);
        rest = &tail[edge..];
    }
    out
}

/// Steps that do not wait for each other end in any order: neighbours are sorted by their number.
fn side_by_side(lines: &mut [String]) {
    let is_step = |line: &String| line.starts_with("remote: step ");
    let mut start = 0;
    while start < lines.len() {
        let end = lines[start..].iter().position(|line| !is_step(line)).map_or(lines.len(), |it| start + it);
        lines[start..end].sort();
        start = end + 1;
    }
}
