//! What can go wrong at the door to Docker, told so that a person can act on it and a program knows whether to try again.

use std::time::Duration;

/// Why an engine did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Docker cannot be reached, or went away in the middle of it.
    #[error("Docker is not reachable: {reason}; is the engine running?")]
    Away {
        /// What was seen.
        reason: String,
    },
    /// Docker took the request and did not answer in time; whether it was done is unknown.
    #[error("{what}: no answer from Docker within {within:?}, it may be overloaded")]
    Slow {
        /// What was asked for.
        what: String,
        /// How long we waited.
        within: Duration,
    },
    /// The thing that was named is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// Kind and name, such as "container `acme.shop.api`".
        what: String,
    },
    /// Another container has the name.
    #[error("the container name `{name}` is taken by container `{by}`; remove or rename that one")]
    NameTaken {
        /// The name.
        name: String,
        /// Docker's id of who has it.
        by: String,
    },
    /// Another container or process of the node has the port.
    #[error("port `{port}` of the node is taken, needed by `{name}`: {message}; free it or publish another")]
    PortTaken {
        /// Whose port it should be.
        name: String,
        /// Address and port, as far as Docker tells.
        port: String,
        /// What Docker said.
        message: String,
    },
    /// The image is not on this engine.
    #[error("image `{image}` is not on this node: {message}")]
    ImageMissing {
        /// The image.
        image: String,
        /// What Docker said.
        message: String,
    },
    /// The image could not be had just now, for a cause that can pass.
    #[error("image `{image}` could not be pulled: {message}; its registry may be unreachable")]
    PullPassing {
        /// The image.
        image: String,
        /// What Docker said.
        message: String,
    },
    /// The image cannot be had.
    #[error("image `{image}` cannot be pulled: {message}; check its name and tag, and whether it is public")]
    PullRefused {
        /// The image.
        image: String,
        /// What Docker said.
        message: String,
    },
    /// The image says of itself what only we say.
    #[error(
        "image `{image}` carries the label `{label}`: labels that begin with `fleetlog.` say whose a container is, and \
         an image must not; build it without"
    )]
    ImageClaims {
        /// The image.
        image: String,
        /// Its label.
        label: String,
    },
    /// Docker refused for another reason.
    #[error("{what}: Docker refused with status {status}: {message}")]
    Refused {
        /// What was asked for, such as "start container `acme.shop.api`".
        what: String,
        /// The status of its answer; 0 where it is no answer that we can read.
        status: u16,
        /// What Docker said.
        message: String,
    },
}

impl EngineError {
    /// Whether the same call can succeed later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Slow { .. } | Self::PullPassing { .. } => true,
            // Docker's own shutdown and start.
            Self::Refused { status, .. } => *status == 503,
            Self::NotFound { .. }
            | Self::NameTaken { .. }
            | Self::PortTaken { .. }
            | Self::ImageMissing { .. }
            | Self::ImageClaims { .. }
            | Self::PullRefused { .. } => false,
        }
    }

    /// Whether the engine took the request and did not answer in time.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Slow { .. })
    }

    /// Whether the engine could not be reached at all.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
