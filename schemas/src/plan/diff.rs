//! What is not the same between two plans for the same desired state: the one that was printed before a push, and the one
//! that its rollout follows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Reason, Step};
use crate::names::Name;

/// What differs, a line a container; empty where the same is done to the same containers. Why something is done, and in
/// which order, is no difference.
pub fn difference(printed: &[Step], now: &[Step]) -> Vec<String> {
    let (printed, now) = (by_thing(printed), by_thing(now));
    let names: BTreeSet<Thing<'_>> = printed.keys().chain(now.keys()).copied().collect();
    let width = names.iter().map(|(_, name)| name.as_str().len()).max().unwrap_or_default();
    let line = |sign: &str, word: &str, name: &Name, rest: String| {
        format!("  {sign} {word:<9}  {:<width$}  {rest}", name.as_str()).trim_end().to_owned()
    };
    let differs = |(is_volume, name): Thing<'_>| match (printed.get(&(is_volume, name)), now.get(&(is_volume, name))) {
        (None, Some(new)) => Some(line("+", new.action.words().1, name, why(new))),
        (Some(old), None) => Some(line("-", old.action.words().1, name, "not needed any more".to_owned())),
        (Some(old), Some(new)) if old.action != new.action => {
            let rest = format!("instead of: {}; {}", old.action.words().1, why(new));
            Some(line("~", new.action.words().1, name, rest.trim_end_matches("; ").to_owned()))
        }
        _ => None,
    };
    names.into_iter().filter_map(differs).collect()
}

/// Whether it is a volume, and its name: a container may have the same one.
type Thing<'a> = (bool, &'a Name);

fn by_thing(steps: &[Step]) -> BTreeMap<Thing<'_>, &Step> {
    steps.iter().map(|step| ((step.action == Action::Destroy, &step.container), step)).collect()
}

fn why(step: &Step) -> String {
    step.reasons.iter().map(Reason::told).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn steps(all: &[(&str, Action)]) -> Vec<Step> {
        let step = |(name, action): &(&str, Action)| Step {
            container: name.parse().unwrap(),
            action: *action,
            reasons: match action {
                Action::Restart => vec![Reason::observed("state", "exited with code 3", "running")],
                _ => Vec::new(),
            },
            after: Vec::new(),
        };
        all.iter().map(step).collect()
    }

    /// Below a heading, as an expectation takes away what all of its lines are indented by.
    fn check(printed: &[(&str, Action)], now: &[(&str, Action)], expected: Expect) {
        let lines = difference(&steps(printed), &steps(now));
        expected.assert_eq(&[vec!["differs:".to_owned()], lines].concat().join("\n"));
    }

    #[test]
    fn the_same_steps_in_another_order_are_no_difference() {
        let (a, b) = (("a", Action::Create), ("b", Action::Remove));
        check(&[a, b], &[b, a], expect!["differs:"]);
        check(&[], &[], expect!["differs:"]);
    }

    #[test]
    fn what_came_what_went_and_what_is_another() {
        check(
            &[("api", Action::Create), ("db", Action::Recreate), ("same", Action::Remove)],
            &[("db", Action::Restart), ("same", Action::Remove), ("worker", Action::Restart), ("x", Action::Create)],
            expect![[r#"
                differs:
                  - create     api     not needed any more
                  ~ restart    db      instead of: re-create; state: exited with code 3 → running
                  + restart    worker  state: exited with code 3 → running
                  + create     x"#]],
        );
        check(
            &[("a", Action::Restart)],
            &[("a", Action::Create)],
            expect![[r#"
            differs:
              ~ create     a  instead of: restart"#]],
        );
    }
}
