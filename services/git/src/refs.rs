//! Which refs a push wants to move, and whether it may.

use schemas::access::{Action, Resource, Who, allow};
use schemas::descriptors::Pushers;
use schemas::event::RefUpdate;
use schemas::names::{FleetId, Oid};

use crate::limit::{Over, key};
use crate::refuse::Refused;
use crate::repository::State;

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// Bytes of a ref's name at most, well below what a file system takes.
const NAME: usize = 200;

/// Characters of a ref's name that a message repeats.
const SHOWN: usize = 60;

/// The branch that a ref is.
pub(crate) fn branch(name: &str) -> Option<&str> {
    name.strip_prefix(BRANCHES)
}

/// Reads Git's `<old> <new> <ref>` lines.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<RefUpdate>, Refused> {
    let text = std::str::from_utf8(text)
        .map_err(|_| Refused::not_allowed("ref-name", "a ref's name is not UTF-8; expected plain text"))?;
    text.lines().map(parse_line).collect()
}

/// Reads one `<old> <new> <ref>`.
pub(crate) fn parse_line(line: &str) -> Result<RefUpdate, Refused> {
    let mut words = line.splitn(3, ' ');
    let mut oid = || Oid::parse_present(words.next().unwrap_or_default()).ok();
    let ids = oid().zip(oid());
    match (ids, words.next()) {
        (Some((old, new)), Some(name)) => Ok(RefUpdate { name: name.to_owned(), old, new }),
        _ => Err(Refused::not_allowed("ref-name", format!("cannot read the ref update {}", shown(line)))),
    }
}

/// Whether who pushes may move each of these refs.
pub(crate) fn permitted(who: &Who, fleet: &FleetId, updates: &[RefUpdate]) -> Result<(), Refused> {
    match updates.iter().find(|it| !allow(who, Action::Push, Resource::Ref(fleet, &it.name))) {
        None => Ok(()),
        Some(update) => {
            let (name, role, needed) = (&who.name, who.role_with(&fleet.owner), Action::Push.needed());
            Err(Refused::role(format!("`{name}` is `{role}`: moving `{}` needs {needed}", update.name)))
        }
    }
}

/// Whether who pushes may move the deploy branch past pull requests, as the accepted `fleet.json` has it.
pub(crate) fn unprotected(state: &State, who: &Who, fleet: &FleetId, updates: &[RefUpdate]) -> Result<(), Refused> {
    let deploys = |update: &&RefUpdate| branch(&update.name).is_some_and(|it| Some(it) == state.deploy.as_deref());
    let Some(update) = updates.iter().find(deploys) else { return Ok(()) };
    let needed = match state.accepted.protect.push {
        Pushers::Maintainer => return Ok(()),
        Pushers::Owner if allow(who, Action::Members, Resource::Ref(fleet, &update.name)) => return Ok(()),
        Pushers::Owner => "only its owners push to it",
        Pushers::Nobody => "it moves by pull requests alone",
    };
    let message = format!(
        "`{}` is protected: {needed} (`protect.push` in the accepted fleet.json); push a branch and ask for it:\n  \
         git push origin HEAD:refs/heads/my-change\n  fleetlog pr create --from my-change",
        update.name
    );
    Err(Refused::not_allowed("protected", message))
}

/// Whether these refs may move so, as far as that can be told from the log alone.
pub(crate) fn allowed(state: &State, updates: &[RefUpdate], limit: usize) -> Result<(), Refused> {
    few(updates.len(), limit)?;
    for update in updates {
        named_well(&update.name)?;
        if update.new.is_none() && branch(&update.name).is_some_and(|it| Some(it) == state.deploy.as_deref()) {
            let message = format!("`{}` is the deploy branch and cannot be deleted", update.name);
            return Err(Refused::not_allowed("deploy-branch-deleted", message));
        }
    }
    if let Some(moved) = state.moved(updates) {
        return Err(Refused::race(moved));
    }
    if let Some((folder, inside)) = state.conflict(updates) {
        let message =
            format!("`{inside}` cannot stand beside `{folder}`: Git keeps one of them as a folder; rename one");
        return Err(Refused::not_allowed("name-conflict", message));
    }
    Ok(())
}

/// Whether so many refs may move at once.
pub(crate) fn few(count: usize, limit: usize) -> Result<(), Refused> {
    if count <= limit {
        return Ok(());
    }
    let (what, limit) = (format!("this push moves {count} refs"), limit.to_string());
    let over = Over { code: "too-many-refs", what, limit, key: key::REFS, remedy: "push them in parts" };
    Err(Refused::over(&over))
}

fn named_well(name: &str) -> Result<(), Refused> {
    let refused = |why: String| Err(Refused::not_allowed("ref-name", why));
    let short = [BRANCHES, TAGS].iter().find_map(|prefix| name.strip_prefix(prefix));
    if short.is_none_or(str::is_empty) {
        let shown = shown(name);
        return refused(format!("{shown} is neither a branch nor a tag: only refs/heads/… and refs/tags/… are kept"));
    }
    if name.len() > NAME {
        return refused(format!("the ref's name {} has {} bytes, at most {NAME} fit", shown(name), name.len()));
    }
    match gix::validate::reference::name(name.into()) {
        Ok(_) => Ok(()),
        Err(error) => refused(format!("{name:?} is not a ref's name: {error}")),
    }
}

/// A name in quotes; of a long one its beginning.
pub(crate) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        None => format!("{name:?}"),
        Some((cut, _)) => format!("{:?}…", &name[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: &State, line: &str) -> String {
        let zero = "0".repeat(40);
        let line = line.replace("ZERO", &zero).replace("NEW", &"b".repeat(40)).replace("OLD", &"a".repeat(40));
        let updates = parse(line.as_bytes()).unwrap();
        allowed(state, &updates, 2).err().map(|it| it.message).unwrap_or_default()
    }

    #[test]
    fn only_branches_and_tags_are_kept_and_the_deploy_branch_stays() {
        let oid: Oid = "a".repeat(40).parse().unwrap();
        let refs = [("refs/heads/main".to_owned(), oid)].into();
        let state = State { deploy: Some("main".to_owned()), refs, ..State::default() };
        assert_eq!(message(&state, "ZERO NEW refs/heads/x\nZERO NEW refs/tags/v1"), "");
        assert!(message(&state, "ZERO NEW refs/notes/x").contains("neither a branch nor a tag"));
        assert!(message(&state, "ZERO NEW HEAD").contains("neither a branch nor a tag"));
        assert!(message(&state, "ZERO NEW refs/heads/").contains("neither a branch nor a tag"));
        assert!(message(&state, "ZERO NEW refs/heads/a..b").contains("is not a ref's name"));
        assert!(message(&state, "OLD ZERO refs/heads/main").contains("cannot be deleted"));
        assert!(message(&state, "NEW NEW refs/heads/main").contains("fetch first"));
        assert!(message(&state, "ZERO NEW refs/heads/main/x").contains("cannot stand beside"));
        let many = "ZERO NEW refs/heads/a\nZERO NEW refs/heads/b\nZERO NEW refs/heads/c";
        assert!(message(&state, many).contains("`git_refs` allows 2: push them in parts"));
    }
}
