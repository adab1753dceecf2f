//! Tokens: made, listed, revoked.

use jiff::{SignedDuration, Timestamp};
use schemas::access::{Action, Resource, Who, allow};
use schemas::event::{Data, TokenCreated, TokenRevoked, Topic};
use schemas::query::{
    CreateToken, Done, Expiry, Fault, RevokeToken, TokenLine, TokenMade, TokensAnswer, TokensRequest,
};
use uuid::Uuid;

use crate::answer::Answered;
use crate::desk::{Decided, Desk, Line, away, bad_request, conflict, not_allowed, not_found, used_otherwise};
use crate::known::{Known, Profile, Token};
use crate::profiles::no_such_profile;
use crate::token;

/// What the token in `DIR/admin.token` is for; nobody else makes one of this name.
pub(crate) const ADMIN_TOKEN: &str = "admin.token";
/// How long a token is good where nobody says how long.
const USUAL: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Characters of what it is for.
const NAME: usize = 64;
/// Tokens that one profile has at a time.
const AT_A_TIME: usize = 200;
/// Tokens in one answer.
const MAX_PAGE: u32 = 1_000;

impl Answered for TokensRequest {
    async fn answered(self, desk: &Desk) -> Result<TokensAnswer, Fault> {
        desk.wait_for(self.min_position).await?;
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        Ok(desk.view.read(|known, position| {
            let after = self.after.and_then(|id| known.token(id)).map_or(0, |it| it.position);
            let mut seen = known.tokens().into_iter().filter(|(token, profile)| {
                token.position > after
                    && self.profile.as_ref().is_none_or(|it| *it == profile.name)
                    && allow(&self.by, Action::Enter, Resource::Profile(&profile.name))
            });
            let tokens = seen.by_ref().take(limit).map(|(token, profile)| line(desk, token, profile)).collect();
            TokensAnswer { position: position.max(self.min_position), tokens, more: seen.next().is_some() }
        }))
    }
}

impl Answered for CreateToken {
    async fn answered(self, desk: &Desk) -> Result<TokenMade, Fault> {
        if !allow(&self.by, Action::Enter, Resource::Profile(&self.profile)) {
            return Err(not_allowed(&self.by, "to be that profile, or the profile `admin`"));
        }
        named_well(&self.name)?;
        let expires = end(self.expires, streams::clock::now())?;
        let minted = token::mint().map_err(|error| away(&error))?;
        let digest = desk.keys.digest(&minted);
        let _pen = desk.pen().await;
        let subject = format!("tokens/{}", self.id);
        let written = desk.write(Line::platform(self.id, Topic::Token, subject, &self.by), |known| {
            self.can_be_made(known)?;
            let profile = known.profile(&self.profile).ok_or_else(|| no_such_profile(&self.profile))?.id;
            let (name, digest) = (self.name.clone(), digest.clone());
            Ok(Decided::append(Data::TokenCreated(TokenCreated { profile, name, digest, expires })))
        });
        let position = written.await?;
        let line = desk.view.read(|known, _| {
            let token = known.token(self.id)?;
            Some(line(desk, token, known.profile_of(token.profile)?))
        });
        let line = line.ok_or_else(|| not_found(format!("the profile `{}` was erased meanwhile", self.profile)))?;
        Ok(TokenMade { position, line, token: minted })
    }
}

trait Wanted {
    fn can_be_made(&self, known: &Known) -> Result<(), Fault>;
}

impl Wanted for CreateToken {
    fn can_be_made(&self, known: &Known) -> Result<(), Fault> {
        if known.seen(self.id).is_some() {
            let same = known.token(self.id).is_some_and(|it| it.name == self.name);
            return Err(if same {
                conflict(format!(
                    "this Idempotency-Key has made the token {} already, and a token is shown once: where it was lost, \
                     revoke it and make another one with a new key",
                    self.id
                ))
            } else {
                used_otherwise()
            });
        }
        let has = known.tokens().iter().filter(|(_, profile)| profile.name == self.profile).count();
        if has >= AT_A_TIME {
            return Err(conflict(format!("`{}` has {has} tokens, more it may not have: revoke some", self.profile)));
        }
        Ok(())
    }
}

impl Answered for RevokeToken {
    async fn answered(self, desk: &Desk) -> Result<Done, Fault> {
        let _pen = desk.pen().await;
        let line = Line::platform(self.id, Topic::Token, format!("tokens/{}", self.token), &self.by);
        let written = desk.write(line, |known| {
            let token = theirs(known, self.token, &self.by)?;
            Ok(match token.revoked {
                Some(position) => Decided::Already(position),
                None if known.seen(self.id).is_some() => return Err(used_otherwise()),
                None => Decided::append(Data::TokenRevoked(TokenRevoked { token: token.id })),
            })
        });
        Ok(Done { position: written.await? })
    }
}

/// A token of their own; others' are as if there were none.
fn theirs<'a>(known: &'a Known, id: Uuid, by: &Who) -> Result<&'a Token, Fault> {
    let owned = |it: &&Token| {
        let profile = known.profile_of(it.profile);
        profile.is_some_and(|profile| allow(by, Action::Enter, Resource::Profile(&profile.name)))
    };
    known.token(id).filter(owned).ok_or_else(|| not_found(format!("there is no token {id}")))
}

fn named_well(name: &str) -> Result<(), Fault> {
    let length = name.chars().count();
    if name.trim() != name || !(1..=NAME).contains(&length) || name.chars().any(char::is_control) {
        let expected = format!("from 1 to {NAME} characters without blanks around them, such as `ci` or `my laptop`");
        return Err(bad_request(format!("`name` has {length} characters, and says what the token is for: {expected}")));
    }
    if name == ADMIN_TOKEN {
        return Err(bad_request(format!("`{ADMIN_TOKEN}` is the token in the data folder: take another `name`")));
    }
    Ok(())
}

fn end(expires: Expiry, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    match expires {
        Expiry::Never => Ok(None),
        Expiry::Usual => Ok(now.checked_add(USUAL).ok()),
        Expiry::At(at) if at > now => Ok(Some(at)),
        Expiry::At(at) => Err(bad_request(format!("`expires` is {at}, which is past: it is {now} now"))),
    }
}

fn line(desk: &Desk, token: &Token, profile: &Profile) -> TokenLine {
    TokenLine {
        id: token.id,
        profile: profile.name.clone(),
        name: token.name.clone(),
        created: token.created,
        expires: token.expires,
        last_used: desk.used.last(token.id),
    }
}
