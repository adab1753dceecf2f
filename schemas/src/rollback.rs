//! The way back: what a rollback goes back to where nobody says, which commits it withdraws, whether a push brings one of
//! them in again, and what does not go back with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::descriptors::Desired;
use crate::event::{Data, Event};
use crate::fleet::{Fleet, Rollout, RolloutStatus};
use crate::names::{Name, Oid};
use crate::spec::resource_name;

/// Commits of one rollback that are remembered at most: the newest. They stand in an event, and events are for ever.
pub const REMEMBERED: usize = 10_000;

/// Commits that were taken back and not reinstated since, folded from a fleet's Git events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn(BTreeSet<Oid>);

impl Withdrawn {
    /// Takes an event; those about other things change nothing.
    pub fn apply(&mut self, event: &Event) {
        match &event.data {
            Data::DesiredRolledBack(it) => {
                self.0.extend(it.withdrawn.iter().cloned());
                self.without(&it.reinstated);
            }
            Data::DesiredReinstated(it) => self.without(&it.commits),
            _ => {}
        }
    }

    fn without(&mut self, commits: &[Oid]) {
        for commit in commits {
            self.0.remove(commit);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is one of them.
    pub fn contains(&self, commit: &Oid) -> bool {
        self.0.contains(commit)
    }
}

/// A commit that a push adds to what is desired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its id.
    pub commit: Oid,
    /// Its parents.
    pub parents: Vec<Oid>,
    /// What its message says that it reverts.
    pub reverts: Vec<Revert>,
}

/// A commit that another one reverts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revert {
    /// Which.
    pub commit: Oid,
    /// Of a merge, the parent that it goes back to: everything else that the merge brought is reverted with it.
    pub back_to: Option<Oid>,
}

/// What a commit's message says that it reverts, in Git's own words: `This reverts commit <id>.`, and of a merge
/// `This reverts commit <id>, reversing changes made to <id>.`
pub fn reverts(message: &str) -> Vec<Revert> {
    let words: Vec<&str> = message.split_whitespace().collect();
    let id = |word: &&str| word.trim_end_matches(['.', ',']).parse::<Oid>().ok();
    let says = |at: usize, what: &[&str]| words.get(at..).is_some_and(|rest| rest.starts_with(what));
    let mut found = Vec::new();
    for at in (0..words.len()).filter(|at| says(*at, &["This", "reverts", "commit"])) {
        let Some(commit) = words.get(at + 3).and_then(id) else { continue };
        let merge = says(at + 4, &["reversing", "changes", "made", "to"]);
        let back_to = words.get(at + 8).filter(|_| merge).and_then(id);
        found.push(Revert { commit, back_to });
    }
    found
}

/// The withdrawn commits that a push would bring in again, the newest first: those among what it adds that no newer commit
/// of it reverts. A revert that is itself reverted does not count.
///
/// `added` is what the new tip leads to and the desired commit does not, each before its parents. What is desired was
/// looked at when it was accepted, and is not looked at again.
pub fn brought_again(withdrawn: &Withdrawn, added: &[Added]) -> Vec<Oid> {
    let places: HashMap<&Oid, usize> = added.iter().enumerate().map(|(at, it)| (&it.commit, at)).collect();
    let mut reverted = HashSet::new();
    for (at, newer) in added.iter().enumerate() {
        if reverted.contains(&at) {
            continue;
        }
        for revert in &newer.reverts {
            let Some(place) = places.get(&revert.commit).copied().filter(|place| *place > at) else { continue };
            reverted.insert(place);
            if let Some(base) = &revert.back_to {
                let kept = behind(added, &places, base);
                reverted.extend(behind(added, &places, &revert.commit).difference(&kept));
            }
        }
    }
    let is_back = |(at, it): &(usize, &Added)| withdrawn.contains(&it.commit) && !reverted.contains(at);
    added.iter().enumerate().filter(is_back).map(|(_, it)| it.commit.clone()).collect()
}

/// A commit and all that it leads to, as far as they are among `added`.
fn behind(added: &[Added], places: &HashMap<&Oid, usize>, commit: &Oid) -> HashSet<usize> {
    let mut seen = HashSet::new();
    let mut waiting: Vec<usize> = places.get(commit).copied().into_iter().collect();
    while let Some(at) = waiting.pop() {
        if seen.insert(at) {
            waiting.extend(added[at].parents.iter().filter_map(|it| places.get(it).copied()));
        }
    }
    seen
}

/// Commands that revert these commits, in their order; none where that is not a matter of a few commits of the pushed
/// branch itself.
pub fn way_out(added: &[Added], commits: &[Oid]) -> Vec<String> {
    let places: HashMap<&Oid, &Added> = added.iter().map(|it| (&it.commit, it)).collect();
    let mut next = added.first();
    let mut commands: Vec<String> = Vec::new();
    let mut plain = false;
    while let Some(at) = next.take_if(|_| commands.len() <= NAMED) {
        let (id, merge) = (at.commit.short(), at.parents.len() > 1);
        if commits.contains(&at.commit) {
            match commands.last_mut().filter(|_| plain && !merge) {
                Some(command) => command.push_str(&format!(" {id}")),
                None => {
                    let parent = if merge { "-m 1 " } else { "" };
                    commands.push(format!("git revert --no-edit {parent}{id}"));
                }
            }
            plain = !merge;
        }
        next = at.parents.first().and_then(|it| places.get(it).copied());
    }
    if commits.len() > 2 * NAMED || commands.len() > NAMED { Vec::new() } else { commands }
}

/// Commits, or commands, of a message at most.
const NAMED: usize = 5;

/// What a pusher is told who brings these commits in again; they are not none.
pub fn told(commits: &[Oid]) -> String {
    let named: Vec<&str> = commits.iter().take(NAMED).map(Oid::short).collect();
    let more = match commits.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let it = if commits.len() == 1 { "it" } else { "them" };
    format!("contains withdrawn {}{more}: revert {it}, or `-o reinstate`", named.join(", "))
}

/// Where a rollback goes back to where nobody says: the newest rollout before the current state's own that succeeded, of
/// another commit, and of none that was withdrawn.
pub fn last_good<'a>(fleet: &'a Fleet, withdrawn: &Withdrawn) -> Option<&'a Rollout> {
    let earlier = fleet.rollouts.iter().rev().filter(|it| it.desired < fleet.desired_at);
    let mut good = earlier.filter(|it| it.status == RolloutStatus::Succeeded);
    good.find(|it| fleet.commit.as_ref() != Some(&it.commit) && !withdrawn.contains(&it.commit))
}

/// A position at which everything was as a rollback makes it again, where nobody says: right before the newest update of
/// images, where what is desired runs with updated ones; else at the end of the time of [`last_good`].
pub fn last_good_position(fleet: &Fleet, withdrawn: &Withdrawn) -> Option<u64> {
    let updated_at = fleet.images.versions.updated_at;
    let before = |it: &&Rollout| it.desired == fleet.desired_at && it.planned_at < updated_at;
    let mut earlier = fleet.rollouts.iter().rev().filter(before);
    if earlier.any(|it| it.status == RolloutStatus::Succeeded) {
        return Some(updated_at - 1);
    }
    let good = last_good(fleet, withdrawn)?;
    let later = fleet.rollouts.iter().map(|it| it.desired).filter(|it| *it > good.desired).min();
    Some(later.unwrap_or(fleet.desired_at) - 1)
}

/// What does not go back when `target` is desired again, for people: it stands below the plan.
pub fn stays(fleet: &Fleet, target: &Desired) -> Vec<String> {
    let wanted: BTreeMap<&Name, _> = fleet.desired.volumes.iter().chain(&target.volumes).collect();
    let seen = |name: &&Name| fleet.observed.volumes.get(&resource_name(&fleet.id, Some(name)));
    let exists = |name: &&Name| seen(name).is_some_and(|it| it.exists);
    let gone = |name: &&Name| target.volumes.contains_key(*name) && seen(name).is_some_and(|it| !it.exists);
    let names = |which: &dyn Fn(&&Name) -> bool| {
        let all: Vec<&str> = wanted.keys().copied().filter(which).map(Name::as_str).collect();
        all.join(", ")
    };
    let (there, lost) = (names(&exists), names(&gone));
    let mut lines = Vec::new();
    if !there.is_empty() {
        lines.push(format!("not rolled back: the data of volumes stays as it is now: {there}"));
    }
    if !lost.is_empty() {
        lines.push(format!("not rolled back: volumes that were destroyed come back empty: {lost}"));
    }
    lines.push("not rolled back: what containers and tasks did elsewhere, such as in other systems".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DesiredReinstated, DesiredRolledBack, Draft, Scope};

    fn oid(letter: char) -> Oid {
        // Letters past `f` are no hexadecimal digits.
        format!("{:02x}{}", u32::from(letter), "0".repeat(38)).parse().unwrap()
    }

    fn event(data: Data) -> Event {
        let draft = Draft {
            id: uuid::Uuid::nil(),
            scope: Scope::Fleet("acme/shop".parse().unwrap()),
            subject: "desired".to_owned(),
            time: jiff::Timestamp::UNIX_EPOCH,
            actor: "ann".to_owned(),
            cause: None,
            data,
        };
        Event { position: 1, draft }
    }

    fn rolled_back(withdrawn: &str, reinstated: &str) -> Event {
        event(Data::DesiredRolledBack(DesiredRolledBack {
            commit: oid('a'),
            from: oid('z'),
            to: 1,
            descriptors: Default::default(),
            withdrawn: withdrawn.chars().map(oid).collect(),
            reinstated: reinstated.chars().map(oid).collect(),
            reason: None,
        }))
    }

    fn withdrawn(letters: &str) -> Withdrawn {
        let mut it = Withdrawn::default();
        it.apply(&rolled_back(letters, ""));
        it
    }

    /// Each `commit:parents:message`, the newest first; `!x` in a message reverts `x`, `!xy` goes back from `x` to `y`.
    fn history(text: &str) -> Vec<Added> {
        let added = |line: &str| {
            let mut parts = line.split(':');
            let commit = oid(parts.next().unwrap().chars().next().unwrap());
            let parents = parts.next().unwrap_or_default().chars().map(oid).collect();
            let revert = |text: &str| {
                let mut ids = text.chars().map(oid);
                let commit = ids.next().unwrap();
                match ids.next() {
                    None => format!("Revert it\n\nThis reverts commit {commit}.\n"),
                    Some(base) => format!("This reverts commit {commit}, reversing\nchanges made to {base}.\n"),
                }
            };
            let message: String = parts.next().unwrap_or_default().split('!').skip(1).map(revert).collect();
            Added { commit, parents, reverts: reverts(&message) }
        };
        text.split_whitespace().map(added).collect()
    }

    #[track_caller]
    fn back(withdrawn_ones: &str, added: &str, expected: &str) {
        let found = brought_again(&withdrawn(withdrawn_ones), &history(added));
        assert_eq!(found, expected.chars().map(oid).collect::<Vec<_>>(), "{added}");
    }

    #[test]
    fn what_was_withdrawn_comes_back_only_reverted() {
        back("b", "b:a", "b");
        back("b", "c:b b:a", "b");
        back("b", "c:a", "");
        back("b", "c:b:!b b:a", "");
        back("bc", "d:c:!c c:b b:a", "b");
        back("bc", "e:d:!b d:c:!c c:b b:a", "");
        back("bc", "d:c:!c!b c:b b:a", "");
        // Said by what is older, it reverts nothing.
        back("b", "b:a a:9:!b", "b");
    }

    #[test]
    fn a_revert_that_is_reverted_does_not_count() {
        back("b", "d:c:!c c:b:!b b:a", "b");
        back("b", "e:d:!d d:c:!c c:b:!b b:a", "");
        back("b", "e:d:!b d:c:!c c:b:!b b:a", "");
    }

    #[test]
    fn with_a_merge_all_that_it_brought_is_reverted() {
        // `m` took `x` and `y` in, beside `b`.
        back("mxy", "r:m:!mb m:by y:x x:a b:a", "");
        back("mxyb", "r:m:!mb m:by y:x x:a b:a", "b");
        back("mxy", "r:m:!m m:by y:x x:a b:a", "yx");
    }

    #[test]
    fn only_gits_own_words_revert() {
        let id = "0123456789012345678901234567890123456789";
        assert_eq!(reverts(&format!("This reverts commit {id}.")).len(), 1);
        assert_eq!(reverts(&format!("tree x\n\n    This reverts\n    commit {id}.")).len(), 1);
        for other in
            [format!("this reverts {id}"), format!("reverts commit {id}"), "This reverts commit 012345.".into()]
        {
            assert_eq!(reverts(&other), [], "{other}");
        }
    }

    #[test]
    fn what_is_reinstated_is_not_withdrawn_any_more() {
        let mut it = withdrawn("bcd");
        it.apply(&rolled_back("e", "b"));
        assert!(!it.contains(&oid('b')) && it.contains(&oid('c')) && it.contains(&oid('e')));
        let commits = ['c', 'd', 'e'].map(oid).to_vec();
        it.apply(&event(Data::DesiredReinstated(DesiredReinstated { push: uuid::Uuid::nil(), commits })));
        assert!(it.is_empty());
    }

    #[test]
    fn the_way_out_is_a_command_to_copy() {
        let out = |withdrawn_ones: &str, added: &str| {
            let added = history(added);
            way_out(&added, &brought_again(&withdrawn(withdrawn_ones), &added))
        };
        assert_eq!(out("bc", "d:c c:b b:a"), ["git revert --no-edit 63000000 62000000"]);
        assert_eq!(out("mxy", "d:m m:by y:x x:a b:a"), ["git revert --no-edit -m 1 6d000000"]);
        assert_eq!(out("z", "d:c c:b b:a"), [""; 0]);
    }

    #[test]
    fn few_are_named_and_the_others_counted() {
        let all: Vec<Oid> = "abcdefg".chars().map(oid).collect();
        assert_eq!(told(&all[..1]), "contains withdrawn 61000000: revert it, or `-o reinstate`");
        assert!(told(&all).ends_with(" and 2 more: revert them, or `-o reinstate`"), "{}", told(&all));
    }
}
