//! Which events a request wants.

use jiff::Timestamp;
use schemas::access::{Who, may_see};
use schemas::event::{Data, Event};
use schemas::names::FleetId;

use crate::call::Call;
use crate::problem::Problem;

/// What an event has to be; what is absent lets everything through.
#[derive(Debug, Default)]
pub(super) struct Filter {
    kind: Option<&'static str>,
    subject: Option<Subject>,
    actor: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    fleet: Option<FleetId>,
    /// Who asks; none: may see everything.
    who: Option<Who>,
}

/// A subject, whole or by how it begins.
#[derive(Debug)]
enum Subject {
    Is(String),
    Begins(String),
}

impl Filter {
    /// Reads it from the query.
    pub fn read(call: &Call) -> Result<Self, Problem> {
        const TIME: &str = "an RFC 3339 time, such as 2030-01-31T12:00:00Z";
        Ok(Self {
            kind: call.text("type").map(read_kind).transpose()?,
            subject: call.text("subject").map(|text| match text.strip_suffix('*') {
                Some(begin) => Subject::Begins(begin.to_owned()),
                None => Subject::Is(text.to_owned()),
            }),
            actor: call.text("actor").map(str::to_owned),
            from: call.parsed("from", TIME)?,
            to: call.parsed("to", TIME)?,
            fleet: call.parsed("fleet", "an owner and a fleet, such as `acme/shop`")?,
            who: Some(call.who()?).filter(|who| !who.admin).cloned(),
        })
    }

    /// Whether it lets everything through.
    pub fn is_all(&self) -> bool {
        let Self { kind, subject, actor, from, to, fleet, who } = self;
        let about = kind.is_none() && subject.is_none() && actor.is_none() && fleet.is_none();
        about && from.is_none() && to.is_none() && who.is_none()
    }

    /// Whether it lets the event through.
    pub fn lets(&self, event: &Event) -> bool {
        self.kind.is_none_or(|kind| event.data.kind() == kind)
            && self.subject.as_ref().is_none_or(|it| it.fits(&event.subject))
            && self.actor.as_ref().is_none_or(|actor| event.actor == *actor)
            && self.from.is_none_or(|from| event.time >= from)
            && self.to.is_none_or(|to| event.time < to)
            && self.fleet.as_ref().is_none_or(|fleet| event.scope.fleet() == Some(fleet))
            && self.who.as_ref().is_none_or(|who| may_see(who, &event.scope))
    }
}

impl Subject {
    fn fits(&self, subject: &str) -> bool {
        match self {
            Self::Is(whole) => subject == whole,
            Self::Begins(begin) => subject.starts_with(begin),
        }
    }
}

/// A whole `ce-type`, or its short form without `fleetlog.` and the version.
fn read_kind(text: &str) -> Result<&'static str, Problem> {
    let found = Data::KINDS.iter().copied().find(|kind| *kind == text || short(kind) == text);
    found.ok_or_else(|| {
        let known: Vec<_> = Data::KINDS.iter().map(|kind| short(kind)).collect();
        Problem::bad_parameter("type", text, &format!("an event type: {}", known.join(", ")))
    })
}

/// `fleetlog.git.pushed.v1` → `git.pushed`
fn short(kind: &str) -> &str {
    let name = kind.strip_prefix("fleetlog.").unwrap_or(kind);
    name.rsplit_once(".v").map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_whole_and_its_short_name() {
        for text in ["fleetlog.git.pushed.v1", "git.pushed"] {
            assert_eq!(read_kind(text).unwrap(), "fleetlog.git.pushed.v1");
        }
        for text in ["git", "git.pushed.v1", "fleetlog.git.pushed.v2", "Git.Pushed"] {
            assert!(read_kind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_end() {
        let fits = |subject: Subject| subject.fits("containers/api");
        assert!(fits(Subject::Is("containers/api".to_owned())));
        assert!(!fits(Subject::Is("containers/".to_owned())));
        assert!(fits(Subject::Begins("containers/".to_owned())));
        assert!(!fits(Subject::Begins("refs/".to_owned())));
    }
}
