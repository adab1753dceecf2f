//! An owner's policy: what no push to a deploy branch of theirs may bring.

use schemas::access::{Action, Resource, allow};
use schemas::event::{Data, PolicySet, Scope, Topic};
use schemas::query::{Done, Fault, PolicyAnswer, PolicyRequest, SetPolicy};

use crate::answer::Answered;
use crate::desk::{Decided, Desk, Line, not_allowed, used_otherwise};

impl Answered for PolicyRequest {
    async fn answered(self, desk: &Desk) -> Result<PolicyAnswer, Fault> {
        desk.wait_for(self.min_position).await?;
        Ok(desk.view.read(|known, position| PolicyAnswer {
            position: position.max(self.min_position),
            guards: known.policy(&self.owner).cloned().unwrap_or_default(),
        }))
    }
}

impl Answered for SetPolicy {
    async fn answered(self, desk: &Desk) -> Result<Done, Fault> {
        let Self { by, id, owner, guards } = self;
        if !allow(&by, Action::Govern, Resource::Owner(&owner)) {
            return Err(not_allowed(&by, Action::Govern.needed()));
        }
        let _pen = desk.pen().await;
        let scope = Scope::Owner(owner.clone());
        let line = Line {
            id,
            scope: scope.clone(),
            topic: Topic::Policy,
            subject: "policy".to_owned(),
            actor: by.name.to_string(),
        };
        let written = desk.write(line, |known| {
            let is_so = known.policy(&owner).cloned().unwrap_or_default() == guards;
            match known.seen(id) {
                // Asked again, or so already.
                Some(position) if is_so => Ok(Decided::Already(position)),
                None if is_so => Ok(Decided::Already(known.last(&scope, Topic::Policy))),
                Some(_) => Err(used_otherwise()),
                None => {
                    Ok(Decided::append(Data::PolicySet(PolicySet { owner: owner.clone(), guards: guards.clone() })))
                }
            }
        });
        Ok(Done { position: written.await? })
    }
}
