//! Amounts and signals that their types let pass and Docker or the kernel would refuse, once it is too late.

use std::fmt::Display;
use std::str::FromStr;

use super::fault::{Fault, quote};
use super::nearest::did_you_mean;
use super::tree::Source;
use crate::json::Node;
use crate::units::{Size, Span};

/// Docker's least memory of a container.
const LEAST_MEMORY: Size = Size(6 << 20);

/// More than any machine has, and less than what overflows where Docker adds two of them.
const MOST_BYTES: Size = Size(1 << 50);

/// Docker's least time of a health check.
const LEAST_SPAN: Span = Span(1);

/// Longer than anybody waits, and less than what overflows where nanoseconds are counted.
const MOST_SPAN: Span = Span::seconds(30 * 24 * 60 * 60);

/// So long a newer push has to wait at most because two containers go on together.
const MOST_DRAIN: Span = Span::seconds(10 * 60);

/// Linux's signals by their numbers, as Docker names them.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// Other names of some of them.
const ALIASES: [&str; 5] = ["CLD", "IOT", "POLL", "RTMAX", "RTMIN"];

/// Tells all faults of a container's amounts and of its signal. What is of the wrong type or form has been told.
pub(super) fn read(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    signal(source, root, faults);
    if let Some(health) = root.get("health") {
        for key in ["interval", "timeout", "within"] {
            between(source, health, key, "bad-health", (LEAST_SPAN, MOST_SPAN), faults);
        }
        between(source, health, "start_period", "bad-health", (Span(0), MOST_SPAN), faults);
    }
    if let Some(stop) = root.get("stop") {
        between(source, stop, "grace", "bad-stop", (Span(0), MOST_SPAN), faults);
    }
    between(source, root, "drain", "bad-update", (Span(0), MOST_DRAIN), faults);
    memory(source, root, faults);
    between(source, root, "shm_size", "bad-limit", (Size(1), MOST_BYTES), faults);
    let Some(limits) = root.get("limits") else { return };
    between(source, limits, "swap", "bad-limit", (Size(0), MOST_BYTES), faults);
    // Docker counts swap together with the memory.
    if let (Some(swap), None) = (limits.get("swap"), limits.get("memory")) {
        let fault = Fault::new(source.place(swap.spot), "bad-limit", "`swap` without `memory`", "`memory` beside it");
        faults.push(fault.hint("such as \"memory\": \"512MiB\"".to_owned()));
    }
}

/// The same for the memory of a container or of a task.
pub(super) fn memory(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    if let Some(limits) = root.get("limits") {
        between(source, limits, "memory", "bad-limit", (LEAST_MEMORY, MOST_BYTES), faults);
    }
}

fn between<T: FromStr + Ord + Display>(
    source: &Source,
    object: &Node,
    key: &str,
    code: &'static str,
    (least, most): (T, T),
    faults: &mut Vec<Fault>,
) {
    let Some((node, text)) = object.get(key).and_then(|node| Some((node, node.text()?))) else { return };
    let Ok(amount) = text.parse::<T>() else { return };
    let expected = if amount < least {
        format!("at least {least}")
    } else if amount > most {
        format!("at most {most}")
    } else {
        return;
    };
    faults.push(Fault::new(source.place(node.spot), code, format!("`{key}` is {}", quote(text)), expected));
}

fn signal(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some(node) = root.get("stop").and_then(|it| it.get("signal")) else { return };
    // What does not look like a signal at all has been told.
    let like = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '+' | '-');
    let Some(text) = node.text().filter(|it| it.starts_with(|c: char| c.is_ascii_uppercase()) && it.chars().all(like))
    else {
        return;
    };
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known = || SIGNALS.iter().chain(&ALIASES).copied();
    if known().any(|it| it == name) || is_real_time(name) {
        return;
    }
    let seen = format!("`signal` is {}", quote(text));
    let expected = "a signal of Linux, such as `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `RTMIN+3`";
    let fault = Fault::new(source.place(node.spot), "unknown-signal", seen, expected);
    faults.push(fault.hint(did_you_mean(name, known())));
}

/// `RTMIN+1` to `RTMIN+15` and `RTMAX-14` to `RTMAX-1`, as Docker has them.
fn is_real_time(name: &str) -> bool {
    let within = |prefix: &str, most: u8| {
        let number = name.strip_prefix(prefix).filter(|it| !it.starts_with(['0', '+']));
        number.and_then(|it| it.parse::<u8>().ok()).is_some_and(|it| (1..=most).contains(&it))
    };
    within("RTMIN+", 15) || within("RTMAX-", 14)
}

/// What to write for the number of a signal.
pub(super) fn signal_of(number: &str) -> Option<String> {
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    Some(format!("write \"{}\"", SIGNALS.get(index)?))
}
