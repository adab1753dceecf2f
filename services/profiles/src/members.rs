//! Members: who is what with an owner.

use schemas::access::{Action, Resource, allow};
use schemas::event::{Data, MemberRemoved, MemberSet, Scope, Topic};
use schemas::query::{Done, Fault, MemberLine, MembersAnswer, MembersRequest, SetMember};

use crate::answer::Answered;
use crate::desk::{Decided, Desk, Line, not_allowed, not_found, used_otherwise};
use crate::profiles::no_such_profile;

/// Members in one answer.
const MAX_PAGE: u32 = 1_000;

impl Answered for MembersRequest {
    async fn answered(self, desk: &Desk) -> Result<MembersAnswer, Fault> {
        desk.wait_for(self.min_position).await?;
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        Ok(desk.view.read(|known, position| {
            let rest = known.profiles().filter(|it| self.after.as_ref().is_none_or(|after| it.name > *after));
            let mut seen = rest.filter_map(|it| {
                Some(MemberLine { profile: it.name.clone(), role: it.roles.get(&self.owner).copied()? })
            });
            let members = seen.by_ref().take(limit).collect();
            MembersAnswer { position: position.max(self.min_position), members, more: seen.next().is_some() }
        }))
    }
}

impl Answered for SetMember {
    async fn answered(self, desk: &Desk) -> Result<Done, Fault> {
        let Self { by, id, owner, profile, role } = self;
        if !allow(&by, Action::Members, Resource::Owner(&owner)) {
            return Err(not_allowed(&by, Action::Members.needed()));
        }
        let _pen = desk.pen().await;
        let line = Line {
            id,
            scope: Scope::Owner(owner.clone()),
            topic: Topic::Member,
            subject: format!("members/{profile}"),
            actor: by.name.to_string(),
        };
        let written = desk.write(line, |known| {
            let found = known.profile(&profile).ok_or_else(|| no_such_profile(&profile))?;
            let (has, seen) = (found.roles.get(&owner).copied(), known.seen(id));
            let data = match role {
                // Asked again, or so already.
                _ if has == role && seen.is_some() => return Ok(Decided::Already(seen.unwrap_or_default())),
                Some(role) if has == Some(role) => {
                    return Ok(Decided::Already(known.last(&Scope::Owner(owner.clone()), Topic::Member)));
                }
                None if has.is_none() => {
                    return Err(not_found(format!("`{profile}` is no member of `{owner}`")));
                }
                _ if seen.is_some() => return Err(used_otherwise()),
                Some(role) => Data::MemberSet(MemberSet { owner: owner.clone(), profile: found.id, role }),
                None => Data::MemberRemoved(MemberRemoved { owner: owner.clone(), profile: found.id }),
            };
            Ok(Decided::append(data))
        });
        Ok(Done { position: written.await? })
    }
}
