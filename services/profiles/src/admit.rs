//! Lets in who has a token that is good now, as whom it says, from the fold of this process.
//!
//! The fold is at the newest position that this process has heard of. While it is not there yet, or has stopped, nobody
//! is let in: what it knows may be wrong by now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use schemas::access::Who;
use streams::View;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::keys::Keys;
use crate::known::Known;
use crate::token;
use crate::used::Used;

/// How long at most until a pass is taken back whose token is over by the clock, or when the fold has stopped.
const LOOK: Duration = Duration::from_millis(500);

/// Asked by every door. Clone is cheap.
#[derive(Clone)]
pub struct Doorkeeper {
    view: View<Known>,
    keys: Keys,
    /// Where it is kept when tokens are used; none where the profiles run elsewhere.
    used: Option<Arc<Used>>,
    /// Up to here the fold has to have read before anybody is let in.
    from: u64,
    /// The passes that were given, one a token.
    given: Arc<Mutex<HashMap<Uuid, Pass>>>,
}

/// Who was let in.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Who it is.
    pub who: Who,
    /// Cancelled once the token does not let the same in with the same roles any more: for answers that go on and on.
    pub over: CancellationToken,
}

/// Why somebody was not let in. Its text is for the one who showed the token, and tells nothing about others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody is let in now.
    #[error("nobody can be let in now: {0}")]
    Blind(String),
    /// It is written like no token.
    #[error("the token is not written like one of ours: {0}")]
    Malformed(&'static str),
    /// Nobody has ever made it, as far as can be told.
    #[error("there is no such token here: is it for another platform?")]
    Unknown,
    /// It was good once.
    #[error(
        "the token `{name}` expired at {at}: make another one with `fleetlog token create`, or ask the admin for one"
    )]
    Expired {
        /// What it was for.
        name: String,
        /// Since when.
        at: Timestamp,
    },
    /// Somebody took it back.
    #[error("the token `{name}` was revoked")]
    Revoked {
        /// What it was for.
        name: String,
    },
    /// Its profile is gone.
    #[error("the profile of this token was erased")]
    Erased,
}

impl Denied {
    /// What kind, for figures.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Blind(_) => "blind",
            Self::Malformed(_) => "malformed",
            Self::Unknown => "unknown",
            Self::Expired { .. } => "expired",
            Self::Revoked { .. } => "revoked",
            Self::Erased => "erased",
        }
    }
}

impl Doorkeeper {
    pub(crate) fn new(view: View<Known>, keys: Keys, used: Option<Arc<Used>>, from: u64) -> Self {
        Self { view, keys, used, from, given: Arc::default() }
    }

    /// Lets in who shows a good token.
    pub fn admit(&self, shown: &str, now: Timestamp) -> Result<Pass, Denied> {
        match self.look(shown, now) {
            Ok((token, who)) => {
                if let Some(used) = &self.used {
                    used.note(token, now);
                }
                Ok(self.give(token, who))
            }
            Err(denied) => {
                metrics::counter!("fleetlog_tokens_denied_total", "reason" => denied.kind()).increment(1);
                Err(denied)
            }
        }
    }

    /// Takes passes back as what they stand for changes, until `shutdown`.
    pub(crate) async fn watch(&self, shutdown: &CancellationToken) {
        let mut positions = self.view.positions();
        while !shutdown.is_cancelled() {
            self.take_back(streams::clock::now());
            // Every arm only looks: dropping one loses nothing. The sender cannot be gone, we hold it.
            tokio::select! {
                _ = positions.changed() => {}
                () = sleep(LOOK) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// The pass of a token: the one that was given before where nothing has changed.
    fn give(&self, token: Uuid, who: Who) -> Pass {
        let mut given = self.given();
        if let Some(pass) = given.get(&token).filter(|it| it.who == who) {
            return pass.clone();
        }
        let pass = Pass { who, over: CancellationToken::new() };
        if let Some(earlier) = given.insert(token, pass.clone()) {
            earlier.over.cancel();
        }
        pass
    }

    fn take_back(&self, now: Timestamp) {
        let blind = self.blind().is_some();
        self.given().retain(|token, pass| {
            let stands = !blind && self.view.read(|known, _| known.admit(*token, now).is_ok_and(|who| who == pass.who));
            if !stands {
                pass.over.cancel();
            }
            stands
        });
    }

    fn given(&self) -> MutexGuard<'_, HashMap<Uuid, Pass>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nobody can be let in.
    fn blind(&self) -> Option<String> {
        if let Some(why) = self.view.stopped() {
            return Some(format!("the profiles no longer follow the log: {why}"));
        }
        let at = self.view.position();
        (at < self.from).then(|| format!("the profiles are being read: at position {at} of {}", self.from))
    }

    fn look(&self, shown: &str, now: Timestamp) -> Result<(Uuid, Who), Denied> {
        if let Some(why) = self.blind() {
            return Err(Denied::Blind(why));
        }
        let digest = self.keys.digest(shown);
        self.view.read(|known, _| match known.token_by_digest(&digest) {
            Some(token) => Ok((token.id, known.admit(token.id, now)?)),
            // Only after looking: a token of an earlier form may be as good as any.
            None => Err(token::fault(shown).map_or(Denied::Unknown, Denied::Malformed)),
        })
    }
}

impl Known {
    /// Whom a token lets in now.
    fn admit(&self, token: Uuid, now: Timestamp) -> Result<Who, Denied> {
        let token = self.token(token).ok_or(Denied::Unknown)?;
        let profile = self.profile_of(token.profile).ok_or(Denied::Erased)?;
        if token.revoked.is_some() {
            return Err(Denied::Revoked { name: token.name.clone() });
        }
        match token.expires.filter(|at| *at <= now) {
            Some(at) => Err(Denied::Expired { name: token.name.clone(), at }),
            None => Ok(profile.who()),
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::{
        Data, Draft, Event, MemberSet, ProfileCreated, ProfileErased, Scope, TokenCreated, TokenRevoked,
    };
    use streams::Projection;

    use super::*;

    fn apply(known: &mut Known, position: u64, id: u128, data: Data) {
        let (scope, time) = (Scope::Platform, Timestamp::UNIX_EPOCH);
        let (subject, actor) = ("thing".to_owned(), "admin".to_owned());
        let draft = Draft { id: Uuid::from_u128(id), scope, subject, time, actor, cause: None, data };
        known.apply(&Event { position, draft });
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_token_is_good_until_it_expires_is_revoked_or_its_profile_goes() {
        let (ann, ci, old) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let mut known = Known::default();
        apply(&mut known, 1, 1, Data::ProfileCreated(ProfileCreated { name: "ann".parse().unwrap(), admin: false }));
        let token = |name: &str, expires| {
            Data::TokenCreated(TokenCreated { profile: ann, name: name.to_owned(), digest: name.to_owned(), expires })
        };
        apply(&mut known, 2, 2, token("ci", None));
        apply(&mut known, 3, 3, token("old", Some(at(100))));
        let who = known.admit(ci, at(1_000)).unwrap();
        assert_eq!((who.name.as_str(), who.admin, who.roles.len()), ("ann", false, 0));
        assert!(known.admit(old, at(99)).is_ok());
        assert_eq!(known.admit(old, at(100)), Err(Denied::Expired { name: "old".to_owned(), at: at(100) }));

        let role = schemas::access::Role::Viewer;
        let member = MemberSet { owner: "acme".parse().unwrap(), profile: ann, role };
        apply(&mut known, 4, 4, Data::MemberSet(member));
        assert_eq!(known.admit(ci, at(1_000)).unwrap().roles.len(), 1);
        apply(&mut known, 5, 5, Data::TokenRevoked(TokenRevoked { token: ci }));
        assert_eq!(known.admit(ci, at(1)), Err(Denied::Revoked { name: "ci".to_owned() }));

        apply(&mut known, 6, 6, Data::ProfileErased(ProfileErased { profile: ann }));
        assert_eq!(known.admit(old, at(1)), Err(Denied::Erased));
        // What comes for a profile that is gone gives it nothing.
        apply(&mut known, 7, 7, token("late", None));
        assert_eq!(known.admit(Uuid::from_u128(7), at(1)), Err(Denied::Erased));
        assert!(known.tokens().is_empty());
    }
}
