//! The projection: every profile, token, role and policy of the log, at one position.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use schemas::access::{Role, Who};
use schemas::descriptors::Guards;
use schemas::event::{Data, Event, Scope, Topic};
use schemas::names::{Owner, ProfileName};
use streams::Projection;
use uuid::Uuid;

/// What is known. Whatever concerns a profile that is gone is gone with it, whichever event comes first.
#[derive(Debug, Default)]
pub(crate) struct Known {
    profiles: BTreeMap<ProfileName, Profile>,
    /// Of those that are there.
    names: HashMap<Uuid, ProfileName>,
    /// Names are not given twice: they stand in events for ever.
    gone: BTreeMap<ProfileName, Gone>,
    tokens: HashMap<Uuid, Token>,
    by_digest: HashMap<String, Uuid>,
    policies: BTreeMap<Owner, Guards>,
    /// The last position on each subject that we write to.
    last: HashMap<(Scope, Topic), u64>,
    /// The position of every event of ours, by its id: what was asked twice is done once.
    seen: HashMap<Uuid, u64>,
}

/// A profile that is there.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    pub(crate) name: ProfileName,
    pub(crate) admin: bool,
    pub(crate) created: Timestamp,
    pub(crate) roles: BTreeMap<Owner, Role>,
}

/// One that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    pub(crate) id: Uuid,
    pub(crate) since: u64,
}

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: Uuid,
    pub(crate) profile: Uuid,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// Position of its event.
    pub(crate) position: u64,
    pub(crate) expires: Option<Timestamp>,
    /// Since which position it opens nothing any more.
    pub(crate) revoked: Option<u64>,
}

impl Projection for Known {
    fn apply(&mut self, event: &Event) {
        match &event.data {
            Data::ProfileCreated(it) => {
                let (id, name) = (event.id, it.name.clone());
                self.names.insert(id, name.clone());
                let (admin, created, roles) = (it.admin, event.time, BTreeMap::new());
                self.profiles.insert(name.clone(), Profile { id, name, admin, created, roles });
            }
            Data::ProfileErased(it) => {
                if let Some(name) = self.names.remove(&it.profile) {
                    self.profiles.remove(&name);
                    self.gone.insert(name, Gone { id: it.profile, since: event.position });
                }
            }
            Data::TokenCreated(it) => {
                self.by_digest.insert(it.digest.clone(), event.id);
                let token = Token {
                    id: event.id,
                    profile: it.profile,
                    name: it.name.clone(),
                    created: event.time,
                    position: event.position,
                    expires: it.expires,
                    revoked: None,
                };
                self.tokens.insert(event.id, token);
            }
            Data::TokenRevoked(it) => {
                if let Some(token) = self.tokens.get_mut(&it.token) {
                    token.revoked.get_or_insert(event.position);
                }
            }
            Data::MemberSet(it) => {
                if let Some(profile) = self.profile_mut(it.profile) {
                    profile.roles.insert(it.owner.clone(), it.role);
                }
            }
            Data::MemberRemoved(it) => {
                if let Some(profile) = self.profile_mut(it.profile) {
                    profile.roles.remove(&it.owner);
                }
            }
            Data::PolicySet(it) => drop(self.policies.insert(it.owner.clone(), it.guards.clone())),
            _ => return,
        }
        self.seen.insert(event.id, event.position);
        self.last.insert((event.scope.clone(), event.data.topic()), event.position);
    }
}

impl Known {
    /// A profile that is there.
    pub(crate) fn profile(&self, name: &ProfileName) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// Every profile that is there, in the order of their names.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// The profile with this id.
    pub(crate) fn profile_of(&self, id: Uuid) -> Option<&Profile> {
        self.profiles.get(self.names.get(&id)?)
    }

    /// One that was erased.
    pub(crate) fn gone(&self, name: &ProfileName) -> Option<Gone> {
        self.gone.get(name).copied()
    }

    /// A token, whatever became of it.
    pub(crate) fn token(&self, id: Uuid) -> Option<&Token> {
        self.tokens.get(&id)
    }

    /// The token with this digest, whatever became of it.
    pub(crate) fn token_by_digest(&self, digest: &str) -> Option<&Token> {
        self.tokens.get(self.by_digest.get(digest)?)
    }

    /// What an owner forbids, where that was ever said.
    pub(crate) fn policy(&self, owner: &Owner) -> Option<&Guards> {
        self.policies.get(owner)
    }

    /// Tokens that are not revoked, of profiles that are there, the oldest first.
    pub(crate) fn tokens(&self) -> Vec<(&Token, &Profile)> {
        let alive = self.tokens.values().filter(|it| it.revoked.is_none());
        let mut all: Vec<_> = alive.filter_map(|it| Some((it, self.profile_of(it.profile)?))).collect();
        all.sort_by_key(|(token, _)| token.position);
        all
    }

    /// The last position on a subject of ours; 0: there is none yet.
    pub(crate) fn last(&self, scope: &Scope, topic: Topic) -> u64 {
        self.last.get(&(scope.clone(), topic)).copied().unwrap_or(0)
    }

    /// Where an event with this id stands, where there is one.
    pub(crate) fn seen(&self, id: Uuid) -> Option<u64> {
        self.seen.get(&id).copied()
    }

    fn profile_mut(&mut self, id: Uuid) -> Option<&mut Profile> {
        self.profiles.get_mut(self.names.get(&id)?)
    }
}

impl Profile {
    /// Who it is, as the doors know it.
    pub(crate) fn who(&self) -> Who {
        Who { name: self.name.clone(), admin: self.admin, roles: self.roles.clone() }
    }
}
