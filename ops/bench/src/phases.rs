//! Where the time of a push goes, from the times that its own events carry.

use schemas::event::Shown;
use tests::Events;

/// One stretch of a push: what it is, and how long it took in milliseconds.
pub type Phase = (&'static str, f64);

/// The stretches of the newest push, given how long the whole `git push` took.
pub fn of_newest_push(events: &Events, whole_ms: f64) -> Vec<Phase> {
    let pushed = events.newest("git.pushed");
    let planned = events.newest("rollout.planned");
    let id = planned.id.to_string();
    let of_this = |it: &&Shown| it.data["rollout"] == id.as_str();
    let steps: Vec<&Shown> = events.of_type("rollout.step").into_iter().filter(of_this).collect();
    let end = events.of_type("rollout.succeeded").into_iter().find(of_this);
    let between = |from: &Shown, to: &Shown| to.time.duration_since(from.time).as_secs_f64() * 1_000.0;

    let mut phases = vec![("pushed → planned", between(pushed, planned))];
    let mut inside = between(pushed, planned);
    let mut last = planned;
    if let (Some(first), Some(newest)) = (steps.first(), steps.last()) {
        phases.push(("planned → first step sent", between(planned, first)));
        phases.push(("first step sent → last step done", between(first, newest)));
        inside += between(planned, newest);
        last = newest;
    }
    if let Some(end) = end {
        phases.push((
            if steps.is_empty() { "planned → succeeded" } else { "last step done → succeeded" },
            between(last, end),
        ));
        inside += between(last, end);
    }
    phases.push(("git, check, plan, pack, append and the last line", whole_ms - inside));
    phases
}
