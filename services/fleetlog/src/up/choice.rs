//! Which of the services run in this process, and what follows from that.

use std::collections::BTreeSet;

use clap::ValueEnum as _;

use crate::cli::Service;

/// The services of a process.
#[derive(Debug, Clone)]
pub struct Choice(BTreeSet<Service>);

impl Choice {
    /// Every one: what `up` runs.
    pub fn all() -> Self {
        Self::of(Service::value_variants())
    }

    /// These.
    pub fn of(services: &[Service]) -> Self {
        Self(services.iter().copied().collect())
    }

    /// Whether it is among them.
    pub fn has(&self, service: Service) -> bool {
        self.0.contains(&service)
    }

    /// Whether a log that is not there yet is made: by who also makes the first profile and its token.
    pub fn begins(&self) -> bool {
        self.has(Service::Profiles)
    }

    /// Whether somebody has to show a token here.
    pub fn has_door(&self) -> bool {
        self.has(Service::Git) || self.has(Service::Api)
    }

    /// Whether the master key is needed: for tokens, sealed addresses, or the digests that plans compare.
    pub fn needs_key(&self) -> bool {
        self.has_door() || self.has(Service::Profiles) || self.has(Service::Shazam)
    }

    /// Whether it is more than what a Docker host runs, which watches nothing but itself.
    pub fn is_more_than_agent(&self) -> bool {
        self.0.iter().any(|it| *it != Service::Agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_checks_tokens_or_digests_needs_the_key() {
        let needs = |services: &[Service]| Choice::of(services).needs_key();
        assert!(needs(&[Service::Git]) && needs(&[Service::Api]) && needs(&[Service::Shazam]));
        assert!(!needs(&[Service::Agent, Service::Registry, Service::Logger, Service::Monitor, Service::Tasker]));
        assert!(Choice::all().begins() && !Choice::of(&[Service::Git]).begins());
    }
}
