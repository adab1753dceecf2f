//! A plan for people, in a terminal: readable without colour, and without a single escape code.

use super::{Action, Down, Held, Live, Plan, Reason, Step};
use crate::names::Name;
use crate::units::Span;

/// Names in one line at most; the others are counted.
const NAMES: usize = 8;

impl Action {
    /// The sign and the word in front of a step.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("+", "create"),
            Self::Recreate => ("~", "re-create"),
            Self::Replace => ("~", "replace"),
            Self::Update => ("~", "update"),
            Self::Place => ("~", "place"),
            Self::Reload => ("~", "reload"),
            Self::Restart => ("~", "restart"),
            Self::Wait => ("=", "wait for"),
            Self::Remove => ("-", "remove"),
            Self::Destroy => ("-", "destroy"),
        }
    }
}

/// The plan, a line a step; ends without a line break.
pub fn describe(plan: &Plan) -> String {
    let mut lines = vec![head(plan)];
    let width = plan.steps.iter().map(|step| step.container.as_str().len()).max().unwrap_or_default();
    for step in &plan.steps {
        let (sign, word) = step.action.words();
        let mut told = told(plan, step).into_iter();
        let first = told.next().unwrap_or_default();
        lines.push(format!("  {sign} {word:<9}  {:<width$}  {first}", step.container.as_str()).trim_end().to_owned());
        let under = " ".repeat("  ~ re-create  ".len() + width + 2);
        lines.extend(told.map(|line| format!("{under}{line}")));
    }
    lines.extend(plan.held.iter().map(held));
    lines.extend(plan.live.iter().map(live));
    if !plan.steps.is_empty() && !plan.unchanged.is_empty() {
        lines.push(format!("  = unchanged  {}", names(&plan.unchanged, ", ")));
    }
    lines.extend(plan.new_volumes.iter().map(|name| format!("  + volume     {name}")));
    lines.extend(
        plan.kept_volumes
            .iter()
            .map(|name| format!("  = volume     {name} stays, with its data{}", plan.way_to_destroy(name))),
    );
    lines.extend(plan.network.as_ref().map(|it| match it.made {
        true => format!("  + network    {}", it.name),
        false => format!("  - network    {}, with its last container", it.name),
    }));
    lines.extend(touched(plan));
    lines.join("\n")
}

impl Plan {
    /// How a volume that stays could go, where a push can say so.
    fn way_to_destroy(&self, volume: &Name) -> String {
        let ephemeral = self.ephemeral_volumes.contains(volume);
        if ephemeral { format!("; to destroy it: -o allow-destroy={volume}") } else { String::new() }
    }
}

fn head(plan: &Plan) -> String {
    let unchanged = plan.unchanged.len();
    if plan.steps.is_empty() {
        let held = match plan.held.len() {
            0 => String::new(),
            n => format!(", {n} on hold"),
        };
        return match unchanged {
            0 if !plan.held.is_empty() => format!("plan: nothing to do{held}"),
            0 => "plan: nothing to do, the fleet has no containers".to_owned(),
            1 => format!("plan: nothing to do, 1 container is as it should be{held}"),
            _ => format!("plan: nothing to do, {unchanged} containers are as they should be{held}"),
        };
    }
    let all = [
        Action::Create,
        Action::Recreate,
        Action::Replace,
        Action::Update,
        Action::Place,
        Action::Reload,
        Action::Restart,
        Action::Wait,
        Action::Remove,
        Action::Destroy,
    ];
    let counts = all.map(|action| {
        let count = plan.steps.iter().filter(|step| step.action == action).count();
        (count > 0).then(|| format!("{count} to {}", action.words().1))
    });
    let mut counts: Vec<String> = counts.into_iter().flatten().collect();
    if unchanged > 0 {
        counts.push(format!("{unchanged} unchanged"));
    }
    if !plan.held.is_empty() {
        counts.push(format!("{} on hold", plan.held.len()));
    }
    format!("plan: {}", counts.join(", "))
}

/// What is said of a step: why, and what that means for what runs.
fn told(plan: &Plan, step: &Step) -> Vec<String> {
    let mut told: Vec<String> = step.reasons.iter().map(Reason::told).collect();
    if step.action == Action::Remove {
        told.push(match plan.keep_removed {
            Some(keep) => format!("its volumes stay; the container is kept, stopped, for {}", long(keep)),
            None => "its volumes stay".to_owned(),
        });
    }
    if step.action == Action::Place {
        told.push("its files are put in place while it runs".to_owned());
    }
    if step.action == Action::Reload {
        told.push("its files are put in place, and it gets a signal: not down".to_owned());
    }
    if step.action == Action::Destroy {
        told.push("a volume: its data goes for good, as a push allowed".to_owned());
    }
    if step.action == Action::Replace {
        told.push("nothing is down: the new one is ready before this one is stopped".to_owned());
    }
    if let Some(down) = plan.down.iter().find(|it| it.container == step.container) {
        let times = match down.measured {
            0 => String::new(),
            1 => ", as the last time".to_owned(),
            n => format!(", as the last {n} times"),
        };
        told.push(format!("down {}{times}", down.span()));
    }
    told
}

impl Down {
    fn span(&self) -> String {
        match (self.about_ms, self.grace) {
            (Some(ms), _) => format!("for about {}", about(ms)),
            (None, Some(grace)) => format!("while it stops (up to {grace}) and until it runs again"),
            (None, None) => "while it stops and until it runs again".to_owned(),
        }
    }
}

/// What the plan means for the fleet, in one line; none: nothing is touched.
fn touched(plan: &Plan) -> Option<String> {
    let count = |wanted: fn(Action) -> bool| plan.steps.iter().filter(|step| wanted(step.action)).count();
    let touched = count(|action| !matches!(action, Action::Wait | Action::Destroy));
    let destroyed = count(|action| action == Action::Destroy);
    if touched + destroyed == 0 {
        return None;
    }
    let containers = if plan.containers == 1 { "container" } else { "containers" };
    let mut line = format!("touches {touched} of {} {containers}", plan.containers);
    match count(|action| action == Action::Remove) {
        0 if plan.down.is_empty() && count(|action| action == Action::Replace) > 0 => {
            line.push_str(", nothing is down")
        }
        0 if plan.down.is_empty() => line.push_str(", nothing that runs is stopped"),
        0 => {}
        1 => line.push_str(if plan.keep_removed.is_some() { ", 1 goes" } else { ", 1 goes for good" }),
        n => line.push_str(&format!(", {n} go{}", if plan.keep_removed.is_some() { "" } else { " for good" })),
    }
    match plan.down.as_slice() {
        [] => {}
        [one] => line.push_str(&format!(", 1 is down {}", one.span())),
        several => line.push_str(&format!(", {} are down{}", several.len(), longest(several))),
    }
    match destroyed {
        0 => {}
        1 => line.push_str(", destroys 1 volume"),
        n => line.push_str(&format!(", destroys {n} volumes")),
    }
    if !plan.needed_by.is_empty() {
        line.push_str(&format!(", needed by {}", names(&plan.needed_by, " and ")));
    }
    Some(line)
}

/// How long several are down, where that is known of all of them.
fn longest(down: &[Down]) -> String {
    let all: Option<Vec<u64>> = down.iter().map(|it| it.about_ms).collect();
    match all.and_then(|all| all.into_iter().max()) {
        Some(ms) => format!(", the longest for about {}", about(ms)),
        None => " while they stop and until they run again".to_owned(),
    }
}

/// What is left alone, and what that keeps from being done.
fn held(it: &Held) -> String {
    let would = it.action.map(|action| {
        let why: Vec<String> = it.reasons.iter().map(Reason::told).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        format!("; not done: {}{why}", action.words().1)
    });
    format!("  ! on hold    {}  {}{}", it.container, it.hold.told(), would.unwrap_or_default())
}

fn live(live: &Live) -> String {
    let mut told: Vec<String> = live.reasons.iter().map(Reason::told).collect();
    told.push(live.note.clone());
    format!("  ~ live       {}  {}", live.thing, told.join("; "))
}

/// `a, b and c`, or `a, b, c`: with `last` before the last one; what is too much for a line is counted.
fn names(all: &[Name], last: &str) -> String {
    let mut shown: Vec<String> = all.iter().take(NAMES).map(ToString::to_string).collect();
    if all.len() > NAMES {
        shown.push(format!("{} more", all.len() - NAMES));
    }
    match shown.split_last() {
        Some((end, [])) => end.clone(),
        Some((end, front)) => format!("{}{last}{end}", front.join(", ")),
        None => String::new(),
    }
}

/// A duration as one says it: days where it is some of them.
fn long(span: Span) -> String {
    const DAY: u64 = 24 * 3_600_000;
    match span.0 / DAY {
        days if days > 1 && span.0.is_multiple_of(DAY) => format!("{days} days"),
        _ => span.to_string(),
    }
}

/// A duration, no more exact than it can be known.
fn about(ms: u64) -> String {
    match ms {
        ..10_000 => {
            // At least a tenth, rounded to tenths.
            let tenths = ((ms + 50) / 100).max(1);
            if tenths.is_multiple_of(10) {
                format!("{} s", tenths / 10)
            } else {
                format!("{}.{} s", tenths / 10, tenths % 10)
            }
        }
        10_000..120_000 => format!("{} s", (ms + 500) / 1_000),
        _ => format!("{} min", (ms + 30_000) / 60_000),
    }
}

impl Reason {
    /// In a line.
    pub fn told(&self) -> String {
        let Self { field, from, to } = self;
        match (from, to) {
            (Some(from), Some(to)) => format!("{field}: {from} → {to}"),
            (Some(from), None) if field == "container" => format!("it is of {from}"),
            (Some(from), None) => format!("{field}: {from} → none"),
            (None, Some(to)) => format!("{field}: {to} is new"),
            (None, None) => field.clone(),
        }
    }
}
