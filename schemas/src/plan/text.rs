//! A plan for people, in a terminal.

use super::{Action, Plan, Reason};

impl Action {
    /// The sign and the word in front of a step.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("+", "create"),
            Self::Recreate => ("~", "re-create"),
            Self::Restart => ("~", "restart"),
            Self::Wait => ("=", "wait for"),
            Self::Remove => ("-", "remove"),
        }
    }
}

/// The plan, a line a step; ends without a line break.
pub fn describe(plan: &Plan) -> String {
    let unchanged = plan.unchanged.len();
    if plan.steps.is_empty() {
        return match unchanged {
            0 => "plan: nothing to do, the fleet has no containers".to_owned(),
            1 => "plan: nothing to do, 1 container is as it should be".to_owned(),
            _ => format!("plan: nothing to do, {unchanged} containers are as they should be"),
        };
    }
    let counts = [Action::Create, Action::Recreate, Action::Restart, Action::Wait, Action::Remove].map(|action| {
        let count = plan.steps.iter().filter(|step| step.action == action).count();
        (count > 0).then(|| format!("{count} to {}", action.words().1))
    });
    let mut counts: Vec<String> = counts.into_iter().flatten().collect();
    if unchanged > 0 {
        counts.push(format!("{unchanged} unchanged"));
    }
    let mut lines = vec![format!("plan: {}", counts.join(", "))];
    let width = plan.steps.iter().map(|step| step.container.as_str().len()).max().unwrap_or_default();
    for step in &plan.steps {
        let (sign, word) = step.action.words();
        let reasons: Vec<String> = step.reasons.iter().map(reason).collect();
        let reasons = match step.action {
            Action::Remove => "its volumes stay".to_owned(),
            _ => reasons.join("; "),
        };
        lines.push(format!("  {sign} {word:<9}  {:<width$}  {reasons}", step.container.as_str()).trim_end().to_owned());
    }
    lines.extend(plan.new_volumes.iter().map(|name| format!("  + volume     {name}")));
    lines.extend(plan.kept_volumes.iter().map(|name| format!("    volume     {name} stays, with its data")));
    lines.join("\n")
}

fn reason(reason: &Reason) -> String {
    let Reason { field, from, to } = reason;
    match (from, to) {
        (Some(from), Some(to)) => format!("{field}: {from} → {to}"),
        (Some(from), None) if field == "container" => format!("it is of {from}"),
        (Some(from), None) => format!("{field}: {from} → none"),
        (None, Some(to)) => format!("{field}: {to} is new"),
        (None, None) => field.clone(),
    }
}
