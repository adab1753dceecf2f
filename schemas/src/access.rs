//! Who may do what: one pure function for every door.
//!
//! Decides from what a door knows about somebody ([`Who`]) and from the words of the request alone; reads and writes
//! nothing. Every list, page and stream is filtered with the same function, by [`owners`] and [`may_see`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::Scope;
use crate::names::{FleetId, NameError, Owner, ProfileName};

/// What a profile is with an owner. Each may do what the ones after it may, but for the last, which is beside them: it
/// reads metrics and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, members included.
    Owner,
    /// Changes what should run: pushes, and runs commands in containers.
    Maintainer,
    /// Acts on what runs: starts and cancels runs, retries, restarts, stops and starts containers, holds.
    Operator,
    /// Sees.
    Viewer,
    /// Reads metrics, nothing else.
    Scraper,
}

impl Role {
    /// Every role, the one that may do most first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Maintainer, Self::Operator, Self::Viewer, Self::Scraper];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Maintainer => "maintainer",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
            Self::Scraper => "scraper",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| NameError {
            seen: text.to_owned(),
            expected: "a role: `owner`, `maintainer`, `operator`, `viewer` or `scraper`",
        })
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// What is everybody's, without a token: health, the contract.
    Open,
    /// What needs a token, whoever's but a scraper's: one's own profile and tokens, lists that are filtered by what one
    /// may see.
    Enter,
    /// Look at a fleet: state, variables, rollouts, events, logs, tasks, runs; clone and fetch it.
    See,
    /// Plan a change without making it.
    Plan,
    /// Change what should be: push, make a fleet.
    Push,
    /// Act on what is: start and cancel runs, retry, restart, hold.
    Operate,
    /// Say who is a member.
    Members,
    /// Say what an owner forbids, and let a push pass that.
    Govern,
    /// Read metrics.
    Scrape,
    /// What concerns the platform as a whole: profiles, rebuilds.
    Administer,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Enter,
        Self::See,
        Self::Plan,
        Self::Push,
        Self::Operate,
        Self::Members,
        Self::Govern,
        Self::Scrape,
        Self::Administer,
    ];

    /// What who may not do it lacks, for people.
    pub const fn needed(self) -> &'static str {
        match self {
            Self::Open | Self::Enter => "a token that is not only a scraper's",
            Self::See | Self::Plan => "the role `viewer` or more with this owner",
            Self::Operate => "the role `operator` or more with this owner",
            Self::Push => "the role `maintainer` or more with this owner",
            Self::Members | Self::Govern => "the role `owner` with this owner",
            Self::Scrape => "the role `scraper` or more",
            Self::Administer => "the profile `admin`",
        }
    }
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The platform as a whole.
    Platform,
    /// An owner and all that is theirs.
    Owner(&'a Owner),
    /// One fleet.
    Fleet(&'a FleetId),
    /// One ref of a fleet, by its full name. For now all of them are alike.
    Ref(&'a FleetId, &'a str),
    /// A profile and what hangs on it: its tokens.
    Profile(&'a ProfileName),
}

/// Who somebody is, as a door found out. Put into a request's extensions; goes to other services with their questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The profile.
    pub name: ProfileName,
    /// May do everything.
    pub admin: bool,
    /// What it is with whom.
    pub roles: BTreeMap<Owner, Role>,
}

impl Who {
    /// The profile of the first token, which may do everything.
    pub fn admin() -> Self {
        Self { name: ProfileName::admin(), admin: true, roles: BTreeMap::new() }
    }

    /// What it is with `owner`, for people.
    pub fn role_with(&self, owner: &Owner) -> &'static str {
        self.roles.get(owner).map_or("nobody", |role| role.as_str())
    }
}

/// Whether `who` may do that.
pub fn allow(who: &Who, action: Action, resource: Resource<'_>) -> bool {
    if who.admin || action == Action::Open {
        return true;
    }
    let only_scrapes = !who.roles.is_empty() && who.roles.values().all(|it| *it == Role::Scraper);
    let role = match resource {
        Resource::Owner(owner) => who.roles.get(owner),
        Resource::Fleet(fleet) | Resource::Ref(fleet, _) => who.roles.get(&fleet.owner),
        // One's own is one's own; the rest of what concerns profiles is the admin's.
        Resource::Profile(name) => return action == Action::Enter && !only_scrapes && *name == who.name,
        // What nobody's in particular is: a list, which holds what each may see of it; metrics likewise.
        Resource::Platform => {
            return match action {
                Action::Enter => !only_scrapes,
                Action::Scrape => !who.roles.is_empty(),
                _ => false,
            };
        }
    };
    let up_to = |least: Role| role.is_some_and(|it| *it <= least);
    match action {
        Action::Open => true,
        Action::Enter | Action::See | Action::Plan => up_to(Role::Viewer),
        Action::Operate => up_to(Role::Operator),
        Action::Push => up_to(Role::Maintainer),
        Action::Members | Action::Govern => up_to(Role::Owner),
        Action::Scrape => role.is_some(),
        Action::Administer => false,
    }
}

/// The owners with whom `who` may do that, for the filter of a list; none: all of them, also those yet to come.
pub fn owners(who: &Who, action: Action) -> Option<Vec<Owner>> {
    let with = |owner: &&Owner| allow(who, action, Resource::Owner(owner));
    if who.admin { None } else { Some(who.roles.keys().filter(with).cloned().collect()) }
}

/// Whether `who` may see an event: a fleet's is for who may see the fleet, an owner's own (who is a member) for who may
/// see the owner's fleets, the platform's for the admin.
pub fn may_see(who: &Who, scope: &Scope) -> bool {
    match scope {
        Scope::Fleet(fleet) => allow(who, Action::See, Resource::Fleet(fleet)),
        Scope::Owner(owner) => allow(who, Action::See, Resource::Owner(owner)),
        Scope::Platform => allow(who, Action::Administer, Resource::Platform),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(roles: &[(&str, Role)]) -> Who {
        let roles = roles.iter().map(|(owner, role)| (owner.parse().unwrap(), *role)).collect();
        Who { name: "ann".parse().unwrap(), admin: false, roles }
    }

    /// The whole table, for one fleet of the role's owner and for the platform.
    #[test]
    fn every_role_may_do_what_it_may_and_no_more() {
        let fleet: FleetId = "acme/shop".parse().unwrap();
        let stranger = ("stranger", who(&[]));
        let elsewhere = ("owner elsewhere", who(&[("other", Role::Owner)]));
        let roles = Role::ALL.map(|role| (role.as_str(), who(&[("acme", role)])));
        let admin = ("admin", Who::admin());
        let mut table = String::new();
        for (name, who) in roles.into_iter().chain([stranger, elsewhere, admin]) {
            let may = |resource| -> Vec<String> {
                Action::ALL.into_iter().filter(|it| allow(&who, *it, resource)).map(|it| format!("{it:?}")).collect()
            };
            let of_fleet = may(Resource::Fleet(&fleet));
            assert_eq!(of_fleet, may(Resource::Owner(&fleet.owner)), "{name}");
            assert_eq!(of_fleet, may(Resource::Ref(&fleet, "refs/heads/main")), "{name}");
            table.push_str(&format!("{name}: {}\n", of_fleet.join(" ")));
            table.push_str(&format!("  platform: {}\n", may(Resource::Platform).join(" ")));
        }
        expect_test::expect![[r#"
            owner: Open Enter See Plan Push Operate Members Govern Scrape
              platform: Open Enter Scrape
            maintainer: Open Enter See Plan Push Operate Scrape
              platform: Open Enter Scrape
            operator: Open Enter See Plan Operate Scrape
              platform: Open Enter Scrape
            viewer: Open Enter See Plan Scrape
              platform: Open Enter Scrape
            scraper: Open Scrape
              platform: Open Scrape
            stranger: Open
              platform: Open Enter
            owner elsewhere: Open
              platform: Open Enter Scrape
            admin: Open Enter See Plan Push Operate Members Govern Scrape Administer
              platform: Open Enter See Plan Push Operate Members Govern Scrape Administer
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn a_profile_is_its_own_and_the_admins() {
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let owner = who(&[("acme", Role::Owner)]);
        assert!(allow(&owner, Action::Enter, Resource::Profile(&ann)));
        assert!(!allow(&owner, Action::Enter, Resource::Profile(&bob)));
        assert!(!allow(&owner, Action::Administer, Resource::Profile(&ann)));
        // A token that leaked out of a scraper's configuration makes no others.
        assert!(!allow(&who(&[("acme", Role::Scraper)]), Action::Enter, Resource::Profile(&ann)));
        assert!(allow(&Who::admin(), Action::Administer, Resource::Profile(&bob)));
    }

    #[test]
    fn lists_hold_what_one_may_see() {
        let both = who(&[("acme", Role::Viewer), ("other", Role::Scraper)]);
        let names = |action| owners(&both, action).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(Action::See), ["acme"]);
        assert_eq!(names(Action::Scrape), ["acme", "other"]);
        assert_eq!(owners(&Who::admin(), Action::See), None);

        let of = |scope: &str| Scope::Fleet(scope.parse().unwrap());
        assert!(may_see(&both, &of("acme/shop")));
        assert!(!may_see(&both, &of("other/shop")));
        let acme = Scope::Owner("acme".parse().unwrap());
        assert!(may_see(&both, &acme) && !may_see(&both, &Scope::Owner("other".parse().unwrap())));
        assert!(!may_see(&both, &Scope::Platform) && !may_see(&who(&[("acme", Role::Owner)]), &Scope::Platform));
        assert!(may_see(&Who::admin(), &Scope::Platform));
    }

    #[test]
    fn roles_are_read_by_their_names() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
        }
        assert!("Owner".parse::<Role>().unwrap_err().to_string().contains("`scraper`"));
    }
}
