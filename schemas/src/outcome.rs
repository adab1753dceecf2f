//! What people are told when a rollout has failed: where it failed, what its container said last, and what they can do
//! now. The push, `fleetlog wait` and `fleetlog rollouts show` say the same words.

use crate::fleet::{Rollout, RolloutStatus};
use crate::logs::Stream;
use crate::names::{Name, Oid};

/// So many of a container's last lines are shown at most.
pub const LAST_LINES: u32 = 10;
/// Characters of one of them.
const LINE: usize = 300;
/// Bytes of all of them; the newest are kept.
const ALL: usize = 4 << 10;

/// What a container wrote last, oldest first, with a mark in front of each: `|` for standard output, `!` for standard
/// error, `#` for what tells of lines that could not be had. Nothing in it moves a terminal's cursor.
pub fn last_lines<'a>(container: &Name, lines: impl DoubleEndedIterator<Item = (Stream, &'a str)>) -> Vec<String> {
    let mut left = ALL;
    let mut shown: Vec<String> = Vec::new();
    for (stream, text) in lines.rev().take(LAST_LINES as usize) {
        let mark = match stream {
            Stream::Stdout => '|',
            Stream::Stderr => '!',
            Stream::Gap => '#',
        };
        let mut plain: String = text.chars().take(LINE).map(|c| if moves(c) { '·' } else { c }).collect();
        if plain.len() < text.len() && text.chars().nth(LINE).is_some() {
            plain.push('…');
        }
        let line = format!("  {mark} {plain}").trim_end().to_owned();
        if line.len() > left {
            break;
        }
        left -= line.len();
        shown.push(line);
    }
    if !shown.is_empty() {
        shown.push(format!("the last lines of {container}:"));
    }
    shown.reverse();
    shown
}

/// Control characters, and marks that turn the writing direction.
fn moves(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where it failed, and after how long: what stands behind the cause.
pub fn place(rollout: &Rollout) -> String {
    let failed = (1..).zip(&rollout.steps).find(|(_, it)| it.error.is_some());
    let step = failed.map(|(number, it)| {
        format!("step {number}/{}, {} {}", rollout.steps.len(), it.step.action.words().1, it.step.container)
    });
    let after = rollout.duration_ms.filter(|ms| *ms > 0).map(|ms| format!("after {}", duration(ms)));
    step.into_iter().chain(after).collect::<Vec<_>>().join(", ")
}

/// A duration as people read it.
pub fn duration(ms: u64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}

/// The commit of the newest rollout that succeeded before `failed` did not, and that applied something else.
pub fn last_good<'a>(rollouts: &'a [Rollout], failed: &Rollout) -> Option<&'a Oid> {
    let earlier = rollouts.iter().filter(|it| it.planned_at < failed.planned_at && it.commit != failed.commit);
    earlier.filter(|it| it.status == RolloutStatus::Succeeded).max_by_key(|it| it.planned_at).map(|it| &it.commit)
}

/// What can be done about the newest rollout once it has failed: three things, each as a command to copy. `fleet` is
/// said where the command is not meant for a clone.
pub fn advice(commit: &Oid, good: Option<&Oid>, deploy: &str, fleet: Option<&str>) -> Vec<String> {
    let short = commit.short();
    let fleet = fleet.map(|it| format!(" --fleet {it}")).unwrap_or_default();
    let back = good.map_or_else(
        || "no earlier rollout of another commit succeeded".to_owned(),
        |good| format!("fleetlog rollback --to {}{fleet}", good.short()),
    );
    vec![
        "the commit is accepted and stays; what you can do now:".to_owned(),
        format!("hint: to try again:  fleetlog retry {short}{fleet}"),
        format!("hint: to fix it:     git commit -a && git push origin {deploy}"),
        format!("hint: to go back:    {back}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[(Stream, &str)]) -> Vec<String> {
        last_lines(&"api".parse().unwrap(), lines.iter().copied())
    }

    #[test]
    fn the_newest_lines_are_shown_oldest_first() {
        assert_eq!(shown(&[]), Vec::<String>::new());
        let many: Vec<String> = (0..30).map(|n| format!("line {n}")).collect();
        let many: Vec<(Stream, &str)> = many.iter().map(|it| (Stream::Stdout, it.as_str())).collect();
        let shown = shown(&many);
        assert_eq!((shown.len(), shown[0].as_str()), (11, "the last lines of api:"));
        assert_eq!((shown[1].as_str(), shown[10].as_str()), ("  | line 20", "  | line 29"));
    }

    #[test]
    fn a_line_cannot_move_the_cursor_nor_fill_the_terminal() {
        let long = "ä".repeat(5_000);
        let shown =
            shown(&[(Stream::Stdout, "older"), (Stream::Stderr, "\u{1b}[2Jboom\r\u{202e}"), (Stream::Gap, &long)]);
        assert_eq!(shown[2], "  ! ·[2Jboom··");
        assert_eq!(shown[3], format!("  # {}…", "ä".repeat(300)));
        let long: Vec<(Stream, &str)> = (0..10).map(|_| (Stream::Stdout, long.as_str())).collect();
        assert!(self::shown(&long).iter().map(String::len).sum::<usize>() < 5_000);
    }

    #[test]
    fn each_advice_is_a_command_to_copy() {
        let (bad, good) = ("b".repeat(40).parse().unwrap(), "a".repeat(40).parse().unwrap());
        expect_test::expect![[r#"
            the commit is accepted and stays; what you can do now:
            hint: to try again:  fleetlog retry bbbbbbbb
            hint: to fix it:     git commit -a && git push origin main
            hint: to go back:    fleetlog rollback --to aaaaaaaa
        "#]]
        .assert_eq(&(advice(&bad, Some(&good), "main", None).join("\n") + "\n"));
        let named = advice(&bad, Some(&good), "main", Some("acme/shop"));
        assert_eq!(named[3], "hint: to go back:    fleetlog rollback --to aaaaaaaa --fleet acme/shop");
        let alone = advice(&bad, None, "main", Some("acme/shop"));
        assert_eq!(alone[1], "hint: to try again:  fleetlog retry bbbbbbbb --fleet acme/shop");
        assert_eq!(alone[3], "hint: to go back:    no earlier rollout of another commit succeeded");
    }
}
