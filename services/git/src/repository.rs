//! One fleet's repository: what the log says about it, folded from its events.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use schemas::descriptors::{Changes, File, FleetFile, Path};
use schemas::event::{
    Data, DesiredRolledBack, Event, GitPushed, GitRepacked, PackRef, PullOpened, PullTip, PullUpdated, RefUpdate,
    Scope, Topic,
};
use schemas::names::{FleetId, Oid};
use schemas::pulls::{Pull, Pulls};
use schemas::rollback::Withdrawn;
use tokio::sync::Mutex;
use uuid::Uuid;

/// One fleet's repository. It may be on the disk before the log knows the fleet; readers do not see it then.
#[derive(Debug)]
pub(crate) struct Repository {
    /// Whose.
    pub(crate) fleet: FleetId,
    /// Where.
    pub(crate) path: PathBuf,
    /// Held from a push's `prepare` to its end: one push of a fleet at a time.
    pub(crate) state: Mutex<State>,
    known: AtomicBool,
    litter: AtomicBool,
}

/// What the log says, at a position.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Position of the last event on this fleet's Git subject that this state holds: what an append expects.
    pub(crate) applied: u64,
    /// Every ref.
    pub(crate) refs: BTreeMap<String, Oid>,
    /// The deploy branch; none before the first accepted push.
    pub(crate) deploy: Option<String>,
    /// The commit that is desired; none before the first push to the deploy branch, such as of a fork.
    pub(crate) desired: Option<Oid>,
    /// Position of the push or the rollback that made it so; 0 before.
    pub(crate) desired_at: u64,
    /// Commits that were taken back.
    pub(crate) withdrawn: Withdrawn,
    /// Every rollback by its id, so that none is made twice.
    pub(crate) rollbacks: HashMap<Uuid, Rollback>,
    /// The `fleet.json` of the last accepted push: whom it lets push, and what it guards, counts. A rollback does not
    /// loosen it.
    pub(crate) accepted: FleetFile,
    /// The `fleet.json` that is desired.
    pub(crate) fleet_file: FleetFile,
    /// Who moved each ref last.
    pub(crate) movers: BTreeMap<String, String>,
    /// Pull requests into this fleet.
    pub(crate) pulls: Pulls,
    /// Id of the `fleet.forked` that it began with, and what it is a copy of.
    pub(crate) forked: Option<(Uuid, FleetId)>,
    /// The packs that the log refers to, and their bytes.
    pub(crate) packs: HashMap<Uuid, u64>,
    /// Those of them that were not looked for on the disk yet.
    pub(crate) wanted: Vec<PackRef>,
    /// Packs that hold what others on the disk hold as well: loaded when there is time.
    pub(crate) spare: Vec<PackRef>,
    /// Packs that another one has replaced, and when.
    pub(crate) retired: Vec<(Uuid, Timestamp)>,
    /// Whether the disk shows this state.
    pub(crate) settled: bool,
}

/// What is remembered of a rollback.
#[derive(Debug, Clone)]
pub(crate) struct Rollback {
    /// Where its event is.
    pub(crate) position: u64,
    /// The commit that it went back to, and at which position that was desired.
    pub(crate) commit: Oid,
    pub(crate) to: u64,
    /// The commit that it came from.
    pub(crate) from: Oid,
}

impl Repository {
    /// A repository of a fleet that the log has not mentioned yet.
    pub(crate) fn new(fleet: FleetId, path: PathBuf) -> Self {
        Self { fleet, path, state: Mutex::default(), known: AtomicBool::new(false), litter: AtomicBool::new(false) }
    }

    /// A push that was refused late has left objects in the store.
    pub(crate) fn note_litter(&self) {
        self.litter.store(true, Ordering::Release);
    }

    /// Whether there is something to clear away; the caller does it.
    pub(crate) fn take_litter(&self) -> bool {
        self.litter.swap(false, Ordering::AcqRel)
    }

    /// Whether the log knows the fleet: whether readers may see it.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// The log knows the fleet from now on.
    pub(crate) fn note(&self, state: &State) {
        self.known.store(state.deploy.is_some(), Ordering::Release);
    }

    /// Whose events it takes.
    pub(crate) fn scope(&self) -> Scope {
        Scope::Fleet(self.fleet.clone())
    }
}

impl State {
    /// Takes one event; those that it has already, and those of other subjects, change nothing.
    /// Says whether the disk has to follow.
    pub(crate) fn take(&mut self, event: &Event) -> bool {
        if event.data.topic() != Topic::Git || event.position <= self.applied {
            return false;
        }
        self.applied = event.position;
        match &event.data {
            Data::GitRepacked(repacked) => return self.repacked(repacked, event.time),
            Data::GitPushed(pushed) => self.pushed(event, pushed),
            Data::PullOpened(PullOpened { number, tip, .. }) | Data::PullUpdated(PullUpdated { number, tip }) => {
                self.pulls.apply(event);
                self.pull(*number, tip);
            }
            Data::DesiredRolledBack(it) => {
                self.rolled_back(event, it);
                return false;
            }
            Data::DesiredReinstated(_) => {
                self.withdrawn.apply(event);
                return false;
            }
            Data::FleetForked(it) => {
                self.forked = Some((event.id, it.upstream.clone()));
                return false;
            }
            _ => {
                self.pulls.apply(event);
                return false;
            }
        }
        self.settled = false;
        true
    }

    fn repacked(&mut self, GitRepacked { pack, replaces }: &GitRepacked, time: Timestamp) -> bool {
        self.packs.insert(pack.id, pack.bytes);
        for id in replaces {
            self.packs.remove(id);
            self.retired.push((*id, time));
        }
        let lies_there = self.wanted.is_empty() && self.settled;
        self.wanted.retain(|it| !replaces.contains(&it.id));
        self.spare.retain(|it| !replaces.contains(&it.id));
        if lies_there {
            self.spare.push(pack.clone());
        } else {
            self.wanted.push(pack.clone());
            self.settled = false;
        }
        !lies_there
    }

    /// The packs that are not to be erased: those that the log refers to, and those that were replaced not long ago,
    /// which may still be on their way to another service. Forgets older ones.
    pub(crate) fn kept(&mut self, now: Timestamp, orphan: Duration) -> impl Iterator<Item = Uuid> {
        self.retired.retain(|(_, time)| Duration::try_from(now.duration_since(*time)).unwrap_or_default() < orphan);
        self.packs.keys().copied().chain(self.retired.iter().map(|(id, _)| *id))
    }

    fn pushed(&mut self, event: &Event, pushed: &GitPushed) {
        for update in &pushed.refs {
            match &update.new {
                Some(new) => {
                    self.refs.insert(update.name.clone(), new.clone());
                    self.movers.insert(update.name.clone(), event.actor.clone());
                }
                None => {
                    self.refs.remove(&update.name);
                    self.movers.remove(&update.name);
                }
            }
        }
        self.deploy = Some(pushed.deploy.clone());
        if pushed.commit.is_some() {
            self.desired.clone_from(&pushed.commit);
            self.desired_at = event.position;
            self.desires(&pushed.descriptors);
            self.accepted.clone_from(&self.fleet_file);
        }
        self.wants(pushed.pack.as_ref());
    }

    /// The refs stay: the disk has nothing to follow.
    fn rolled_back(&mut self, event: &Event, it: &DesiredRolledBack) {
        self.desired = Some(it.commit.clone());
        self.desired_at = event.position;
        self.desires(&it.descriptors);
        self.withdrawn.apply(event);
        let (position, commit, from) = (event.position, it.commit.clone(), it.from.clone());
        self.rollbacks.insert(event.id, Rollback { position, commit, to: it.to, from });
    }

    /// What it brings has a ref of its own.
    fn pull(&mut self, number: u64, tip: &PullTip) {
        self.refs.insert(Pull::ref_name(number), tip.head.clone());
        self.wants(tip.pack.as_ref());
    }

    fn wants(&mut self, pack: Option<&PackRef>) {
        if let Some(pack) = pack {
            self.packs.insert(pack.id, pack.bytes);
            self.wanted.push(pack.clone());
        }
    }

    fn desires(&mut self, changes: &Changes) {
        if changes.removed.contains(&Path::Fleet) {
            self.fleet_file = FleetFile::default();
        }
        if let Some(File::Fleet(fleet)) = changes.set.0.get(&Path::Fleet) {
            self.fleet_file = fleet.clone();
        }
    }

    /// The first of these refs that is not where the pusher saw it.
    pub(crate) fn moved<'a>(&self, updates: &'a [RefUpdate]) -> Option<&'a RefUpdate> {
        updates.iter().find(|update| self.refs.get(&update.name) != update.old.as_ref())
    }

    /// Two names of which one is a folder of the other, once these updates are done: no disk can hold both.
    pub(crate) fn conflict<'a>(&'a self, updates: &'a [RefUpdate]) -> Option<(&'a str, &'a str)> {
        // Also beside one that this very push deletes: Git locks all of them at once.
        let mut names: BTreeMap<&str, ()> = self.refs.keys().map(|name| (name.as_str(), ())).collect();
        names.extend(updates.iter().filter(|update| update.new.is_some()).map(|update| (update.name.as_str(), ())));
        let inner_of = |name: &str, folder: &str| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        names.keys().find_map(|folder| {
            let inside = names.range(*folder..).map(|(name, ())| *name).take_while(|name| name.starts_with(folder));
            inside.into_iter().find(|name| inner_of(name, folder)).map(|name| (*folder, name))
        })
    }
}

#[cfg(test)]
mod histories;

#[cfg(test)]
mod tests {
    use super::*;

    fn state(names: &[&str]) -> State {
        let oid: Oid = "a".repeat(40).parse().unwrap();
        State { refs: names.iter().map(|name| ((*name).to_owned(), oid.clone())).collect(), ..State::default() }
    }

    fn update(name: &str, deleted: bool) -> RefUpdate {
        let new = (!deleted).then(|| "b".repeat(40).parse().unwrap());
        RefUpdate { name: name.to_owned(), old: None, new }
    }

    #[test]
    fn a_name_inside_another_name_is_a_conflict() {
        let state = state(&["refs/heads/main", "refs/heads/main-2", "refs/heads/x/y"]);
        let inside = [update("refs/heads/main/x", false)];
        assert_eq!(state.conflict(&inside), Some(("refs/heads/main", "refs/heads/main/x")));
        let folder = [update("refs/heads/x", false)];
        assert_eq!(state.conflict(&folder), Some(("refs/heads/x", "refs/heads/x/y")));
        let moved = [update("refs/heads/x/y", true), update("refs/heads/x", false)];
        assert_eq!(state.conflict(&moved), Some(("refs/heads/x", "refs/heads/x/y")));
        assert_eq!(state.conflict(&[update("refs/heads/main-3", false)]), None);
    }

    #[test]
    fn a_ref_that_is_not_where_the_pusher_saw_it_has_moved() {
        let state = state(&["refs/heads/main"]);
        assert!(state.moved(&[update("refs/heads/new", false)]).is_none());
        assert!(state.moved(&[update("refs/heads/main", false)]).is_some());
    }

    #[test]
    fn what_was_replaced_is_kept_for_a_while_after_the_event() {
        let (old, new, time) = (Uuid::from_u128(1), Uuid::from_u128(2), Timestamp::UNIX_EPOCH);
        let pack = PackRef { id: new, first: 3, last: 4, chunks: 2, bytes: 9, sha256: String::new() };
        let wanted = vec![PackRef { id: old, ..pack.clone() }];
        let repacked = GitRepacked { pack: pack.clone(), replaces: vec![old] };
        let mut state = State { packs: [(old, 9)].into(), wanted, ..State::default() };
        assert!(state.repacked(&repacked, time), "the disk has to follow, as the old one was not looked for yet");
        assert_eq!(state.wanted, std::slice::from_ref(&pack));
        let kept = |state: &mut State, seconds: i64| {
            let now = Timestamp::from_second(seconds).unwrap();
            let mut kept: Vec<Uuid> = state.kept(now, Duration::from_secs(3_600)).collect();
            kept.sort();
            kept
        };
        assert_eq!(kept(&mut state, 3_599), [old, new]);
        assert_eq!(kept(&mut state, 3_600), [new]);
        assert!(state.retired.is_empty());

        // Where the old one lies on the disk, the new one has time.
        let mut state = State { packs: [(old, 9)].into(), settled: true, ..State::default() };
        assert!(!state.repacked(&repacked, time));
        assert!(state.settled && state.wanted.is_empty() && state.spare == [pack]);
    }
}
