//! Profiles: made, listed, their address changed, erased.

use schemas::access::{Action, Resource, allow};
use schemas::event::{Data, ProfileCreated, ProfileErased, Topic};
use schemas::names::ProfileName;
use schemas::query::{
    CreateProfile, Done, EraseProfile, Fault, Mail, ProfileLine, ProfileMade, ProfilesAnswer, ProfilesRequest, SetMail,
};
use streams::KeyPart;
use uuid::Uuid;

use crate::answer::Answered;
use crate::desk::{Decided, Desk, Line, away, conflict, not_allowed, not_found, used_otherwise};
use crate::known::{Known, Profile};
use crate::seal;

/// Names that services sign their events with: nobody is to be taken for one.
const RESERVED: [&str; 12] = [
    "agent",
    "api",
    "coordinator",
    "fleetlog",
    "git",
    "logger",
    "monitor",
    "platform",
    "profiles",
    "registry",
    "shazam",
    "tasker",
];
/// Profiles in one answer.
const MAX_PAGE: u32 = 1_000;

impl Answered for ProfilesRequest {
    async fn answered(self, desk: &Desk) -> Result<ProfilesAnswer, Fault> {
        desk.wait_for(self.min_position).await?;
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        let (page, more, position) = desk.view.read(|known, position| {
            let rest = known.profiles().filter(|it| self.after.as_ref().is_none_or(|after| it.name > *after));
            let mut seen = rest.filter(|it| allow(&self.by, Action::Enter, Resource::Profile(&it.name)));
            let page: Vec<Profile> = seen.by_ref().take(limit).cloned().collect();
            (page, seen.next().is_some(), position)
        });
        let mut profiles = Vec::with_capacity(page.len());
        for profile in &page {
            profiles.push(line(desk, profile).await?);
        }
        Ok(ProfilesAnswer { position: position.max(self.min_position), profiles, more })
    }
}

impl Answered for CreateProfile {
    async fn answered(self, desk: &Desk) -> Result<ProfileMade, Fault> {
        may_administer(&self.by)?;
        let _pen = desk.pen().await;
        let known = desk.view.read(|known, _| self.known(known));
        if let Some(position) = known? {
            let profile = desk.view.read(|known, _| known.profile(&self.name).cloned()).ok_or_else(used_otherwise)?;
            return Ok(ProfileMade { position, profile: line(desk, &profile).await? });
        }
        // Sealed before the event: a profile that is there has its address, and an address without one is swept.
        if let Some(mail) = &self.email {
            desk.note_litter();
            store(desk, self.id, mail).await?;
        }
        let line_of = Line::platform(self.id, Topic::Profile, format!("profiles/{}", self.name), &self.by);
        let written = desk.write(line_of, |known| {
            Ok(match self.known(known)? {
                Some(position) => Decided::Already(position),
                None => Decided::append(Data::ProfileCreated(ProfileCreated { name: self.name.clone(), admin: false })),
            })
        });
        let position = written.await?;
        let profile = desk.view.read(|known, _| known.profile_of(self.id).cloned());
        let profile = profile.ok_or_else(|| not_found(format!("the profile `{}` was erased meanwhile", self.name)))?;
        Ok(ProfileMade { position, profile: line(desk, &profile).await? })
    }
}

trait Wanted {
    /// Since when it is there; none: it can be made.
    fn known(&self, known: &Known) -> Result<Option<u64>, Fault>;
}

impl Wanted for CreateProfile {
    fn known(&self, known: &Known) -> Result<Option<u64>, Fault> {
        let name = &self.name;
        if let Some(position) = known.seen(self.id) {
            let same = known.profile_of(self.id).is_some_and(|it| it.name == *name);
            return if same { Ok(Some(position)) } else { Err(used_otherwise()) };
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(conflict(format!("`{name}` is what a service of the platform is called: take another name")));
        }
        if known.profile(name).is_some() {
            return Err(conflict(format!("there is a profile `{name}` already")));
        }
        if known.gone(name).is_some() {
            let why = "its name stands in events, and names are not given twice: take another one";
            return Err(conflict(format!("there was a profile `{name}`, which was erased: {why}")));
        }
        Ok(None)
    }
}

impl Answered for SetMail {
    async fn answered(self, desk: &Desk) -> Result<ProfileMade, Fault> {
        // Others' are as if there were none.
        if !allow(&self.by, Action::Enter, Resource::Profile(&self.name)) {
            return Err(no_such_profile(&self.name));
        }
        let _pen = desk.pen().await;
        let found = desk.view.read(|known, position| Some((position, known.profile(&self.name)?.clone())));
        let (position, profile) = found.ok_or_else(|| no_such_profile(&self.name))?;
        let had = mail(desk, profile.id).await?;
        if had != self.email || had.is_none() {
            // Erased before another one is stored: of the old one nothing stays, neither its bytes nor the key to them.
            // Killed in between there is no address; who asked was not answered, and asks again.
            desk.bus.erase_keys(profile.id).await.map_err(|error| away(&error))?;
            if let Some(mail) = &self.email {
                store(desk, profile.id, mail).await?;
            }
            tracing::info!(profile = %profile.id, by = %self.by.name, "a mail address was changed");
        }
        Ok(ProfileMade { position, profile: line(desk, &profile).await? })
    }
}

impl Answered for EraseProfile {
    async fn answered(self, desk: &Desk) -> Result<Done, Fault> {
        may_administer(&self.by)?;
        let _pen = desk.pen().await;
        let name = &self.name;
        let erased = |known: &Known| known.gone(name).map(|it| it.id);
        let holder = desk.view.read(|known, _| known.profile(name).map(|it| it.id).or_else(|| erased(known)));
        let holder = holder.ok_or_else(|| no_such_profile(name))?;
        let line = Line::platform(self.id, Topic::Profile, format!("profiles/{name}"), &self.by);
        let written = desk.write(line, |known| match (known.profile(name), known.gone(name)) {
            (Some(it), _) if it.admin => Err(conflict("the first profile stays: without it nobody could do anything")),
            (Some(_), _) if known.seen(self.id).is_some() => Err(used_otherwise()),
            (Some(it), _) => Ok(Decided::append(Data::ProfileErased(ProfileErased { profile: it.id }))),
            // Asked again: what was left to erase is erased below.
            (None, Some(gone)) => Ok(Decided::Already(gone.since)),
            (None, None) => Err(no_such_profile(name)),
        });
        let position = written.await?;
        // From here on the profile is gone; what fails now is done later, at the latest at the next start.
        desk.note_litter();
        desk.bus.erase_keys(holder).await.map_err(|error| {
            tracing::error!(profile = %holder, %error, "a profile is gone, but what was sealed for it is not yet");
            away(&error)
        })?;
        Ok(Done { position })
    }
}

fn may_administer(by: &schemas::access::Who) -> Result<(), Fault> {
    if allow(by, Action::Administer, Resource::Platform) {
        return Ok(());
    }
    Err(not_allowed(by, Action::Administer.needed()))
}

/// What everybody is told of a name that nobody has.
pub(crate) fn no_such_profile(name: &ProfileName) -> Fault {
    not_found(format!("there is no profile `{name}`"))
}

async fn store(desk: &Desk, profile: Uuid, mail: &Mail) -> Result<(), Fault> {
    let sealed = seal::seal(&desk.keys, profile, mail).map_err(|error| away(&error))?;
    for (part, bytes) in [(KeyPart::Data, sealed.data_key), (KeyPart::Mail, sealed.mail)] {
        desk.bus.store_key(profile, part, bytes).await.map_err(|error| away(&error))?;
    }
    Ok(())
}

async fn line(desk: &Desk, profile: &Profile) -> Result<ProfileLine, Fault> {
    Ok(ProfileLine {
        id: profile.id,
        name: profile.name.clone(),
        admin: profile.admin,
        created: profile.created,
        email: mail(desk, profile.id).await?,
        roles: profile.roles.clone(),
    })
}

/// The address of a profile, where it has one that opens.
async fn mail(desk: &Desk, profile: Uuid) -> Result<Option<Mail>, Fault> {
    let mut parts = Vec::new();
    for part in KeyPart::ALL {
        match desk.bus.load_key(profile, part).await.map_err(|error| away(&error))? {
            Some(bytes) => parts.push(bytes),
            None => return Ok(None),
        }
    }
    let [data_key, mail] = parts.as_slice() else { return Ok(None) };
    match seal::open(&desk.keys, profile, data_key, mail) {
        Ok(mail) => Ok(Some(mail)),
        Err(error) => {
            tracing::error!(%profile, %error, "a mail address cannot be opened");
            Ok(None)
        }
    }
}
