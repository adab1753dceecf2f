//! The users of the server: one a service, each with rights, inbox and password of its own.

/// Who somebody is on the wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum User {
    /// Makes the streams at a start; gone after it.
    Provision,
    /// The process itself: opens the log, watches how full the streams are.
    Platform,
    /// Takes pushes.
    Git,
    /// Answers what is, and was.
    Registry,
    /// Shazam's half that decides.
    Coordinator,
    /// The halves on a Docker host together: shazam's, tasker's, logger's, monitor's.
    Agent,
    /// Tasker's half that decides.
    Tasker,
    /// Logger's half that indexes.
    Logger,
    /// Monitor's half that serves.
    Monitor,
    /// Profiles, members, tokens.
    Profiles,
    /// The HTTP door.
    Api,
    /// For tests of a single crate, where a server is asked for it: whatever any of the services may do.
    Everything,
}

impl User {
    /// One for each service.
    pub const SERVICES: [Self; 10] = [
        Self::Platform,
        Self::Git,
        Self::Registry,
        Self::Coordinator,
        Self::Agent,
        Self::Tasker,
        Self::Logger,
        Self::Monitor,
        Self::Profiles,
        Self::Api,
    ];

    /// Its name at the server.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Platform => "platform",
            Self::Git => "git",
            Self::Registry => "registry",
            Self::Coordinator => "coordinator",
            Self::Agent => "agent",
            Self::Tasker => "tasker",
            Self::Logger => "logger",
            Self::Monitor => "monitor",
            Self::Profiles => "profiles",
            Self::Api => "api",
            Self::Everything => "everything",
        }
    }

    /// Where answers to this user go. Each has its own, so that none can read another's.
    pub(crate) fn inbox(self) -> String {
        format!("_INBOX_{}", self.name())
    }

    /// Whether this one is meant where the table says `other`.
    pub(super) fn is(self, other: Self) -> bool {
        self == other || (self == Self::Everything && other != Self::Provision)
    }

    /// Whether the table names this one.
    pub(super) fn in_list(self, users: &[Self]) -> bool {
        users.iter().any(|&it| self.is(it))
    }
}
