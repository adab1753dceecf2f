//! Finds the examples of a page, and holds an output to what they show.

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The exit status that each command has to have.
    pub status: i32,
    /// Run once, instead of until it is true.
    pub once: bool,
    pub examples: Vec<Example>,
}

/// A command and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// Where in the page.
    pub line: usize,
    pub command: String,
    pub lines: Vec<String>,
}

/// Every block after a mark `<!-- run -->`, `<!-- run: once -->` or `<!-- run: STATUS -->`.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(mark) = line.trim().strip_prefix("<!-- run").and_then(|it| it.strip_suffix("-->")) else { continue };
        let mark = mark.trim_start_matches(':').trim();
        let status = mark.parse().unwrap_or(0);
        assert!(mark.is_empty() || mark == "once" || status != 0, "line {}: `{line}` is no mark", at + 1);
        let fence = lines.by_ref().map(|(_, line)| line).find(|line| !line.trim().is_empty());
        assert_eq!(fence, Some("```console"), "line {}: a block has to follow its mark", at + 1);
        let mut examples: Vec<Example> = Vec::new();
        for (at, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            if let Some(command) = line.strip_prefix("$ ") {
                examples.push(Example { line: at + 1, command: command.to_owned(), lines: Vec::new() });
            } else if let (Some(example), false) = (examples.last_mut(), line.trim().is_empty()) {
                example.lines.push(line.to_owned());
            }
        }
        found.push(Block { status, once: mark == "once", examples });
    }
    found
}

/// The first of the wanted lines that the output does not show, in order; `…` stands for anything.
pub fn shows(output: &str, wanted: &[String]) -> Option<String> {
    let mut rest = output.lines();
    for line in wanted {
        if !rest.by_ref().any(|seen| fits(seen, line)) {
            return Some(format!("its output does not show `{}`", line.trim()));
        }
    }
    None
}

fn fits(seen: &str, wanted: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let seen = squeezed(seen);
    let mut at = 0;
    for part in squeezed(wanted).split('…').map(str::trim) {
        match seen[at..].find(part) {
            Some(found) => at += found + part.len(),
            None => return false,
        }
    }
    true
}

#[test]
fn marked_blocks_are_found_and_held_to_their_output() {
    let page = "# A page\n\n<!-- run -->\n\n```console\n$ echo a b c\na  … c\n\n$ true\n```\n\n```console\n$ not run\n```\n<!-- run: 1 -->\n```console\n$ false\n```\n";
    let found = blocks(page);
    assert_eq!((found.len(), found[0].examples.len(), found[0].examples[0].line), (2, 2, 6));
    assert_eq!((found[0].status, found[1].status, found[1].once), (0, 1, false));
    let wanted = &found[0].examples[0].lines;
    assert_eq!(shows("x\na   b c\n", wanted), None);
    assert!(shows("a b\n", wanted).unwrap().contains("`a  … c`"));
    assert!(shows("c\na c\nb", &["b".to_owned(), "a".to_owned()]).is_some(), "in order");
}
