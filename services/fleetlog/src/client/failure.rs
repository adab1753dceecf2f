//! Why a command failed, and with which exit status.

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The thing asked for failed.
    #[error("fleetlog: {0}")]
    Failed(String),
    /// The same, and everything about it is said already.
    #[error("")]
    Said,
    /// It was asked for in a way that cannot be understood.
    #[error("fleetlog: {0}")]
    Usage(String),
    /// The platform does not let us.
    #[error("fleetlog: {0}")]
    NotAllowed(String),
    /// The platform is not there.
    #[error("fleetlog: {0}")]
    NotReachable(String),
    /// Nobody reads what we write.
    #[error("standard output is closed")]
    ClosedPipe,
}

impl Failure {
    /// The exit status.
    pub const fn status(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Failed(_) | Self::Said => 1,
            Self::Usage(_) => 2,
            Self::NotAllowed(_) => 3,
            Self::NotReachable(_) => 4,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::Failed(format!("cannot write to standard output: {error}"))
    }
}
