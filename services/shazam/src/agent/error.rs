//! Why a step was not done.

use engine::EngineError;

/// Why a step was not done; the message is what the pusher reads.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Docker refused, or is away.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Something that is not ours is in the way.
    #[error("{kind} `{name}` exists and is not of this installation: remove or rename it, it was left as it is")]
    Stranger {
        /// A container, volume or network.
        kind: &'static str,
        /// Its name in Docker.
        name: String,
    },
    /// The recorded image is gone, and no registry has it.
    #[error(
        "image `{image}` was resolved to {id}, which is not on the node any more, and came from no registry: \
         `fleetlog update` takes what the tag leads to now"
    )]
    ImageGone {
        /// The reference.
        image: String,
        /// The image's id.
        id: String,
    },
    /// What the files say that the container takes in is not to be had.
    #[error("the files of the container cannot be had from Git: {why}")]
    NoFiles {
        /// What was seen.
        why: String,
        /// Whether another try may go well.
        passing: bool,
    },
    /// A port of the node is not free.
    #[error("port {port} of the node is taken by {holder}: free it or publish another ({message})")]
    PortTaken {
        /// The node's port.
        port: String,
        /// Who has it.
        holder: String,
        /// What Docker said.
        message: String,
    },
    /// What is needed did not get there.
    #[error("needs `{needed}`: {why}")]
    Need {
        /// The needed container.
        needed: String,
        /// What was seen of it.
        why: String,
    },
    /// Something runs that has a volume.
    #[error("container `{container}` runs and has volume `{volume}`: `fleetlog stop {container}` first")]
    VolumeInUse {
        /// The descriptor's name.
        volume: String,
        /// Who has it.
        container: String,
    },
    /// Something that is not of the fleet's containers has a volume.
    #[error("`{container}` has volume `{volume}` as well, and is not one of the fleet's containers: remove it first")]
    VolumeShared {
        /// The descriptor's name.
        volume: String,
        /// Its name in Docker.
        container: String,
    },
    /// There is too little time left.
    #[error(
        "volume `{volume}` was copied to snapshot {saved}, which took too long to fill it again in the time that is left: nothing was changed"
    )]
    TooLittleTime {
        /// The descriptor's name.
        volume: String,
        /// The copy.
        saved: String,
    },
    /// A volume was emptied, and could not be filled again.
    #[error("volume `{volume}` is not whole ({why}): restore it again; what it had is in its snapshot {saved}")]
    NotWhole {
        /// The descriptor's name.
        volume: String,
        /// What went wrong.
        why: String,
        /// Where its data is.
        saved: String,
    },
    /// A volume is left as it is.
    #[error("volume `{volume}` is not destroyed: {why}")]
    NotDestroyed {
        /// The descriptor's name.
        volume: String,
        /// What speaks against it.
        why: String,
    },
    /// The one that should have been replaced serves as before.
    #[error("the new one did not take over: {why}; the old one goes on as it was")]
    NotReplaced {
        /// What was seen of the new one.
        why: String,
    },
    /// It runs, but not as it should.
    #[error("{why}")]
    NotReady {
        /// What was seen of it.
        why: String,
    },
}

impl StepError {
    /// Whether Docker was away: nothing is known, do it again once it is back.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_away())
    }

    /// Whether the same can succeed later without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_passing(),
            Self::NoFiles { passing, .. } => *passing,
            _ => false,
        }
    }
}
