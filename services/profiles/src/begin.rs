//! What every start sees to: the profile `admin` is there, the token in `DIR/admin.token` opens and no earlier one of
//! that file does, and what was to be erased is.

use schemas::access::{Role, Who};
use schemas::event::{Data, MemberSet, ProfileCreated, Scope, TokenCreated, TokenRevoked, Topic};
use schemas::names::{Owner, ProfileName};
use schemas::query::Fault;
use uuid::Uuid;

use crate::desk::{Decided, Desk, Line, not_found};
use crate::error::Error;
use crate::known::Known;
use crate::tokens::ADMIN_TOKEN;

/// Who writes the events of a start.
const ACTOR: &str = "fleetlog";

/// Sees to all of it. The fold has read the log.
pub(crate) async fn begin(desk: &Desk, admin_token: &str) -> Result<(), Error> {
    desk.sweep().await.map_err(Error::Erase)?;
    admin(desk, admin_token).await.map_err(|fault| Error::Admin { reason: fault.message })
}

async fn admin(desk: &Desk, token: &str) -> Result<(), Fault> {
    let _pen = desk.pen().await;
    let name = ProfileName::admin();
    let new = || streams::clock::new_id();
    let made = ProfileCreated { name: name.clone(), admin: true };
    desk.write(line(new(), Topic::Profile, format!("profiles/{name}")), |known| {
        Ok(known.profile(&name).map_or_else(|| Decided::append(Data::ProfileCreated(made.clone())), |_| already()))
    })
    .await?;
    member(desk, &name).await?;
    let digest = desk.keys.digest(token);
    let id = new();
    desk.write(line(id, Topic::Token, format!("tokens/{id}")), |known| {
        if known.token_by_digest(&digest).is_some() {
            return Ok(already());
        }
        let (profile, name, digest) = (id_of(known, &name)?, ADMIN_TOKEN.to_owned(), digest.clone());
        Ok(Decided::append(Data::TokenCreated(TokenCreated { profile, name, digest, expires: None })))
    })
    .await?;
    let ours = desk.view.read(|known, _| known.token_by_digest(&digest).cloned());
    if ours.as_ref().is_some_and(|it| it.revoked.is_some()) {
        tracing::warn!(
            "the token in `admin.token` was revoked: remove the file and start again to have another one made"
        );
        return Ok(());
    }
    // The file holds another one now, or was made anew: what it held before is whoever's who has a copy.
    let earlier = desk.view.read(|known, _| {
        let all = known.tokens().into_iter().filter(|(it, profile)| profile.admin && it.name == ADMIN_TOKEN);
        let others = all.filter(|(it, _)| ours.as_ref().is_none_or(|ours| ours.id != it.id));
        others.map(|(it, _)| it.id).collect::<Vec<Uuid>>()
    });
    for token in earlier {
        desk.write(line(new(), Topic::Token, format!("tokens/{token}")), |known| {
            Ok(match known.token(token).and_then(|it| it.revoked) {
                Some(position) => Decided::Already(position),
                None => Decided::append(Data::TokenRevoked(TokenRevoked { token })),
            })
        })
        .await?;
        tracing::info!(%token, "revoked the token that was in `admin.token` before");
    }
    Ok(())
}

/// The first owner is there from the start; once, so that it can be taken away.
async fn member(desk: &Desk, name: &ProfileName) -> Result<(), Fault> {
    let Ok(owner) = name.as_str().parse::<Owner>() else { return Ok(()) };
    let scope = Scope::Owner(owner.clone());
    let line = Line {
        id: streams::clock::new_id(),
        scope: scope.clone(),
        topic: Topic::Member,
        subject: format!("members/{name}"),
        actor: ACTOR.to_owned(),
    };
    let written = desk.write(line, |known| {
        if known.last(&scope, Topic::Member) > 0 {
            return Ok(already());
        }
        let (owner, profile) = (owner.clone(), id_of(known, name)?);
        Ok(Decided::append(Data::MemberSet(MemberSet { owner, profile, role: Role::Owner })))
    });
    written.await.map(drop)
}

fn line(id: Uuid, topic: Topic, subject: String) -> Line {
    Line { actor: ACTOR.to_owned(), ..Line::platform(id, topic, subject, &Who::admin()) }
}

const fn already() -> Decided {
    Decided::Already(0)
}

fn id_of(known: &Known, name: &ProfileName) -> Result<Uuid, Fault> {
    known.profile(name).map(|it| it.id).ok_or_else(|| not_found(format!("there is no profile `{name}`")))
}
